"""The tasks of Parkour: what the terrain network is given, water and creepers.

References:
    Romac et al., 2021, "TeachMyAgent", appendix on Parkour, and the test sets of its package.
"""

import functools
from pathlib import Path
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box, Dimension

FOLDER = Path(__file__).parent
Kind = Literal["walking", "swimming", "climbing"]
SETS: tuple[Kind, ...] = ("walking", "swimming", "climbing")
SCALE, WIDTH = 10.0, 0.25  # of the terrain, and of creepers in m, in training
MAX_WIDTH = 0.5  # m
_SHAPE = "an input of the network that draws ground and ceiling"
_TRAINING = ((-0.35, 0.05), (0.6, 1.0), (-0.1, 0.3))


def task_space(tasks: Literal["training", "tests"]) -> Box:
    """Return the space of tasks.

    Args:
        tasks: "training" has 6 parameters; "tests" has two more and wider shapes, and contains the
            published test sets.
    """
    shapes = _TRAINING if tasks == "training" else ((-1.0, 1.0),) * 3
    dimensions = [
        Dimension(f"shape_{i}", low, high, description=_SHAPE)
        for i, (low, high) in enumerate(shapes, 1)
    ]
    level = "level of the water, from 0, far below the ground, to 1, the highest ceiling"
    dimensions.append(Dimension("water_level", 0, 1, description=level))
    if tasks == "tests":
        text = "width of creepers, at least 0.2 m"
        dimensions.append(Dimension("creeper_width", 0, MAX_WIDTH, unit="m", description=text))
    text = "mean length of creepers, at least 0.2 m"
    dimensions.append(Dimension("creeper_height", 0, 4, unit="m", description=text))
    text = "least distance between creepers"
    dimensions.append(Dimension("creeper_spacing", 0, 5, unit="m", description=text))
    if tasks == "tests":
        text = "what the heights are divided by: 10 in training"
        dimensions.append(Dimension("terrain_scale", 10, 20, description=text))
    return Box(tuple(dimensions))


def completed(tasks: Float[Array, "n d"]) -> Float[Array, "n 8"]:
    """Return tasks with all parameters: those of "tests"."""
    if tasks.shape[1] == 8:
        return tasks
    n = tasks.shape[0]
    width, scale = jnp.full((n, 1), WIDTH), jnp.full((n, 1), SCALE)
    return jnp.concatenate([tasks[:, :4], width, tasks[:, 4:], scale], axis=1)


@functools.cache
def parkour_test_tasks(kind: Kind) -> Float[np.ndarray, "100 8"]:
    """Return a test set of TeachMyAgent, as tasks of `Parkour(tasks="tests")`.

    Those for walkers, and most of those for swimmers, have a terrain scale of 20, although training
    uses 10.

    Raises:
        SettingError: the kind is unknown.
    """
    if kind not in SETS:
        raise SettingError("kind", kind, "one of " + ", ".join(SETS))
    with np.load(FOLDER / "test_tasks.npz", allow_pickle=False) as stored:
        return stored[kind]
