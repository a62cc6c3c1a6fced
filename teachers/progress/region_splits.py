"""Splits of a region of tasks by the learning progress in its parts, as in RIAC."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

NEGLIGIBLE = 1e-6  # learning progress


class Rules(NamedTuple):
    """How regions may be split.

    Attributes:
        gap: the distance of whole numbers in each dimension, see `unit_boxes.spacing`. Thresholds
            in integer dimensions are halfway between them.
        free: the dimensions that may be split.
        attempts: the number of random splits that are tried.
        least: the minimum number of episodes of a part.
        min_width: the minimum width of a part in the unit cube.
        window: the number of episodes whose progress is measured, see `progress_of`.
    """

    gap: Float[np.ndarray, " d"]
    free: Int[np.ndarray, " k"]
    attempts: int
    least: int
    min_width: float
    window: int


class Split(NamedTuple):
    """A way to split a region with s episodes."""

    valid: Bool[Array, ""]
    dimension: Int[Array, ""]
    threshold: Float[Array, ""]  # in the unit cube
    below: Bool[Array, " s"]  # which episodes are in the lower part


def progress_of(
    values: Float[Array, "*k s"], mask: Bool[Array, "*k s"], window: int
) -> Float[Array, " *k"]:
    """Return the absolute difference of the mean values of the older and the newer half.

    Args:
        values: outcomes, oldest first.
        mask: which of them exist.
        window: how many of the latest are compared. The older half has one more if the number is
            odd. With less than three values, there is no progress.
    """
    rank = jnp.cumsum(mask, axis=-1)
    number = rank[..., -1:]
    compared = jnp.minimum(number, window)
    half = compared // 2
    newer = mask & (rank > number - half)
    older = mask & ~newer & (rank > number - compared)

    def mean(part):
        total = jnp.sum(jnp.where(part, values, 0), axis=-1)
        return total / jnp.maximum(jnp.sum(part, axis=-1), 1)

    progress = jnp.abs(mean(newer) - mean(older))
    # Means of equal values have rounding errors.
    return jnp.where((number[..., 0] > 2) & (progress > NEGLIGIBLE), progress, 0)


def enough(
    tasks: Float[Array, "s d"], mask: Bool[Array, " s"], least: int
) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
    """Return between which thresholds both parts have at least some number of episodes."""
    s, number = tasks.shape[0], jnp.sum(mask)
    ordered = jnp.sort(jnp.where(mask[:, None], tasks, jnp.inf), axis=0)
    last = ordered[jnp.clip(number - least, 0, s - 1)]
    possible = number >= 2 * least
    return jnp.where(possible, ordered[least - 1], 0), jnp.where(possible, last, 0)


def no_split(size: int) -> Split:
    """Return an invalid split of a region with room for `size` episodes."""
    return Split(jnp.bool_(False), jnp.int32(0), jnp.float32(0), jnp.zeros(size, bool))


def best_split(
    key: PRNGKeyArray,
    tasks: Float[Array, "s d"],
    values: Float[Array, " s"],
    mask: Bool[Array, " s"],
    low: Float[Array, " d"],
    high: Float[Array, " d"],
    rules: Rules,
) -> Split:
    """Return the best of several random splits of a region.

    The best one maximizes n1 n2 |progress1 - progress2|, where n1 and n2 are the numbers of
    episodes in the two parts. Attempts are uniform among the thresholds that leave enough episodes
    in both; published code draws until it finds one.

    Args:
        key: the key of the attempts.
        tasks, values, mask: the episodes in the unit cube, oldest first, and which of them exist.
        low, high: the bounds of the region.
        rules: which splits are tried, and which of them are valid.
    """
    dimension_key, threshold_key = jax.random.split(key)
    attempts = (rules.attempts,)
    first, last = enough(tasks, mask, rules.least)
    chances = jnp.where(last > first, last - first, 0) / jnp.maximum(high - low, 1e-9)
    free = jnp.zeros_like(chances).at[rules.free].set(1)
    cumulative = jnp.cumsum(chances * free)
    at = jax.random.uniform(dimension_key, attempts) * cumulative[-1]
    dimension = jnp.minimum(jnp.searchsorted(cumulative, at, side="right"), len(chances) - 1)
    start, end = low[dimension], high[dimension]
    threshold = jax.random.uniform(threshold_key, attempts)
    threshold = first[dimension] + threshold * (last - first)[dimension]
    unit = jnp.asarray(rules.gap)[dimension]
    halfway = (jnp.floor(threshold / jnp.where(unit > 0, unit, 1)) + 0.5) * unit
    threshold = jnp.where(unit > 0, halfway, threshold)
    below = (threshold[:, None] > tasks[:, dimension].T) & mask
    above = mask & ~below
    counts = jnp.sum(below, axis=1), jnp.sum(above, axis=1)
    values = jnp.broadcast_to(values, below.shape)
    progress = [progress_of(values, part, rules.window) for part in (below, above)]
    score = counts[0] * counts[1] * jnp.abs(progress[0] - progress[1])
    valid = jnp.minimum(*counts) >= rules.least
    valid &= jnp.minimum(threshold - start, end - threshold) >= rules.min_width
    best = jnp.argmax(jnp.where(valid, score, -1))
    return Split(valid[best], dimension[best], threshold[best], below[best])
