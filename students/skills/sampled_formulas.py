"""Environments whose task parameter is one of many sampled formulas.

`formulas` is a setting of every environment with propositions, as in
`didact train --env Office --env-settings formulas=64`.

References:
    Vaezipoor et al., LTL2Action: Generalizing LTL instructions for multi-task RL, ICML 2021
    (arXiv:2102.06858), where formulas are sampled for every episode.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from didact.common.errors import SettingError, require
from didact.environments import ArraySpace, Environment
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.wrappers import WithOtherGoal, ends_without_goal
from didact.students.skills.ltl import sampling
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.batched_automata import batch_automata, next_states, step_rewards

NAME = "formula"
MAX_STATES = 24
STAYS, ADVANCES, FAILS = 0, 1, 2
SEED = 0xF0


class SampledFormulasState(NamedTuple):
    """The state of n environments."""

    worlds: Any  # the state of the inner environment
    formula: Int32[Array, " n"]
    machine: Int32[Array, " n"]  # the automaton's state
    steps: Int32[Array, " n"]  # number of steps taken


class WithSampledFormulas(WithOtherGoal[SampledFormulasState]):
    """An environment whose first task parameter is the number of a formula, from short to long.

    Rewards and ends of episodes are those of `WithFormula`. Observations also have `formula`,
    float32[n, 2 p]: for each of the p propositions whether the formula advances, and whether it
    fails, if only this proposition holds next. An agent can thus follow formulas that it has never
    seen.

    Attributes:
        automata: the automata of the formulas, by number of states.
    """

    task_space: Box

    def __init__(self, environment: Environment[Any], automata: list[Automaton]):
        super().__init__(environment, "formulas", len(automata))
        self.return_range, self.success_at_limit = (0.0, 1.0), False
        inner = environment.task_space
        if not isinstance(inner, Box) or NAME in inner.names:
            allowed = f"one whose tasks are named numbers, none of them called {NAME}"
            raise SettingError("environment", self.name, allowed)
        self.automata = automata
        self._machines = batch_automata(automata, environment.propositions)
        self._effects = _effects(automata, len(environment.propositions), self._machines)
        most = len(automata) - 1
        number = Dimension(NAME, 0, most, True, "", "number of the formula, from short to long")
        self.task_space = Box((number, *inner.dimensions))
        size = self._effects.shape[-1]
        self.observation_space = {
            **environment.observation_space,
            NAME: ArraySpace((size,), np.float32, 0, 1),
        }

    @property
    def easy_space(self) -> TaskSpace:
        """The easy tasks, with the eighth of the formulas that have the smallest automata."""
        last = max(0, len(self.automata) // 8 - 1)
        easy = self.environment.easy_space
        inner = easy.dimensions if isinstance(easy, Box) else ()
        bounds = {d.name: (d.low, d.high) for d in inner}
        return self.task_space.restricted(**{NAME: (0, last), **bounds})

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """No tasks: there are no formulas of special interest."""
        return {}

    @property
    def test_sets(self) -> dict[str, np.ndarray]:
        """No tasks: those of the inner environment have no formula."""
        return {}

    def outer_task(self, task: np.ndarray) -> np.ndarray:
        """Refuse a task of the inner environment, which has no formula.

        Raises:
            SettingError: always.
        """
        raise SettingError("task", np.asarray(task).tolist(), "one with a formula")

    def single_task(self, space: TaskSpace) -> np.ndarray | None:
        return self.task_space.single_task(space)

    def inner_state(self, state):
        return state.worlds

    def reset(self, key, tasks):
        worlds, seen = self.environment.reset(key, tasks[:, 1:])
        chosen = self.task_space.clip(tasks)[:, 0].astype(jnp.int32)
        machine = self._machines.initial[chosen].astype(jnp.int32)
        state = SampledFormulasState(worlds, chosen, machine, jnp.zeros_like(machine))
        return state, self._shown(state, seen)

    def step(self, key, state, actions):
        worlds, seen = self.environment.step(key, state.worlds, actions)
        after = next_states(self._machines, state.machine, seen.labels, state.formula)
        after = after.astype(jnp.int32)
        _, over, success = step_rewards(self._machines, state.machine, after, state.formula)
        state = SampledFormulasState(worlds, state.formula, after, state.steps + 1)
        reward = jnp.where(success, 1 - 0.9 * state.steps / self.max_steps, 0.0)
        over |= ends_without_goal(self.environment, seen)
        seen = seen._replace(reward=reward, success=success, terminated=over)
        return state, self._shown(state, seen)

    def describe(self, task):
        return str(self.automata[int(task[0])].formula)

    def _shown(self, state, seen):
        shown = jnp.asarray(self._effects)[state.formula, state.machine]
        return seen._replace(observation={**seen.observation, NAME: shown})


def with_sampled_formulas(environment: Environment[Any], count: int = 64) -> WithSampledFormulas:
    """Make an environment with different sampled formulas as tasks, always the same ones.

    No two formulas have the same meaning. Sequences and conjunctions of two or three sequences are
    sampled in turns; as most of what is left out are short conjunctions, there are more sequences
    than conjunctions if `count` is large.

    Args:
        environment: an environment with at least three propositions.
        count: the number of formulas.

    Raises:
        SettingError: there are too few propositions for that many formulas.
    """
    require("formulas", count, 2 <= count <= 4096, "from 2 to 4096")
    names = environment.propositions
    require("formulas", count, len(names) >= 3, "omitted with fewer than three propositions")
    rng = np.random.default_rng(SEED)
    samplers = (
        sampling.sequences(names, (1, 4)),
        sampling.bounded(
            sampling.partially_ordered(names, (2, 3), (1, 2), choice=0.0), max_states=MAX_STATES
        ),
    )
    found: dict[Any, Automaton] = {}
    for number in range(100 * count):
        formula = samplers[number % 2](rng)
        # Minimal automata of the same language over the same propositions are equal.
        made = automaton(formula, sorted(formula.propositions))
        meaning = made.propositions, made.transitions.tobytes(), made.accepting.tobytes()
        found.setdefault(meaning, made)
        if len(found) == count:
            break
    else:
        raise SettingError("formulas", count, f"at most {len(found)} with these propositions")
    ordered = sorted(found.values(), key=lambda x: (x.num_states, str(x.formula)))
    return WithSampledFormulas(environment, ordered)


def _effects(automata: list[Automaton], labels: int, machines: Any) -> np.ndarray:
    """Return what each single proposition does in each state, float32[formulas, states, 2 p]."""
    count, states = len(automata), machines.verdicts.shape[1]
    shape = (count, states, labels)
    which, state, single = (x.ravel() for x in np.indices(shape, np.int32))
    held = jnp.asarray(np.eye(labels, dtype=bool)[single])
    after = next_states(machines, jnp.asarray(state), held, jnp.asarray(which))
    after = np.asarray(after).reshape(shape)
    none = next_states(
        machines, jnp.asarray(state), jnp.zeros_like(held), jnp.asarray(which)
    )  # without any proposition, which may also change the state
    failed = np.asarray(machines.failed)[np.arange(count)[:, None, None], after]
    moved = after != np.asarray(none).reshape(shape)
    return np.concatenate([moved & ~failed, failed], axis=2).astype(np.float32)
