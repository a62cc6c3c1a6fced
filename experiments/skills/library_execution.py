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
    initial_memory,
    instruction_schedule,
    policies_of,
)
from didact.students.skills.library import Library


class Played(NamedTuple):
    """The results of n environments."""

    success: Bool[np.ndarray, " n"]
    failure: Bool[np.ndarray, " n"]  # the formula can no longer be satisfied
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
        world: environment with propositions; the ends of its own episodes are ignored.
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
    n, count = len(automata), len(library)
    which = jnp.arange(n)

    def choose(carry, seen, at, key):
        memory, _, *counts = carry
        action, after = act(
            policies, made, memory, seen.observation, seen.labels, at, which,
            None if greedy else key,
        )  # fmt: skip
        return action, (after, memory.due, *counts)

    def count_skills(carry, now: Transition):
        # A skill is attempted when another one was due before, and succeeds where it leads on.
        memory, before, tried, done = carry
        due = jax.nn.one_hot(memory.due, count, dtype=bool) & now.running[:, None]
        led = ~made.leads[which, now.after] & made.leads[which, now.before]
        tried += jnp.sum(due & (memory.due != before)[:, None], 0)
        done += jnp.sum(due & led & ~machines.failed[which, now.after][:, None], 0)
        return memory, before, tried, done

    @jax.jit
    def run(state, seen, key):
        memory, none = initial_memory(policies, n), jnp.zeros(count, jnp.int32)
        carry = memory, memory.due, none, none
        start = state, seen
        return play_formulas(world, machines, which, start, choose, carry, key, most, count_skills)

    def play(state: Any, seen: Any, key: Array) -> Played:
        success, failure, steps, carry = jax.device_get(run(state, seen, key))
        tried, done = carry[-2:]
        done = np.minimum(tried, done)
        counts = dict(zip(library, zip(tried.tolist(), done.tolist(), strict=True), strict=True))
        return Played(success, failure, steps, counts)

    return play
