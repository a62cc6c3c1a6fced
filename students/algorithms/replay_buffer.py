"""A replay buffer in device memory: a ring of transitions, as arrays in a state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


class Transitions(NamedTuple):
    """m transitions; with a leading axis of `capacity` in a buffer."""

    observation: dict[str, Array]  # each [m, ...]
    action: Float[Array, "m k"]
    reward: Float[Array, " m"]
    terminated: Bool[Array, " m"]  # the value of what follows is 0
    following: dict[str, Array]  # the next observation, before any restart


class Replay(NamedTuple):
    """The latest transitions; number i stands at i modulo the capacity."""

    transitions: Transitions
    count: Int[Array, ""]  # transitions ever added


def empty(like: Transitions, capacity: int) -> Replay:
    """A buffer without transitions.

    Args:
        like: the shapes and dtypes of transitions, with a leading axis of any length.
        capacity: how many are kept.
    """
    blank = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape[1:]), x.dtype), like)
    return Replay(blank, jnp.zeros((), jnp.int32))


def size(replay: Replay) -> Int[Array, ""]:
    """How many transitions there are."""
    return jnp.minimum(replay.count, _capacity(replay))


def add(replay: Replay, new: Transitions, keep: Bool[Array, " m"]) -> Replay:
    """The buffer with more transitions in place of the oldest.

    Args:
        replay: of at least m.
        new: m transitions.
        keep: which of them to add.
    """
    capacity = _capacity(replay)
    number = replay.count + jnp.cumsum(keep) - 1
    place = jnp.where(keep, number % capacity, capacity)
    transitions = jax.tree.map(
        lambda old, x: old.at[place].set(x.astype(old.dtype), mode="drop"),
        replay.transitions,
        new,
    )
    # Numbers are counted modulo a multiple of the capacity, so that they never overflow.
    count = replay.count + jnp.sum(keep, dtype=jnp.int32)
    wrapped = capacity + count % capacity
    return Replay(transitions, jnp.where(count >= 2 * capacity, wrapped, count))


def sample(replay: Replay, key: PRNGKeyArray, m: int) -> Transitions:
    """m transitions, uniformly with replacement; there must be at least one."""
    rows = jax.random.randint(key, (m,), 0, jnp.maximum(size(replay), 1))
    return jax.tree.map(lambda x: x[rows], replay.transitions)


def _capacity(replay: Replay) -> int:
    return jax.tree.leaves(replay.transitions)[0].shape[0]


def transitions_of(rollout: Any, names: tuple[str, ...]) -> tuple[Transitions, Bool[Array, " m"]]:
    """The steps of a rollout as transitions, time by time, and which may be learned from.

    Args:
        rollout: a `Rollout` with `final_observation`.
        names: the observations to keep.
    """

    def flat(x):
        return x.reshape(-1, *x.shape[2:])

    picked = Transitions(
        {name: rollout.observation[name] for name in names},
        rollout.action,
        rollout.reward,
        rollout.terminated,
        {name: rollout.final_observation[name] for name in names},
    )
    return jax.tree.map(flat, picked), flat(rollout.learn) > 0
