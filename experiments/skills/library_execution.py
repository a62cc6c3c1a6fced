"""Execute formulas with a library of skills, and count how often each skill succeeds."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from didact.environments import Environment
from didact.experiments.skills.formula_episodes import Transition, play_formulas
from didact.students import load_policy
from didact.students.skills import Automaton, batch_automata
from didact.students.skills.instruction_skills import (
    act,
    holding_ends,
    initial_memory,
    instruction_schedule,
    policies_of,
)
from didact.students.skills.library import Library


class Played(NamedTuple):
    """The results of n environments."""

    success: Bool[np.ndarray, " n"]
    failure: Bool[np.ndarray, " n"]  # it can no longer be satisfied, or the world has ended
    steps: Float[np.ndarray, " n"]  # steps until success, failure or the limit
    counts: dict[str, tuple[int, int]]  # attempts and successes by skill, for `Library.used`


def player(
    world: Environment,
    library: Library,
    automata: Sequence[Automaton],
    encode: Callable[[str], UInt8[np.ndarray, " length"]],
    most: int,
    *,
    greedy: bool = False,
) -> Callable[[Any, Any, PRNGKeyArray], Played]:
    """Return a function `(state, timestep, key) -> Played` that runs one environment per automaton.

    Args:
        world: environment with propositions; successes of its own task are ignored.
        library: library whose policies act.
        automata: automaton of the formula of each environment.
        encode: converts text to the tokens that the policies read.
        most: maximum number of steps.
        greedy: take the most probable actions instead of sampling.

    Raises:
        SettingError: see `instruction_schedule`; also if a policy cannot be found, or does not fit
            the environment.
    """
    made = instruction_schedule(automata, library, world.propositions, encode)
    policies = [load_policy(name) for name in policies_of(library)]
    for policy in policies:
        policy.check(world.observation_space, world.action_space)
    machines = batch_automata(automata, world.propositions)
    held = holding_ends(library, world.propositions)
    n, count = len(automata), len(library)
    which = jnp.arange(n)

    def choose(carry, seen, at, key):
        memory, _, finished, *counts = carry
        action, after = act(
            policies, made, memory, seen.observation, seen.labels, at, which,
            None if greedy else key,
        )  # fmt: skip
        return action, (after, memory.due, finished, *counts)

    def count_skills(carry, now: Transition):
        # A skill is attempted when it becomes due, also again after its end. It succeeds where its
        # own end advances the formula; what another skill is for may also happen on the way.
        memory, before, finished, tried, done = carry
        due = jax.nn.one_hot(memory.due, count, dtype=bool) & now.running[:, None]
        advanced = (now.after != now.before) & ~machines.failed[which, now.after]
        ended = due & held(now.labels) & advanced[:, None]
        tried += jnp.sum(due & ((memory.due != before) | finished)[:, None], 0)
        done += jnp.sum(ended, 0)
        return memory, before, jnp.any(ended, 1), tried, done

    @jax.jit
    def run(state, seen, key):
        memory, none = initial_memory(policies, n), jnp.zeros(count, jnp.int32)
        carry = memory, memory.due, jnp.zeros(n, bool), none, none
        start = state, seen
        return play_formulas(world, machines, which, start, choose, carry, key, most, count_skills)

    def play(state: Any, seen: Any, key: Array) -> Played:
        success, failure, steps, carry = jax.device_get(run(state, seen, key))
        tried, done = carry[-2:]
        counts = dict(zip(library, zip(tried.tolist(), done.tolist(), strict=True), strict=True))
        return Played(success, failure, steps, counts)

    return play
