"""RIAC: a tree of boxes, sampled by the absolute learning progress in each."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers import outcome_values, rare_work, ring_buffer
from didact.teachers.base import Teacher
from didact.teachers.pacing import unit_boxes
from didact.teachers.progress import region_splits

TOGETHER = 8  # regions whose progress is computed at once


class RiacState(NamedTuple):
    """r regions with a ring buffer of s = max_region_size + 1 episodes each."""

    low: Float[Array, "r d"]  # in the unit cube; region 0 is the whole space
    high: Float[Array, "r d"]
    leaf: Bool[Array, " r"]  # whether the region is in use and not split
    tasks: Float[Array, "r s d"]  # in the unit cube; number i of a region is in row i mod s
    outcomes: Float[Array, "r s"]
    written: Int[Array, " r"]  # episodes of the region so far
    held: Int[Array, " r"]  # how many of the latest it holds
    progress: Float[Array, " r"]  # 0 for regions that are not in use
    regions: Int[Array, ""]  # regions in use
    key: PRNGKeyArray  # for the splits


def riac(
    space: Box,
    *,
    max_region_size: int = 200,
    attempts: int = 50,
    min_share: float = 0.05,
    min_width: float = 1 / 15,
    max_regions: int = 255,
    discard: float = 0.25,
    random_fraction: float = 0.2,
    worst_fraction: float = 0.1,
    noise: float = 0.1,
    task_units: bool = False,
    outcome: str = "return",
    return_range: tuple[float, float] = (0.0, 1.0),
    fallback: Box | None = None,
) -> Teacher:
    """A tree of regions, split where learning progress differs and sampled where it is high.

    The progress of a region is |mean outcome of the older half - of the newer half| of its latest
    episodes. A region with more than `max_region_size` of them is split: of several random
    thresholds in random dimensions, the one is used that maximizes n1 n2 |progress1 - progress2|,
    where n1 and n2 are the numbers of episodes in the two parts. If none is valid, the oldest
    episodes of the region are discarded. A task is uniform in the space with probability
    `random_fraction`. Otherwise a region is drawn in proportion to its progress, of all that ever
    existed, and the task is uniform in the region, or with probability `worst_fraction` (of all
    tasks) a mutation of the task with the lowest outcome there.

    TeachMyAgent's code ignores n1 and n2, gives new regions the progress of the last attempt
    instead of the best one, and draws from all regions alike while none shows progress; then tasks
    are uniform here, or those of `fallback`. Mutations do not leave their region there, either.

    Args:
        space: the task space.
        max_region_size: the maximum number of episodes of a region before it is split.
        attempts: the number of thresholds that are tried for a split, of those with enough episodes
            on both sides.
        min_share: the minimum number of episodes of a part, as a fraction of `max_region_size`.
        min_width: the minimum width of a part, as a fraction of the whole range.
        max_regions: the maximum number of regions. When there are as many, none is split.
        discard: the fraction of `max_region_size` that is discarded if no threshold is valid.
        random_fraction: the probability of a uniform task.
        worst_fraction: the probability of a mutation of the worst task of a region.
        noise: the standard deviation of mutations, as a fraction of each range.
        task_units: whether `noise` is in task units instead, the same for all dimensions.
        outcome: "return" or "success".
        return_range: returns are scaled such that this range becomes 0 to 1 (without clipping).
        fallback: the tasks while there is no progress. The default is the whole space.

    Returns:
        A teacher whose `picture` contains the leaves of the tree and their progress.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Baranes and Oudeyer, R-IAC: robust intrinsically motivated exploration and active learning,
        IEEE TAMD 2009; Portelas et al., CoRL 2019, appendix.
    """
    unit_boxes.check_space(space)
    require("max_region_size", max_region_size, max_region_size >= 4, "at least 4")
    require("attempts", attempts, attempts >= 1, "at least 1")
    require("min_share", min_share, 0 <= min_share <= 0.5, "from 0 to 0.5")
    require("min_width", min_width, 0 < min_width <= 0.5, "above 0 and at most 0.5")
    require("max_regions", max_regions, max_regions >= 1, "at least 1")
    require("discard", discard, 0 < discard <= 1, "above 0 and at most 1")
    require("random_fraction", random_fraction, 0 <= random_fraction <= 1, "from 0 to 1")
    most = 1 - random_fraction
    require("worst_fraction", worst_fraction, 0 <= worst_fraction <= most, f"from 0 to {most:g}")
    require("noise", noise, 0 <= noise < np.inf, "a number of at least 0")
    outcome_values.check(outcome, return_range)
    if fallback is not None:
        unit_boxes.check_easy(space, fallback, "fallback")
    d, r, size = space.size, max_regions, max_region_size + 1
    spread = unit_boxes.in_unit_cube(space, noise, task_units)
    rules = region_splits.Rules(
        gap=unit_boxes.spacing(space),
        free=np.flatnonzero(space.high > space.low),
        attempts=attempts,
        least=max(1, int(np.ceil(min_share * max_region_size))),
        min_width=min_width,
        window=max_region_size,
    )

    def init(key):
        first = jnp.arange(r) == 0
        return RiacState(
            low=jnp.zeros((r, d)),
            high=jnp.broadcast_to(first[:, None], (r, d)).astype(jnp.float32),
            leaf=first,
            tasks=jnp.zeros((r, size, d)),
            outcomes=jnp.zeros((r, size)),
            written=jnp.zeros(r, jnp.int32),
            held=jnp.zeros(r, jnp.int32),
            progress=jnp.zeros(r),
            regions=jnp.int32(1),
            key=key,
        )

    def propose(state, key, n):
        which_key, region_key, inside_key, noise_key, space_key = jax.random.split(key, 5)
        else_key = jax.random.fold_in(key, 5)  # 0 to 4 are the keys of the split
        cumulative = jnp.cumsum(state.progress)
        drawn = jax.random.uniform(region_key, (n,)) * cumulative[-1]
        region = jnp.searchsorted(cumulative, drawn, side="right")
        region = jnp.minimum(region, state.regions - 1)
        low, high = state.low[region], state.high[region]
        inside = unit_boxes.sample(space, inside_key, low, high)
        worst = state.tasks[region, worst_rows(state, region)]
        worst += spread * jax.random.normal(noise_key, (n, d))
        worst = space.denormalise(jnp.clip(worst, low, high))
        which = jax.random.uniform(which_key, (n, 1))
        tasks = jnp.where(which < random_fraction + worst_fraction, worst, inside)
        anywhere = space.sample(space_key, n)
        elsewhere = anywhere if fallback is None else fallback.sample(else_key, n)
        tasks = jnp.where(cumulative[-1] > 0, tasks, elsewhere)
        return jnp.where(which < random_fraction, anywhere, tasks), state

    def worst_rows(state, region):
        """Return the row with the lowest outcome in each of n regions."""
        few = len(region) < r  # else, look it up for all regions first
        looked = region if few else jnp.arange(r)
        age = (state.written[looked][:, None] - 1 - jnp.arange(size)) % size
        exists = age < state.held[looked][:, None]
        row = jnp.argmin(jnp.where(exists, state.outcomes[looked], jnp.inf), axis=1)
        return row if few else row[region]

    def observe(state, proposals, outcomes):
        n = proposals.tasks.shape[0]
        counts, values = outcome_values.values_of(outcomes, outcome, return_range)
        order, _, total = ring_buffer.slots(counts, jnp.int32(0), n)
        points, values = space.normalise(proposals.tasks)[order], values[order]
        state, touched = remember(state, points, values, jnp.arange(n) < total)
        # If more leaves are full after a large batch, the others are split in later calls.
        splits = max(1, min(n // 32, 16))
        carry = state, touched
        state, touched = jax.lax.fori_loop(0, splits, lambda _, carry: split_one(*carry), carry)
        return update_progress(state, touched)

    def remember(state, points, values, counts):
        """Add the episodes to all regions that contain them."""
        low, high = state.low[:, None], state.high[:, None]
        # Half-open, so that a point on a threshold is in one part only.
        inside = jnp.all((points >= low) & ((points < high) | (high >= 1)), axis=-1)
        inside &= counts & (jnp.arange(r) < state.regions)[:, None]
        new = jnp.sum(inside, axis=1)
        rank = jnp.cumsum(inside, axis=1) - 1
        kept = inside & (rank >= new[:, None] - size)
        slot = jnp.where(kept, (state.written[:, None] + rank) % size, size)
        rows = jnp.broadcast_to(jnp.arange(r)[:, None], slot.shape)
        state = state._replace(
            tasks=state.tasks.at[rows, slot].set(points[None], mode="drop"),
            outcomes=state.outcomes.at[rows, slot].set(values[None], mode="drop"),
            written=state.written + new - ring_buffer.surplus(state.written, size),
            held=jnp.minimum(state.held + new, size),
        )
        return state, new > 0

    def in_order(state, region):
        """Return the tasks, outcomes and mask of a region, oldest first."""
        number = jnp.arange(size)
        row = (state.written[region] - state.held[region] + number) % size
        return state.tasks[region][row], state.outcomes[region][row], number < state.held[region]

    def split_one(state, touched):
        """Split one full leaf, if there is any; or discard its oldest episodes."""
        full = state.leaf & (state.held > max_region_size) & (state.regions + 2 <= r)
        region, due = jnp.argmax(full), jnp.any(full)
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.written[0]), region)
        bounds = state.low[region], state.high[region]

        def plan(key, tasks, values, mask, low, high):
            return region_splits.best_split(key, tasks, values, mask, low, high, rules)

        tasks, values, mask = in_order(state, region)
        operands = key, tasks, values, mask, *bounds
        found = rare_work.when(due, plan, region_splits.no_split(size), *operands)
        parts = jnp.stack([found.below, mask & ~found.below])
        children = jnp.where(found.valid, state.regions + jnp.arange(2), r)
        slot = jnp.where(parts, jnp.cumsum(parts, axis=1) - 1, size)
        rows = jnp.broadcast_to(children[:, None], slot.shape)
        here = jnp.arange(d) == found.dimension
        upper = jnp.where(here, found.threshold, state.high[region])
        lower = jnp.where(here, found.threshold, state.low[region])
        low = jnp.stack([state.low[region], lower])
        high = jnp.stack([upper, state.high[region]])
        number = jnp.sum(parts, axis=1)
        dropped = jnp.where(due & ~found.valid, max(1, int(max_region_size * discard)), 0)

        def put(values, value):
            return values.at[children].set(value, mode="drop")

        state = state._replace(
            low=put(state.low, low),
            high=put(state.high, high),
            leaf=put(state.leaf.at[region].min(~found.valid), True),
            tasks=state.tasks.at[rows, slot].set(tasks[None], mode="drop"),
            outcomes=state.outcomes.at[rows, slot].set(values[None], mode="drop"),
            written=put(state.written, number),
            held=put(state.held.at[region].add(-dropped), number),
            regions=state.regions + 2 * found.valid,
        )
        return state, put(touched.at[region].max(due), True)

    def update_progress(state, touched):
        order = jnp.nonzero(touched, size=r + TOGETHER, fill_value=r)[0]
        count = jnp.sum(touched)

        def step(carry):
            start, progress = carry
            regions = jax.lax.dynamic_slice_in_dim(order, start, TOGETHER)
            _, values, mask = jax.vmap(in_order, (None, 0))(state, jnp.minimum(regions, r - 1))
            new = region_splits.progress_of(values, mask, max_region_size)
            return start + TOGETHER, progress.at[regions].set(new, mode="drop")

        _, progress = jax.lax.while_loop(
            lambda carry: carry[0] < count, step, (jnp.int32(0), state.progress)
        )
        return state._replace(progress=progress)

    def picture(state):
        weights = jnp.where(state.leaf, 1.0 / jnp.sum(state.leaf), 0)
        boxes = unit_boxes.picture(space, state.low, state.high, weights)
        return boxes | {"progress": jnp.where(state.leaf, state.progress, 0)}

    return Teacher(init, propose, observe, picture)
