"""Environments whose task is a temporal logic formula.

`formula` is a setting of every environment with propositions, as in
`didact train --env Office --env-settings "formula=F coffee"`; the formula may also be in English.

References:
    Toro Icarte et al., Reward Machines: Exploiting Reward Function Structure in Reinforcement
    Learning, JAIR 2022 (arXiv:2010.03950), where observations also include the machine's state.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from didact.environments import ArraySpace, Environment, SettingError
from didact.environments.registry import register_wrapper_setting
from didact.environments.wrappers import WithOtherGoal, ends_without_goal
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.batched_automata import batch_automata, next_states
from didact.students.skills.ltl.formula_input import read_formula
from didact.students.skills.ltl.formulas import Formula, brief
from didact.students.skills.ltl.parser import parse

PROGRESS = "progress"


class FormulaTaskState(NamedTuple):
    """The state of n environments with a formula."""

    worlds: Any  # the state of the inner environment
    machine: Int32[Array, " n"]  # the automaton's state
    steps: Int32[Array, " n"]  # number of steps taken


class WithFormula(WithOtherGoal[FormulaTaskState]):
    """An environment whose task is a formula over its propositions; made by `with_formula`.

    An episode ends with success if the formula is true of the labels of all steps so far (the
    labels after a reset do not count), and without success once it cannot become true any more. The
    reward of success is 1 - 0.9 t / max_steps, as in MiniGrid; all other rewards are 0.

    Observations also have `progress`, bool[n, states], the one-hot state of the automaton.
    """

    def __init__(self, environment: Environment, made: Automaton):
        super().__init__(environment, "formula", str(made.formula))
        self.return_range, self.success_at_limit = (0.0, 1.0), False
        self.automaton = made
        self._machines = batch_automata([made], environment.propositions)
        progress = ArraySpace((made.num_states,), np.bool_, 0, 1)
        self.observation_space = {**environment.observation_space, PROGRESS: progress}

    def inner_state(self, state):
        return state.worlds

    def reset(self, key, tasks):
        worlds, seen = self.environment.reset(key, tasks)
        machine = jnp.full(tasks.shape[0], self.automaton.initial, jnp.int32)
        state = FormulaTaskState(worlds, machine, jnp.zeros_like(machine))
        return state, self._with_progress(state, seen)

    def step(self, key, state, actions):
        worlds, seen = self.environment.step(key, state.worlds, actions)
        machine = next_states(
            self._machines, state.machine, seen.labels, jnp.zeros_like(state.machine)
        )
        state = FormulaTaskState(worlds, machine, state.steps + 1)
        success = self._machines.accepting[0, machine]
        over = success | self._machines.failed[0, machine]
        reward = jnp.where(success, 1 - 0.9 * state.steps / self.max_steps, 0.0)
        over |= ends_without_goal(self.environment, seen)
        seen = seen._replace(reward=reward, success=success, terminated=over)
        return state, self._with_progress(state, seen)

    def _with_progress(self, state, seen):
        progress = jax.nn.one_hot(state.machine, self.automaton.num_states, dtype=bool)
        return seen._replace(observation={**seen.observation, PROGRESS: progress})

    def map(self, state, index):
        """Return the inner map with `progress` in the automaton's current state."""
        seen = super().map(state, index)
        if seen is None:
            return None
        machine = jnp.full(len(seen.free), state.machine[index])
        progress = jax.nn.one_hot(machine, self.automaton.num_states, dtype=bool)
        return seen._replace(observation={**seen.observation, PROGRESS: progress})

    def instruction_text(self, observation):
        """Return the formula as text."""
        return str(self.automaton.formula)


def with_formula(environment: Environment, formula: Formula | Automaton | str) -> WithFormula:
    """Make an environment with a formula as its task.

    Args:
        environment: an environment with propositions.
        formula: a formula over these propositions, or its automaton.

    Raises:
        SettingError: the formula has an unknown proposition, is too complex, cannot be fulfilled,
            is decided by the first step alone, or has nothing to achieve: it is true after a first
            step in which nothing holds, although later steps could violate it.
        FormulaError: the formula cannot be parsed.
    """
    if isinstance(formula, str):
        formula = parse(formula)
    made = formula if isinstance(formula, Automaton) else automaton(formula)
    text = brief(made.formula)
    for name in made.propositions:
        if name not in environment.propositions:
            names = ", ".join(environment.propositions) or "none in this environment"
            allowed = f"a formula over the propositions {names} ({name!r} is unknown)"
            raise SettingError("formula", text, allowed)
    after = made.transitions[made.initial]
    if made.failed[made.initial] or (made.settled | made.failed)[after].all():
        raise SettingError("formula", text, "satisfiable, and not decided by the first step alone")
    if made.accepting[after[0]] and not made.settled[after[0]]:
        allowed = (
            "a formula with something to achieve (rules alone are true after one step, and an "
            "episode ends as soon as its formula is true)"
        )
        raise SettingError("formula", text, allowed)
    return WithFormula(environment, made)


def _from_text(environment: Environment, text: str) -> WithFormula:
    return with_formula(environment, read_formula(text, environment))


register_wrapper_setting("formula", _from_text, lambda environment: bool(environment.propositions))


def _sampled(environment: Environment, count: int) -> Environment:
    from didact.students.skills.sampled_formulas import with_sampled_formulas

    return with_sampled_formulas(environment, count)


register_wrapper_setting(
    "formulas", _sampled, lambda environment: len(environment.propositions) >= 3, int
)
