"""Where a teacher of a shuffled space finds a part of the true space."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact import teachers
from didact.benchmarks.suites.profiles import Shuffle
from didact.environments.task_spaces import Box
from didact.teachers import Outcomes, Proposals, Teacher

POINTS = 1025  # at which the extent of a cell is probed, along each dimension
SAME = 0.01  # parts of a cell by which points that move together may differ


def seen_by_teacher(
    tasks: Float[np.ndarray, "n d"], space: Box, shuffle: Shuffle
) -> Float[np.ndarray, "n d"]:
    """Return where a teacher of the shuffled space proposes these tasks."""
    seen: list[Array] = []

    def observe(state, proposals, outcomes):
        seen.append(proposals.tasks)
        return state

    probe = teachers.uniform(space)
    probe = Teacher(probe.init, probe.propose, observe)
    one = jnp.ones(len(tasks))
    proposals = Proposals(jnp.asarray(tasks, jnp.float32), one, jnp.zeros(len(tasks), jnp.int32))
    shuffled = teachers.shuffled(probe, space, **shuffle._asdict())
    shuffled.observe((), proposals, Outcomes(one, one, one, one, {}))
    return np.asarray(seen[0])


def moved_part(part: Box, space: Box, shuffle: Shuffle) -> Box:
    """Return a box of the shuffled space whose tasks, when played, are in a part of the true one.

    The cells of a part may lie far from each other in the shuffled space. Only the cell of its
    center is used, as in TeachMyAgent, which moves the mean of the first tasks.

    Args:
        part: the part of the true space.
        space: the true space.
        shuffle: how it is shuffled for teachers.
    """
    center = (part.low + part.high) / 2
    center = np.where(space.integer, np.floor(center), center).astype(np.float32)
    shift = _shift(center[None], space, shuffle)[0]
    tolerance = np.where(space.integer, 0.5, SAME * (space.high - space.low) / shuffle.cells)
    low, high = center.copy(), center.copy()
    for column in range(space.size):
        points = np.repeat(center[None], POINTS, 0)
        points[:, column] = np.linspace(part.low[column], part.high[column], POINTS)
        points = np.where(space.integer, np.round(points), points)
        middle = int(np.argmin(np.abs(points[:, column] - center[column])))
        points[middle] = center
        together = np.all(np.abs(_shift(points, space, shuffle) - shift) <= tolerance, axis=1)
        apart = np.flatnonzero(~together)
        first = max(apart[apart < middle], default=-1) + 1
        last = min(apart[apart > middle], default=POINTS) - 1
        low[column], high[column] = points[first, column], points[last, column]
    ends = space.clip(jnp.asarray(seen_by_teacher(np.stack([low, high]), space, shuffle)))
    bounds = np.sort(np.asarray(ends, float), axis=0).T
    dimensions = zip(space.dimensions, bounds, strict=True)
    return space.restricted(
        **{d.name: (max(d.low, float(a)), min(d.high, float(b))) for d, (a, b) in dimensions}
    )


def _shift(
    tasks: Float[np.ndarray, "n d"], space: Box, shuffle: Shuffle
) -> Float[np.ndarray, "n d"]:
    return seen_by_teacher(tasks, space, shuffle) - tasks
