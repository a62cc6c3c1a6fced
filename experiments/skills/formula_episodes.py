"""Episodes that end with a formula: n environments, each with the automaton of its formula.

Successes of the environments' own task do not count, so nothing restarts: a formula may need many
goals, and the environment ends the episode at the first. This is why `rollout.play` does not serve.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments import Environment, Timestep
from didact.environments.wrappers import ends_without_goal
from didact.students.skills import AutomatonBatch, next_states

# `act(carry, timestep, states, key) -> (actions, carry)`; `states` are those of the automata, [n].
Act = Callable[[Any, Timestep, Int[Array, " n"], PRNGKeyArray], tuple[Array, Any]]


class Transition(NamedTuple):
    """One step of n automata."""

    before: Int[Array, " n"]
    after: Int[Array, " n"]
    running: Bool[Array, " n"]  # neither success nor failure before this step
    labels: Bool[Array, "n propositions"]  # after this step


class FormulaEpisodes(NamedTuple):
    """The results of n environments."""

    success: Bool[Array, " n"]
    failure: Bool[Array, " n"]  # the formula can no longer be satisfied, or the world has ended
    steps: Float[Array, " n"]  # steps until success, failure or the limit
    carry: Any  # of `act` and `update`, after the last step


def play_formulas(
    environment: Environment,
    machines: AutomatonBatch,
    which: Int[Array, " n"],
    start: tuple[Any, Timestep],
    act: Act,
    carry: Any,
    key: PRNGKeyArray,
    steps: int,
    update: Callable[[Any, Transition], Any] | None = None,
) -> FormulaEpisodes:
    """Play n environments until each formula is satisfied or violated, at most `steps` steps.

    Args:
        environment: environment with propositions.
        machines: the automata.
        which: the automaton of each environment.
        start: state and timestep of the environments at reset.
        act: selects the actions.
        carry: memory of `act`.
        key: of actions and of random steps.
        steps: the limit.
        update: changes `carry` after each step, for example to count.
    """

    def one(now, key):
        state, seen, at, carry, success, failure, count = now
        act_key, step_key = jax.random.split(key)
        action, carry = act(carry, seen, at, act_key)
        state, seen = environment.step(step_key, state, action)
        before, at = at, next_states(machines, at, seen.labels, which)
        running = ~success & ~failure
        if update is not None:
            carry = update(carry, Transition(before, at, running, seen.labels))
        success |= running & machines.accepting[which, at]
        lost = machines.failed[which, at] | ends_without_goal(environment, seen)
        failure |= running & lost & ~machines.accepting[which, at]
        return (state, seen, at, carry, success, failure, count + running), None

    none = jnp.zeros(len(which), bool)
    first = *start, machines.initial[which], carry, none, none, jnp.zeros(len(which))
    last, _ = jax.lax.scan(one, first, jax.random.split(key, steps))
    *_, carry, success, failure, count = last
    return FormulaEpisodes(success, failure, count, carry)
