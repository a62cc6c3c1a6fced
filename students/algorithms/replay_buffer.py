"""A replay buffer in device memory: a ring buffer of transitions, stored as a pytree of arrays."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


class Transitions(NamedTuple):
    """A batch of m transitions; in a buffer, m is its capacity."""

    observation: dict[str, Array]  # each [m, ...]
    action: Float[Array, "m k"]
    reward: Float[Array, " m"]
    terminated: Bool[Array, " m"]  # True where the next value is 0
    following: dict[str, Array]  # the next observation, before any reset


class Replay(NamedTuple):
    """A buffer with the latest transitions; transition i is stored at index i modulo capacity."""

    transitions: Transitions
    count: Int[Array, ""]  # number of transitions added so far


def empty(like: Transitions, capacity: int) -> Replay:
    """Make an empty buffer.

    Args:
        like: example transitions with the shapes and dtypes to store; any leading axis.
        capacity: maximum number of transitions.
    """
    blank = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape[1:]), x.dtype), like)
    return Replay(blank, jnp.zeros((), jnp.int32))


def size(replay: Replay) -> Int[Array, ""]:
    """Return the number of stored transitions."""
    return jnp.minimum(replay.count, _capacity(replay))


def add(replay: Replay, new: Transitions, keep: Bool[Array, " m"]) -> Replay:
    """Add transitions; when the buffer is full, they replace the oldest.

    Args:
        replay: a buffer with a capacity of at least m.
        new: m transitions.
        keep: the transitions to add.
    """
    capacity = _capacity(replay)
    number = replay.count + jnp.cumsum(keep) - 1
    place = jnp.where(keep, number % capacity, capacity)
    transitions = jax.tree.map(
        lambda old, x: old.at[place].set(x.astype(old.dtype), mode="drop"),
        replay.transitions,
        new,
    )
    # The count wraps around at a multiple of the capacity, so that it never overflows.
    count = replay.count + jnp.sum(keep, dtype=jnp.int32)
    wrapped = capacity + count % capacity
    return Replay(transitions, jnp.where(count >= 2 * capacity, wrapped, count))


def sample(replay: Replay, key: PRNGKeyArray, m: int) -> Transitions:
    """Sample m transitions uniformly with replacement; the buffer must not be empty."""
    rows = jax.random.randint(key, (m,), 0, jnp.maximum(size(replay), 1))
    return jax.tree.map(lambda x: x[rows], replay.transitions)


def _capacity(replay: Replay) -> int:
    return jax.tree.leaves(replay.transitions)[0].shape[0]


def transitions_of(rollout: Any, names: tuple[str, ...]) -> tuple[Transitions, Bool[Array, " m"]]:
    """Flatten the steps of a rollout into transitions, in order of time.

    Args:
        rollout: a `Rollout` with `final_observation`.
        names: the names of the observations to keep.

    Returns:
        The transitions, and whether each may be learned from.
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
