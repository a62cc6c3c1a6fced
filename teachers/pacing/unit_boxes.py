"""Boxes inside a task space, in the unit cube: the easy part, uniform samples, and pictures.

Several teachers propose tasks from a box that moves or grows. They keep its bounds in the unit
cube, where all dimensions have the range from 0 to 1 and whole numbers are evenly spaced.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box

TOLERANCE = 1e-4  # of bounds in the unit cube


def check_space(space: Any) -> None:
    """Raise a `SettingError` unless the task space is a `Box`."""
    if not isinstance(space, Box):
        raise SettingError("space", type(space).__name__, "a Box of named numbers, with bounds")


def check_easy(space: Box, easy: Any, setting: str = "easy") -> None:
    """Raise a `SettingError` unless `easy` is a part of the space, but not the whole of it."""
    known = isinstance(easy, Box) and easy.names == space.names
    known = known and np.all(easy.low >= space.low) and np.all(easy.high <= space.high)
    whole = known and np.all((easy.low == space.low) & (easy.high == space.high))
    shown = easy if easy is None or isinstance(easy, Box) else type(easy).__name__
    allowed = "a part of the task space, with the tasks that a beginner sometimes masters"
    require(setting, shown, known and not whole, allowed)


def bounds_of(space: Box, part: Box) -> Float[np.ndarray, "2 d"]:
    """Return the lower and upper bounds of a part of the space, in the unit cube."""
    return np.stack(
        [np.asarray(space.normalise(jnp.asarray(x)), np.float32) for x in (part.low, part.high)]
    )


def corner_of(space: Box, easy: Box) -> tuple[Float[np.ndarray, " d"], np.ndarray]:
    """Return the point where tasks are easiest, and the dimensions in which it is unknown.

    In each dimension, that is the end of the range that the easy part shares with the space, or the
    middle of the easy part if it shares neither end. If it shares both, the dimension says nothing
    about difficulty.

    Args:
        space: the task space.
        easy: the easy part of it.

    Returns:
        A point of the unit cube, and whether each dimension is unknown, bool[d].
    """
    low, high = bounds_of(space, easy)
    at_low, at_high = low <= TOLERANCE, high >= 1 - TOLERANCE
    # Dimensions with a single value are 0 in the unit cube.
    unknown = (at_low & at_high) | (space.high <= space.low)
    corner = np.where(at_low, 0, np.where(at_high, 1, (low + high) / 2))
    return np.where(unknown, 0.5, corner).astype(np.float32), unknown


def spacing(space: Box) -> Float[np.ndarray, " d"]:
    """Return the distance of neighboring whole numbers in the unit cube; 0 for real dimensions."""
    extent = space.high - space.low
    return np.where(space.integer & (extent > 0), 1 / np.where(extent > 0, extent, 1), 0).astype(
        np.float32
    )


def in_unit_cube(space: Box, length: float, task_units: bool) -> Float[np.ndarray, " d"]:
    """Return a length along each dimension, in the unit cube; 0 where there is a single value.

    Args:
        space: the task space.
        length: the length, as a fraction of each range or in task units.
        task_units: which of the two.
    """
    extent = np.asarray(space.high - space.low, np.float32)
    scale = np.where(extent > 0, extent, 1) if task_units else np.ones_like(extent)
    return np.where(extent > 0, length / scale, 0).astype(np.float32)


def whole_steps(space: Box, step: float | Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """Return a step in every dimension, rounded to at least one whole number where needed."""
    gap = spacing(space)
    return np.where(gap > 0, np.maximum(np.round(step / np.where(gap > 0, gap, 1)), 1) * gap, step)


def sample(
    space: Box, key: PRNGKeyArray, low: Float[Array, "n d"], high: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    """Sample one task from each of n boxes, uniformly; the whole numbers inside are equally likely.

    Args:
        space: the task space.
        key: the key.
        low, high: the bounds of each box in the unit cube. A box without any whole number in an
            integer dimension yields the nearest one.

    Returns:
        Tasks of the space.
    """
    gap = spacing(space)
    unit = np.where(gap > 0, gap, 1)
    u = jax.random.uniform(key, low.shape)
    real = low + u * (high - low)
    first = jnp.ceil(low / unit - TOLERANCE)
    last = jnp.floor(high / unit + TOLERANCE)
    number = first + jnp.minimum(jnp.floor(u * (last - first + 1)), last - first)
    number = jnp.where(last >= first, number, jnp.round((low + high) / 2 / unit))
    return space.denormalise(jnp.where(gap > 0, number * unit, real))


def contains(
    points: Float[Array, "*n d"], low: Float[Array, "*n d"], high: Float[Array, "*n d"]
) -> Array:
    """Return which points of the unit cube are inside boxes, with a tolerance for rounding."""
    inside = (points >= low - TOLERANCE) & (points <= high + TOLERANCE)
    return jnp.all(inside, axis=-1)


def picture(
    space: Box, low: Float[Array, "k d"], high: Float[Array, "k d"], weights: Any = 1.0
) -> dict[str, Array]:
    """Return boxes in task units, see `Teacher.picture`; boxes of weight 0 become 0."""
    weights = jnp.broadcast_to(jnp.asarray(weights, jnp.float32), low.shape[:1])
    extent, used = space.high - space.low, weights[:, None] > 0
    return {
        "low": jnp.where(used, space.low + low * extent, 0),
        "high": jnp.where(used, space.low + high * extent, 0),
        "weights": weights,
    }
