"""Parts of a box that experts name: easy tasks and target tasks."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box


def check(space: Any, **parts: Any) -> None:
    """Check that a space is a `Box` and that parts of it, by the names of settings, are inside.

    Raises:
        SettingError: one of them is not; None is allowed for parts.
    """
    if not isinstance(space, Box):
        raise SettingError("space", type(space).__name__, "a Box of named numbers")
    for name, part in parts.items():
        if part is None:
            continue
        fits = isinstance(part, Box) and part.names == space.names
        require(name, part, fits, f"a Box with the dimensions {', '.join(space.names)}")
        inside = np.all(part.low >= space.low) and np.all(part.high <= space.high)
        require(name, part, bool(inside), "a part of the task space")


def center_and_std(
    space: Box, part: Box, least: float = 0.01
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
    """Return the Gaussian whose two-sigma ranges are a part of the space, in the unit cube.

    Args:
        space: the task space.
        part: a part of it.
        least: the smallest standard deviation.
    """
    low, high = (np.asarray(space.normalise(jnp.asarray(x))) for x in (part.low, part.high))
    return (low + high) / 2, np.maximum((high - low) / 4, least)
