"""A buffer of levels with scores: insertion, eviction, duplicates, and the replay distribution.

A level is a task of any task space. The buffer is a tuple of arrays with one row for each slot, and
all functions are pure. Every function handles the episodes of one call of `observe` as
simultaneous, so that their order does not matter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt32

from didact.environments.task_spaces import Box, TaskSpace
from didact.teachers.recognition import recognized
from didact.teachers.ring_buffer import LARGE

PICTURED = 12  # the number of levels in the picture of a teacher


class LevelBuffer(NamedTuple):
    """c slots for levels of d numbers. No two levels of the buffer are equal."""

    tasks: Float[Array, "c d"]
    marks: UInt32[Array, "c 2"]  # hashes of the tasks
    filled: Bool[Array, " c"]
    scores: Float[Array, " c"]  # 0 in free slots
    seen: Int[Array, " c"]  # the clock when the latest episode in the level had ended
    attempts: Int[Array, " c"]  # finished episodes
    estimate: Float[Array, " c"]  # the running mean of the quantity that determines the score
    highest: Float[Array, " c"]  # the highest return so far
    extras: dict[str, Float[Array, " c"]]  # further numbers that a score needs, initially 0
    clock: Int[Array, ""]  # finished episodes in levels of this buffer or considered for it


class NewLevels(NamedTuple):
    """n candidates for the buffer; one for each distinct task."""

    tasks: Float[Array, "n d"]
    valid: Bool[Array, " n"]  # False for rows that are no candidates
    scores: Float[Array, " n"]
    attempts: Int[Array, " n"]
    estimate: Float[Array, " n"]
    highest: Float[Array, " n"]


def capacity_for(space: TaskSpace, capacity: int) -> int:
    """Return the capacity, or the number of tasks of the space if there are fewer than that.

    Otherwise the buffer of a small space would never be filled.
    """
    if not isinstance(space, Box) or not space.integer[space.high > space.low].all():
        return capacity
    sizes = [int(d.high) - int(d.low) + 1 if d.integer else 1 for d in space.dimensions]
    return min(capacity, int(np.prod(np.array(sizes, object))))


def empty_buffer(size: int, capacity: int, extras: tuple[str, ...] = ()) -> LevelBuffer:
    """Return a buffer without levels.

    Args:
        size: the number of values of a task, d.
        capacity: the number of slots, c.
        extras: the names of further numbers for each level.
    """
    none, zeros = jnp.zeros(capacity, jnp.int32), jnp.zeros(capacity)
    return LevelBuffer(
        tasks=jnp.zeros((capacity, size)),
        marks=jnp.zeros((capacity, 2), jnp.uint32),
        filled=jnp.zeros(capacity, bool),
        scores=zeros,
        seen=none,
        attempts=none,
        estimate=zeros,
        highest=jnp.full(capacity, -jnp.inf),
        extras=dict.fromkeys(extras, zeros),
        clock=jnp.int32(0),
    )


def replay_probabilities(
    buffer: LevelBuffer, temperature: float, staleness: float
) -> Float[Array, " c"]:
    """Return P(level), the probability of each level when one is replayed.

    P = (1 - rho) P_S + rho P_C with the staleness weight rho. P_S is proportional to
    rank^(-1 / temperature), where rank 1 has the highest score; levels of equal scores share the
    sum of their weights evenly. P_C is proportional to the number of episodes since the latest one
    in the level, and uniform if this is 0 for all levels. The sum is 1, or 0 for an empty buffer.

    Ties are frequent, because many levels are never solved. Published implementations rank them in
    the order of their slots, which replays the first slot most of the time as long as all scores
    are equal.

    References:
        Jiang, Grefenstette and Rocktaeschel, Prioritized level replay, ICML 2021, equations 1 to 3.
    """
    c = buffer.filled.shape[0]
    scores = jnp.where(buffer.filled, buffer.scores, -jnp.inf)
    order = jnp.argsort(-scores, stable=True)
    ordered = scores[order]
    weights = jnp.arange(1, c + 1, dtype=jnp.float32) ** (-1 / temperature)
    first = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
    group = jnp.cumsum(first) - 1
    sums = jax.ops.segment_sum(weights, group, c, indices_are_sorted=True)
    sizes = jax.ops.segment_sum(jnp.ones(c), group, c, indices_are_sorted=True)
    shared = jnp.where(buffer.filled[order], sums[group] / jnp.maximum(sizes[group], 1), 0)
    by_score = jnp.zeros(c).at[order].set(shared)
    age = jnp.where(buffer.filled, buffer.clock - buffer.seen, 0).astype(jnp.float32)
    by_age = jnp.where(jnp.sum(age) > 0, age, buffer.filled)
    return (1 - staleness) * _normalized(by_score) + staleness * _normalized(by_age)


def draw(key: PRNGKeyArray, probabilities: Float[Array, " c"], n: int) -> Int[Array, " n"]:
    """Draw n slots independently; slot 0 if all probabilities are 0."""
    cumulative = jnp.cumsum(probabilities)
    at = jax.random.uniform(key, (n,)) * cumulative[-1]
    slot = jnp.searchsorted(cumulative, at, side="right")
    # The product may be rounded up to the total.
    last = jnp.max(jnp.where(probabilities > 0, jnp.arange(probabilities.shape[0]), 0))
    return jnp.minimum(slot, last)


def slots_of(
    buffer: LevelBuffer,
    tasks: Float[Array, "n d"],
    slots: Int[Array, " n"],
    counts: Bool[Array, " n"],
    tolerance: Float[np.ndarray, " d"],
) -> Int[Array, " n"]:
    """Return the slot that holds each task; c if there is none.

    An outcome may arrive long after its proposal. Its level may have been replaced in the meantime,
    so the slot of a proposal is only trusted if it still holds this task.

    Args:
        buffer: the buffer.
        tasks: the tasks that were played.
        slots: the slots that they were drawn from; other numbers if they are new.
        counts: False for rows to ignore.
        tolerance: see `tolerance_of`; new levels must be equal.
    """
    c = buffer.filled.shape[0]
    equal = jnp.all(marks_of(tasks)[:, None] == buffer.marks, axis=-1) & buffer.filled
    found = jnp.where(jnp.any(equal, axis=1), jnp.argmax(equal, axis=1), c)
    inside = (slots >= 0) & (slots < c)
    slot = jnp.where(inside, slots, found)
    at = jnp.clip(slot, 0, c - 1)
    same = recognized(tasks, buffer.tasks[at], jnp.where(inside[:, None], tolerance, 0))
    same &= buffer.filled[at]
    return jnp.where(counts & same & (slot < c), slot, c)


def averages(
    values: Float[Array, " n"], groups: Int[Array, " n"], size: int
) -> tuple[Float[Array, " g"], Int[Array, " g"]]:
    """Return the mean of the values of each group, and their number; group `size` is dropped."""
    number = jnp.zeros(size, jnp.int32).at[groups].add(1, mode="drop")
    used = jnp.where(groups < size, values, 0)
    total = jnp.zeros(size).at[groups].add(used, mode="drop")
    return total / jnp.maximum(number, 1), number


def distinct(tasks: Float[Array, "n d"], counts: Bool[Array, " n"]) -> Int[Array, " n"]:
    """Return for each row the first row with the same task; n for rows to ignore."""
    n = tasks.shape[0]
    marks = marks_of(tasks)
    equal = jnp.all(marks[:, None] == marks, axis=-1) & counts
    first = jnp.argmax(equal, axis=1)
    same = jnp.all(tasks[first] == tasks, axis=1)  # always, unless two hashes collide
    return jnp.where(counts, jnp.where(same, first, jnp.arange(n)), n)


def insert(
    buffer: LevelBuffer, new: NewLevels, probabilities: Float[Array, " c"]
) -> tuple[LevelBuffer, Int[Array, " n"]]:
    """Insert new levels, the best first, into free slots and over the least probable levels.

    The new levels in descending order of their scores are paired with the free slots, and then with
    the levels in ascending order of their probabilities. A new level enters if its slot is free or
    holds a level whose score is not higher. For a single new level this is the rule of the
    literature.

    Args:
        buffer: the buffer.
        new: the new levels, none of which is in the buffer.
        probabilities: P(level) of each slot.

    Returns:
        The new buffer, and the slot of each new level; c if it did not enter.
    """
    c, n = buffer.filled.shape[0], new.valid.shape[0]
    best = jnp.argsort(jnp.where(new.valid, -new.scores, jnp.inf), stable=True)
    order = jnp.argsort(jnp.where(buffer.filled, probabilities, -1), stable=True)
    pairs = min(c, n)
    row, slot = best[:pairs], order[:pairs]
    enters = new.valid[row] & (~buffer.filled[slot] | (new.scores[row] >= buffer.scores[slot]))
    at = jnp.where(enters, slot, c)

    def put(values, rows):
        return values.at[at].set(rows, mode="drop")

    buffer = buffer._replace(
        tasks=put(buffer.tasks, new.tasks[row]),
        marks=put(buffer.marks, marks_of(new.tasks[row])),
        filled=put(buffer.filled, True),
        scores=put(buffer.scores, new.scores[row]),
        seen=put(buffer.seen, buffer.clock),
        attempts=put(buffer.attempts, new.attempts[row]),
        estimate=put(buffer.estimate, new.estimate[row]),
        highest=put(buffer.highest, new.highest[row]),
        extras={name: put(values, 0.0) for name, values in buffer.extras.items()},
    )
    return buffer, jnp.full(n, c).at[row].set(at)


def marks_of(tasks: Float[Array, "n d"]) -> UInt32[Array, "n 2"]:
    """Return a 64-bit hash of each task; equal tasks have equal hashes."""
    columns = np.arange(tasks.shape[1], dtype=np.uint32)
    values = jnp.where(tasks == 0, 0, tasks).astype(jnp.float32)  # -0 equals 0
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    sums = [
        jnp.sum(_mixed(bits ^ _mixed(columns + np.uint32(start))), axis=1, dtype=jnp.uint32)
        for start in (0x9E3779B9, 0x7F4A7C15)
    ]
    return jnp.stack(sums, axis=1)


def without_overflow(buffer: LevelBuffer) -> LevelBuffer:
    """Return a buffer whose counts stay within int32; the same one before 2**30 episodes.

    The ages of levels remain, up to 2**30 episodes.
    """
    surplus = jnp.where(buffer.clock >= LARGE, LARGE // 2, 0)
    return buffer._replace(
        clock=buffer.clock - surplus,
        seen=jnp.maximum(buffer.seen - surplus, -LARGE // 2),
        attempts=jnp.minimum(buffer.attempts, LARGE),
    )


def picture_of(
    tasks: Float[Array, "c d"], scores: Float[Array, " c"], probabilities: Float[Array, " c"]
) -> dict[str, Array]:
    """Return the picture of a teacher: the levels of the highest scores among those in use.

    Args:
        tasks: the levels.
        scores: their scores.
        probabilities: their probabilities; 0 where a slot is not in use.
    """
    used = probabilities > 0
    best = jnp.argsort(jnp.where(used, -scores, jnp.inf), stable=True)[:PICTURED]
    return {
        "levels": jnp.where(used[best, None], tasks[best], 0),
        "scores": jnp.where(used[best], scores[best], 0),
        "probabilities": probabilities[best],
    }


def _mixed(x: Array | np.ndarray) -> Array:
    """Mix the bits of integers, such that every bit depends on all others (as in MurmurHash3)."""
    x = jnp.asarray(x, jnp.uint32)
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _normalized(weights: Array) -> Float[Array, " c"]:
    total = jnp.sum(weights)
    return weights / jnp.where(total > 0, total, 1)
