"""Where a teacher of a shuffled space finds a part of the true space."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.environments.task_spaces import Box
from didact.teachers.base import Outcomes, Proposals, Teacher
from didact.teachers.combinators.shuffled import shuffled

POINTS = 1025  # at which the extent of a cell is probed, along each dimension
SAME = 0.01  # parts of a cell by which points that move together may differ


def moved_part(
    part: Box, space: Box, *, cells: int = 4, seed: int = 0, jointly: bool = True
) -> Box:
    """Return a box of the shuffled space whose tasks, when played, are in a part of the true one.

    The cells of a part may lie far from each other in the shuffled space. Only the cell of its
    center is used, as in TeachMyAgent, which moves the mean of the first tasks.

    Args:
        part: the part of the true space.
        space: the true space.
        cells, seed, jointly: as for `shuffled`.

    Raises:
        SettingError: as for `shuffled`.
    """
    observer = Teacher(lambda key: (), lambda state, key, n: state, lambda state, seen, _: seen)
    moving = shuffled(observer, space, cells=cells, seed=seed, jointly=jointly)

    def seen(tasks: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Return where a teacher of the shuffled space proposes these tasks."""
        one = jnp.ones(len(tasks))
        proposals = Proposals.of(jnp.asarray(tasks, jnp.float32))
        found: Any = moving.observe((), proposals, Outcomes(one, one, one, one, {}))
        return np.asarray(found.tasks)

    center = (part.low + part.high) / 2
    center = np.where(space.integer, np.floor(center), center).astype(np.float32)
    shift = (seen(center[None]) - center)[0]
    tolerance = np.where(space.integer, 0.5, SAME * (space.high - space.low) / cells)
    low, high = center.copy(), center.copy()
    for column in range(space.size):
        points = np.repeat(center[None], POINTS, 0)
        points[:, column] = np.linspace(part.low[column], part.high[column], POINTS)
        points = np.where(space.integer, np.round(points), points)
        middle = int(np.argmin(np.abs(points[:, column] - center[column])))
        points[middle] = center
        together = np.all(np.abs(seen(points) - points - shift) <= tolerance, axis=1)
        apart = np.flatnonzero(~together)
        first = max(apart[apart < middle], default=-1) + 1
        last = min(apart[apart > middle], default=POINTS) - 1
        low[column], high[column] = points[first, column], points[last, column]
    ends = space.clip(jnp.asarray(seen(np.stack([low, high]))))
    bounds = np.sort(np.asarray(ends, float), axis=0).T
    dimensions = zip(space.dimensions, bounds, strict=True)
    return space.restricted(
        **{d.name: (max(d.low, float(a)), min(d.high, float(b))) for d, (a, b) in dimensions}
    )
