"""Learning progress over a finite set of tasks: two moving averages of the success of each."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers.base import Teacher
from didact.teachers.pacing import unit_boxes

MOST = 4096  # cells
SHOWN = 64  # cells in a picture


class LearningProgressState(NamedTuple):
    """The success rates in k cells."""

    fast: Float[Array, " k"]  # a moving average of the successes
    slow: Float[Array, " k"]  # a moving average of `fast`
    known: Bool[Array, " k"]  # whether any episode was observed


def learning_progress(
    space: Box,
    *,
    bins: int = 4,
    rate: float = 0.1,
    reweighting: float = 0.1,
    random_fraction: float = 0.2,
) -> Teacher:
    """Sample from a finite set of tasks in proportion to recent changes of their success rate.

    The space is divided into cells: one for each value of an integer dimension with at most `bins`
    values, and `bins` equal ranges for all other dimensions. With p a moving average of the
    successes in a cell, p' the average of p itself, and f(p) = p (1 - q) / (p + q (1 - 2 p)), which
    emphasizes the first successes, the progress of a cell is |f(p) - f(p')|. Among the cells with
    any success so far, progress is standardized, passed through a sigmoid, and normalized; these
    are the probabilities of the cells. Tasks are uniform in a cell.

    A fraction of the tasks is uniform in the space, because cells without any success have no other
    chance; the original evaluates all tasks from time to time instead. All tasks are uniform until
    the first success. Episodes of other teachers count, too. The k episodes of a cell in one call
    of `observe` are averaged, and weigh as much as k single ones.

    Args:
        space: the task space, with at most 4096 cells.
        bins: the number of cells along each dimension.
        rate: the weight of a new episode in the moving averages.
        reweighting: q, between 0 and 0.5; 0.5 leaves success rates unchanged.
        random_fraction: the probability of a uniform task.

    Returns:
        A teacher whose `picture` contains the cells with the highest probabilities.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box` or has too many
            cells.

    References:
        Kanitscheider et al., Multi-task curriculum learning in a complex, visual, hard-exploration
        domain: Minecraft, 2021 (arXiv:2106.14876), section 3; Zhang et al., OMNI:
        open-endedness via models of human notions of interestingness, ICLR 2024, appendix.
    """
    unit_boxes.check_space(space)
    require("bins", bins, bins >= 1, "at least 1")
    require("rate", rate, 0 < rate <= 1, "above 0 and at most 1")
    require("reweighting", reweighting, 0 < reweighting <= 0.5, "above 0 and at most 0.5")
    require("random_fraction", random_fraction, 0 <= random_fraction <= 1, "from 0 to 1")
    shape, edges = cells_of(space, bins)
    k = int(np.prod(shape, dtype=float))
    require("bins", bins, k <= MOST, f"smaller: there are {k:,} cells, and at most {MOST:,} fit")
    corners = np.stack(np.unravel_index(np.arange(k), shape), axis=1)
    lows, highs = (
        np.stack([edges[i][side][corners[:, i]] for i in range(space.size)], axis=1)
        for side in (0, 1)
    )

    def init(key):
        zero = jnp.zeros(k)
        return LearningProgressState(zero, zero, jnp.zeros(k, bool))

    def chances(state):
        """Return the probability of each cell; 0 if none has had a success."""
        progress = jnp.abs(reweighted(state.fast) - reweighted(state.slow))
        active = state.fast > 0
        count = jnp.maximum(jnp.sum(active), 1)
        mean = jnp.sum(jnp.where(active, progress, 0)) / count
        variance = jnp.sum(jnp.where(active, (progress - mean) ** 2, 0)) / count
        # Equal progress has a tiny spread of rounding errors, which must not be standardized.
        deviation = jnp.where(variance > 1e-12, jnp.sqrt(jnp.maximum(variance, 1e-12)), 1)
        score = jnp.where(active, jax.nn.sigmoid((progress - mean) / deviation), 0)
        return score / jnp.maximum(jnp.sum(score), 1e-12)

    def reweighted(p):
        return p * (1 - reweighting) / (p + reweighting * (1 - 2 * p))

    def propose(state, key, n):
        which_key, cell_key, inside_key, space_key = jax.random.split(key, 4)
        cumulative = jnp.cumsum(chances(state))
        drawn = jax.random.uniform(cell_key, (n,)) * cumulative[-1]
        # The draw may be rounded up to the total, so cells are limited to the last with a chance.
        last = jnp.max(jnp.where(state.fast > 0, jnp.arange(k), 0))
        cell = jnp.minimum(jnp.searchsorted(cumulative, drawn, side="right"), last)
        tasks = unit_boxes.sample(
            space, inside_key, jnp.asarray(lows)[cell], jnp.asarray(highs)[cell]
        )
        uniform = jax.random.uniform(which_key, (n,)) < random_fraction
        uniform |= cumulative[-1] <= 0
        return jnp.where(uniform[:, None], space.sample(space_key, n), tasks), state

    def observe(state, proposals, outcomes):
        counts = outcomes.valid
        cell = jnp.where(counts, cell_of(proposals.tasks), k)
        new = jnp.zeros(k).at[cell].add(1.0, mode="drop")
        wins = jnp.zeros(k).at[cell].add(jnp.where(counts, outcomes.success, 0), mode="drop")
        mean = wins / jnp.maximum(new, 1)
        # What `new` single episodes with this mean would give, in closed form.
        kept = (1 - rate) ** new
        fast, slow = state.fast - mean, state.slow - mean
        slow = mean + kept * (slow + rate * new * fast)
        fast = jnp.where(state.known, mean + kept * fast, mean)
        slow = jnp.where(state.known, slow, mean)
        return LearningProgressState(
            fast=jnp.where(new > 0, fast, state.fast),
            slow=jnp.where(new > 0, slow, state.slow),
            known=state.known | (new > 0),
        )

    def cell_of(tasks):
        points = space.normalise(tasks)
        index = [
            jnp.sum(points[:, i, None] >= edges[i][0][1:] - unit_boxes.TOLERANCE / 10, axis=1)
            for i in range(space.size)
        ]
        flat = jnp.zeros(tasks.shape[0], jnp.int32)
        for i, size in zip(index, shape, strict=True):
            flat = flat * size + i
        return flat

    def picture(state):
        weights, best = jax.lax.top_k(chances(state), min(k, SHOWN))
        return unit_boxes.picture(space, jnp.asarray(lows)[best], jnp.asarray(highs)[best], weights)

    return Teacher(init, propose, observe, picture)


def cells_of(space: Box, bins: int) -> tuple[tuple[int, ...], list[tuple[np.ndarray, np.ndarray]]]:
    """Divide each dimension of a space into ranges.

    Returns:
        The number of ranges of each dimension; and for each dimension the lower and the upper ends
        of its ranges in the unit cube. Those of integer dimensions are whole numbers.
    """
    edges = []
    for d in space.dimensions:
        if d.low == d.high:
            edges.append((np.zeros(1), np.zeros(1)))
        elif d.integer:
            extent = int(d.high - d.low)
            parts = np.array_split(np.arange(extent + 1), min(bins, extent + 1))
            edges.append(tuple(np.array([part[i] for part in parts]) / extent for i in (0, -1)))
        else:
            cuts = np.arange(bins + 1) / bins
            edges.append((cuts[:-1], cuts[1:]))
    edges = [(low.astype(np.float32), high.astype(np.float32)) for low, high in edges]
    return tuple(len(low) for low, _ in edges), edges
