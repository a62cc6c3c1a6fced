"""Recognize a task that a teacher has proposed when it comes back with an outcome."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.task_spaces import Box, TaskSpace

MARGIN = 2.0**-10  # of the range of a dimension


def tolerance_of(space: TaskSpace) -> Float[np.ndarray, " d"]:
    """Return how far a task may be from its proposal, in each dimension.

    Tasks come back as they were proposed, except through `shuffled`, which moves real numbers by up
    to 1/1024 of a cell. The tolerance only decides whether a slot still holds the task that was
    proposed from it. Whole numbers, and tasks of spaces other than a `Box`, come back exactly.
    """
    if not isinstance(space, Box):
        return np.zeros(space.size, np.float32)
    return np.where(space.integer, 0, MARGIN * (space.high - space.low)).astype(np.float32)


def recognized(
    tasks: Float[Array, "n d"],
    proposed: Float[Array, "n d"],
    tolerance: Float[np.ndarray, " d"] | Float[Array, "n d"],
) -> Bool[Array, " n"]:
    """Return which tasks are those that were proposed; False for NaN."""
    return jnp.all(jnp.abs(tasks - proposed) <= tolerance, axis=-1)
