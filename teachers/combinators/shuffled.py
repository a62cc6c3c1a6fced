"""Rugged difficulty: the cells of a task space change places before a teacher sees them."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box, Dimension
from didact.teachers.base import Teacher, propose

MOST = 2**20  # cells
MARGIN = 2.0**-10  # part of a cell along its faces that no real number is moved to


def shuffled(
    teacher: Teacher,
    space: Box,
    *,
    cells: int = 4,
    seed: int = 0,
    names: Sequence[str] | None = None,
    jointly: bool = True,
) -> Teacher:
    """Permute the cells of the task space, so that neighboring tasks are no longer alike.

    The space is cut into a grid of cells, and a seeded random permutation moves each cell as a
    whole. The teacher proposes in the space that it knows; the student plays the tasks where the
    cells were moved to, and the teacher observes them back where it proposed them. To the teacher,
    the difficulty of tasks is then rugged: smooth within a cell, and unrelated across its faces. It
    measures how much a teacher relies on smoothness.

    Moving a cell keeps the position of a task within it. Real numbers at the face of a cell are
    first moved inwards by 1/1024 of its width, because they could not be told from those of the
    next cell; they come back to the teacher with the rounding error of float32. Whole numbers come
    back exactly.

    Args:
        teacher: a teacher of the same space. It sees easy tasks elsewhere, too: give it the
            `moved_parts.moved_part` of them.
        space: the task space.
        cells: the number of cells along each dimension. All cells along a dimension hold equally
            many whole numbers, so an integer dimension has the largest number of cells up to this
            one that divides its size, or its smallest prime factor if there is none.
        seed: the seed of the permutation.
        names: the dimensions to cut; all by default. The others stay as they are.
        jointly: whether all cells are permuted at random, which leaves nothing of the order along a
            dimension. If false, the slices of each dimension are permuted by themselves, as in
            TeachMyAgent; this is possible in spaces of any number of dimensions.

    Returns:
        The teacher. Its picture has the points and levels of the teacher in the tasks that are
        played; Gaussians and boxes are omitted, since the permutation tears them apart.

    Raises:
        SettingError: the space is not a `Box`, a name is unknown, there are fewer than two cells
            along a dimension, or more than a million in total.

    References:
        Romac et al., TeachMyAgent: a benchmark for automatic curriculum learning in deep RL, ICML
        2021: the challenge of a rugged difficulty landscape.
    """
    if not isinstance(space, Box):
        raise SettingError("space", type(space).__name__, "a Box of named numbers")
    require("cells", cells, cells >= 2, "at least 2")
    require("seed", seed, seed >= 0, "at least 0")
    cut = np.zeros(space.size, bool)
    for name in space.names if names is None else names:
        cut[space.column(name)] = True
    sides = np.array(
        [_side(d, cells) if c else 1 for d, c in zip(space.dimensions, cut, strict=True)]
    )
    total = math.prod(int(side) for side in sides) if jointly else 0
    allowed = f"few enough for {MOST:,} cells in all, or used with jointly=False ({total:,} now)"
    require("cells", cells, total <= MOST, allowed)
    rng = np.random.default_rng(seed)
    if jointly:
        places = np.stack(np.unravel_index(rng.permutation(total), sides), axis=-1)
        tables = places, np.empty_like(places)
        tables[1][np.ravel_multi_index(tuple(places.T), sides)] = np.stack(
            np.unravel_index(np.arange(total), sides), axis=-1
        )
    else:
        orders = [np.append(rng.permutation(k), np.arange(k, max(sides))) for k in sides]
        tables = np.stack(orders, axis=-1), np.stack([np.argsort(x) for x in orders], axis=-1)
    strides = np.cumprod([1, *sides[::-1]])[:-1][::-1] if jointly else None
    extent = space.high - space.low + space.integer  # of whole numbers, their count
    there, back = (np.asarray(table, np.int32) for table in tables)
    width = (extent / sides).astype(np.float32)

    def moved(tasks: Float[Array, "n d"], table: np.ndarray) -> Float[Array, "n d"]:
        """Move tasks with their cells."""
        away = tasks - space.low
        position = jnp.floor(away / np.where(width > 0, width, 1))
        position = jnp.clip(position, 0, sides - 1).astype(jnp.int32)
        within = away - position * width
        inside = jnp.clip(within, MARGIN * width, (1 - MARGIN) * width)
        within = jnp.where(space.integer | (sides == 1), within, inside)
        if strides is None:
            target = jnp.take_along_axis(jnp.asarray(table), position, axis=0)
        else:
            target = jnp.asarray(table)[jnp.sum(position * strides.astype(np.int32), axis=-1)]
        return space.clip(jnp.asarray(space.low + target * width + within))

    def proposed(state, key, n):
        proposals, state = propose(teacher, state, key, n)
        return proposals._replace(tasks=moved(proposals.tasks, there)), state

    def observe(state, proposals, outcomes):
        known = proposals._replace(tasks=moved(proposals.tasks, back))
        return teacher.observe(state, known, outcomes)

    def picture(state):
        drawn = teacher.picture(state)
        kinds = {"points": "values", "levels": "scores"}
        result = {}
        for name, value in kinds.items():
            if name in drawn:
                result |= {name: moved(drawn[name], there), value: drawn[value]}
        if "levels" in drawn:
            result["probabilities"] = drawn["probabilities"]
        return result

    return teacher._replace(propose=proposed, observe=observe, picture=picture)


def _side(dimension: Dimension, cells: int) -> int:
    """Return the number of cells along a dimension."""
    if dimension.high == dimension.low:
        return 1
    if not dimension.integer:
        return cells
    count = int(dimension.high - dimension.low) + 1
    fitting = (k for k in range(min(cells, count), 1, -1) if count % k == 0)
    more = (k for k in range(cells + 1, math.isqrt(count) + 1) if count % k == 0)
    return next(fitting, None) or next(more, count)
