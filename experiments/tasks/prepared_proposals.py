"""Prepared proposals, for teachers whose proposals are expensive.

Every environment has k slots that hold one proposal each. An environment that finishes an episode
takes the proposal in its next slot; the used slots are refilled between rollouts. Proposals are
requested from the teacher in groups, and the rest of a group is kept for the next refill, so only
as many are requested as are used and none is lost.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from didact.experiments.rollout import Next, Take
from didact.teachers import Proposals, Teacher, propose


class Prepared(NamedTuple):
    """k slots for each of n environments, and the latest group of g proposals."""

    slots: Proposals  # each [n, k, ...]
    at: Int[Array, " n"]  # index of the next slot to use
    left: Int[Array, " n"]  # number of filled slots: those from `at` on, cyclically
    group: Proposals  # each [g, ...]
    taken: Int[Array, ""]  # number of rows of the group that are already in slots


def empty(size: int, n: int, slots: int, batch: int) -> Prepared:
    """Return empty slots.

    Args:
        size: number of parameters of a task.
        n: number of environments.
        slots: number of slots k per environment.
        batch: number of proposals g per group.
    """
    blank = Proposals.of(jnp.zeros((n, slots, size)))
    none = jnp.zeros(n, jnp.int32)
    return Prepared(blank, none, none, Proposals.of(jnp.zeros((batch, size))), jnp.int32(batch))


def from_slots(prepared: Prepared) -> tuple[Take, tuple[Array, Array]]:
    """Take episodes from the slots; an environment without a filled slot waits.

    The queue is (`at`, `left`).
    """
    n, k = prepared.slots.learn.shape

    def take(queue, key, over):
        at, left = queue
        now = jax.tree.map(lambda x: x[jnp.arange(n), at], prepared.slots)
        there = left > 0
        begins = over & there
        queue = jnp.where(begins, (at + 1) % k, at), left - begins
        return Next(now.tasks, now.learn, now.tag, jax.random.split(key, n), there), queue

    return take, (prepared.at, prepared.left)


def refill(
    teacher: Teacher, state: Any, prepared: Prepared, key: PRNGKeyArray, axis: str | None = None
) -> tuple[Prepared, Any]:
    """Fill all empty slots.

    Args:
        teacher, state: the teacher and its state. All devices must pass the same state and key, so
            that all compute the same proposals; each keeps those of its own environments.
        prepared: slots to fill.
        key: key for the proposals.
        axis: name of the mapped axis of devices, if any.

    Returns:
        The filled slots, and the teacher's new state.
    """
    n, k = prepared.slots.learn.shape
    size = prepared.group.learn.shape[0]
    # Slot j of an environment is filled if it is one of the `left` slots from `at` on.
    ahead = (jnp.arange(k) - prepared.at[:, None]) % k
    blank, first = (ahead >= prepared.left[:, None]).reshape(-1), jnp.int32(0)
    if axis is not None:
        blank = jax.lax.all_gather(blank, axis, tiled=True)
        first = jax.lax.axis_index(axis) * n * k
    order = jnp.nonzero(blank, size=blank.shape[0], fill_value=0)[0]
    end = prepared.taken + jnp.sum(blank, dtype=jnp.int32)  # counted from the start of the group

    def fill(slots: Proposals, group: Proposals, begin: Array) -> Proposals:
        """Write rows `begin` to `begin` + g - 1 to the blanks, starting with row `taken`."""
        row = begin + jnp.arange(size)
        slot = order[jnp.clip(row - prepared.taken, 0, blank.shape[0] - 1)] - first
        here = (row >= prepared.taken) & (row < end) & (slot >= 0) & (slot < n * k)
        slot = jnp.where(here, slot, n * k)

        def put(x, new):
            flat = x.reshape(n * k, *x.shape[2:])
            return flat.at[slot].set(new, mode="drop").reshape(x.shape)

        return jax.tree.map(put, slots, group)

    def another(carry):
        begin, state, slots, _ = carry
        begin += size
        group, state = propose(teacher, state, jax.random.fold_in(key, begin), size)
        return begin, state, fill(slots, group, begin), group

    slots = fill(prepared.slots, prepared.group, jnp.int32(0))
    begin, state, slots, group = jax.lax.while_loop(
        lambda carry: carry[0] + size < end, another, (jnp.int32(0), state, slots, prepared.group)
    )
    left = jnp.full(n, k, jnp.int32)
    return Prepared(slots, prepared.at, left, group, end - begin), state
