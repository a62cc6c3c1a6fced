"""Proposals of a costly teacher, prepared: asked for in groups, and only as many as are used.

Every environment has k slots with a proposal each. One that finishes takes its next slot; between
two rollouts the slots that were used are filled again. What is left over of a group that was asked
for is kept for the next time, so no proposal is lost.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from didact.experiments.rollout import Next, Take
from didact.teachers import Proposals, Teacher, propose


class Prepared(NamedTuple):
    """k slots of each of n environments, and the latest group of g proposals."""

    slots: Proposals  # each [n, k, ...]
    at: Int[Array, " n"]  # the slot that is taken next
    left: Int[Array, " n"]  # slots that are filled: those from `at` on, in a circle
    group: Proposals  # each [g, ...]
    taken: Int[Array, ""]  # rows of the group that are in slots; the others wait for theirs


def empty(size: int, n: int, slots: int, batch: int) -> Prepared:
    """Slots that are not filled yet.

    Args:
        size: of a task.
        n: environments.
        slots: k, of each of them.
        batch: g, how many proposals are asked for at once.
    """
    blank = Proposals.of(jnp.zeros((n, slots, size)))
    none = jnp.zeros(n, jnp.int32)
    return Prepared(blank, none, none, Proposals.of(jnp.zeros((batch, size))), jnp.int32(batch))


def from_slots(prepared: Prepared) -> tuple[Take, tuple[Array, Array]]:
    """The slots as what comes next; an environment without a filled slot waits.

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
    """All slots filled, and the teacher's state.

    Args:
        teacher, state: who proposes. On several devices, all have the same state and key, so that
            all make the same proposals; each keeps those of its own environments.
        prepared: with slots to fill.
        key: of the proposals.
        axis: the name of the mapped axis of devices, if there is one.
    """
    n, k = prepared.slots.learn.shape
    size = prepared.group.learn.shape[0]
    # Slot j of an environment is filled if it is one of the `left` from `at` on.
    ahead = (jnp.arange(k) - prepared.at[:, None]) % k
    blank, first = (ahead >= prepared.left[:, None]).reshape(-1), jnp.int32(0)
    if axis is not None:
        blank = jax.lax.all_gather(blank, axis, tiled=True)
        first = jax.lax.axis_index(axis) * n * k
    order = jnp.nonzero(blank, size=blank.shape[0], fill_value=0)[0]
    end = prepared.taken + jnp.sum(blank, dtype=jnp.int32)  # counted from the start of the group

    def fill(slots: Proposals, group: Proposals, begin: Array) -> Proposals:
        """Puts rows `begin` to `begin` + g - 1 into the blanks, of which the first has `taken`."""
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
