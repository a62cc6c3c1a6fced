"""Worlds in which a formula is the task: it is fulfilled, broken, or still open.

`formula` is a setting of every environment with propositions, so
`didact train --env Office --env-settings "formula=F coffee"` works; it may be in English, too.

References:
    Toro Icarte et al., Reward Machines: Exploiting Reward Function Structure in Reinforcement
    Learning, JAIR 2022 (arXiv:2010.03950): observations tell the state of the machine, too.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from didact.environments import ArraySpace, Environment, SettingError, Wrapper
from didact.environments.registry import register_wrapper_setting
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.batched_automata import batch_automata, next_states
from didact.students.skills.ltl.formula_input import read_formula
from didact.students.skills.ltl.formulas import Formula, brief
from didact.students.skills.ltl.parser import parse

PROGRESS = "progress"


class FormulaTaskState(NamedTuple):
    """n worlds, and how far each has come."""

    worlds: Any
    machine: Int32[Array, " n"]  # the automaton's state
    steps: Int32[Array, " n"]  # taken so far


class WithFormula(Wrapper[FormulaTaskState]):
    """An environment whose task is a formula over its propositions; made by `with_formula`.

    An episode ends with success where the formula is true of the labels of all steps so far (those
    after a reset do not count), and without where it cannot come true any more. Success pays
    1 - 0.9 t / max_steps as in MiniGrid, all else 0.

    Observations have `progress`, bool[n, states], too: where the automaton is.
    """

    def __init__(self, environment: Environment, made: Automaton):
        super().__init__(environment)
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
        return state, self._told(state, seen)

    def step(self, key, state, actions):
        worlds, seen = self.environment.step(key, state.worlds, actions)
        machine = next_states(
            self._machines, state.machine, seen.labels, jnp.zeros_like(state.machine)
        )
        state = FormulaTaskState(worlds, machine, state.steps + 1)
        success = self._machines.accepting[0, machine]
        over = success | self._machines.failed[0, machine]
        reward = jnp.where(success, 1 - 0.9 * state.steps / self.max_steps, 0.0)
        # A task of its own that the inner world has does not count, but its disasters do.
        over |= seen.terminated & ~seen.success
        seen = seen._replace(reward=reward, success=success, terminated=over)
        return state, self._told(state, seen)

    def _told(self, state, seen):
        progress = jax.nn.one_hot(state.machine, self.automaton.num_states, dtype=bool)
        return seen._replace(observation={**seen.observation, PROGRESS: progress})

    def map(self, state, index):
        """As it looks in the automaton's state of that world."""
        seen = super().map(state, index)
        if seen is None:
            return None
        machine = jnp.full(len(seen.free), state.machine[index])
        progress = jax.nn.one_hot(machine, self.automaton.num_states, dtype=bool)
        return seen._replace(observation={**seen.observation, PROGRESS: progress})

    def instruction_text(self, observation):
        """The formula."""
        return str(self.automaton.formula)

    # What the inner environment knows is of its own task, which is not the formula.

    def expert(self) -> None:
        return None

    def achieved_instructions(self) -> None:
        return None

    def feedback(self) -> None:
        return None


def with_formula(environment: Environment, formula: Formula | Automaton | str) -> WithFormula:
    """The environment with a formula as its task.

    Args:
        environment: one with propositions.
        formula: of these; or its automaton.

    Raises:
        SettingError: the formula has another proposition, is too complex, or is true or false
            before anything was done.
        FormulaError: the formula cannot be read.
    """
    if isinstance(formula, str):
        formula = parse(formula)
    made = formula if isinstance(formula, Automaton) else automaton(formula)
    text = brief(made.formula)
    for name in made.propositions:
        if name not in environment.propositions:
            names = ", ".join(environment.propositions) or "none in this environment"
            raise SettingError("formula", text, f"of the propositions {names} ({name!r} is none)")
    if made.failed[made.initial] or made.settled[made.transitions[made.initial]].all():
        raise SettingError("formula", text, "one that can be fulfilled, and broken or left open")
    return WithFormula(environment, made)


def _told(environment: Environment, text: str) -> WithFormula:
    return with_formula(environment, read_formula(text, environment))


register_wrapper_setting("formula", _told, lambda environment: bool(environment.propositions))
