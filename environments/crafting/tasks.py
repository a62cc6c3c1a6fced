"""The tasks of the crafting world: what a teacher can choose.

The default of each dimension is the original game.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from didact.environments.crafting.layout import (
    ACHIEVEMENTS,
    DAY,
    MAX_STEPS,
    MOST,
    RESOURCES,
    SIDE,
    TOOLS,
)
from didact.environments.task_spaces import Box, Dimension


class Parameter(NamedTuple):
    """A dimension and its value in the original game."""

    dimension: Dimension
    original: float


def _real(name: str, low: float, high: float, original: float, description: str, unit: str = ""):
    return Parameter(Dimension(name, low, high, unit=unit, description=description), original)


def _whole(name: str, low: int, high: int, original: int, description: str, unit: str = ""):
    return Parameter(Dimension(name, low, high, True, unit, description), original)


def _words(name: str) -> str:
    return name.replace("_", " ")


TERRAIN = (
    _real("water", -0.5, 0.5, 0, "more lakes above 0, fewer below; the level of the lakes"),
    _real("mountains", -0.5, 0.5, 0, "more mountains above 0, more grassland below"),
    _real("forests", -0.5, 0.5, 0, "larger forests above 0, smaller ones below"),
    _real("sand", 0, 1, 1, "share of the beaches that are made of sand"),
    _real("caves", -0.3, 0.3, 0, "more caves and tunnels in mountains above 0, fewer below"),
    _real("lava", -0.3, 0.3, 0, "more lava in mountains above 0, less below"),
    _real("trees", 0, 1, 0.2, "probability of a tree in each cell of a forest"),
    _real("coal", 0, 1, 0.15, "probability of coal in each cell where it can occur"),
    _real("iron", 0, 1, 0.25, "probability of iron in each cell where it can occur"),
    _real("diamonds", 0, 0.2, 0.006, "probability of a diamond in each cell inside mountains"),
    _whole("size", 16, SIDE, SIDE, "side of the square map, centered on the start", "cells"),
)
CREATURES = (
    _real("cows", 0, 3, 1, "number of cows, relative to the original game"),
    _real("zombies", 0, 3, 1, "number of zombies, relative to the original game"),
    _real("skeletons", 0, 3, 1, "number of skeletons, relative to the original game"),
)
BEGINNING = (
    _whole("time", 0, DAY - 1, 0, "time of day at the start: 60 is noon, 210 is midnight", "steps"),
    *(
        _whole(f"initial_{item}", 0, MOST, 0, f"{item} in the inventory at the start")
        for item in RESOURCES
    ),
    *(
        _whole(f"initial_{tool}", 0, 1, 0, f"whether the player starts with a {_words(tool)}")
        for tool in TOOLS
    ),
)
PAY = tuple(
    _whole(f"pay_{name}", 0, 1, 1, f"whether the achievement '{_words(name)}' is rewarded")
    for name in ACHIEVEMENTS
)
END = (
    _whole("length", 100, MAX_STEPS, MAX_STEPS, "the time limit of an episode", "steps"),
    _whole(
        *("goal", 1, len(ACHIEVEMENTS), len(ACHIEVEMENTS) // 2),
        "how many rewarded achievements make an episode a success; all of them if there are fewer, "
        "and no episode is one if there are none",
    ),
)
PARAMETERS = (*TERRAIN, *CREATURES, *BEGINNING, *PAY, *END)
SPACE = Box(tuple(parameter.dimension for parameter in PARAMETERS))
ORIGINAL = np.array([parameter.original for parameter in PARAMETERS], np.float32)
ORIGINAL.flags.writeable = False
ORIGINAL_SPACE = SPACE.restricted(**{p.dimension.name: p.original for p in PARAMETERS})
_COLUMN = {name: column for column, name in enumerate(SPACE.names)}


def value(tasks: Float[Array, "n d"], name: str) -> Float[Array, " n"]:
    """Return one parameter of n tasks."""
    return tasks[:, _COLUMN[name]]


def paid(tasks: Float[Array, "n d"]) -> Float[Array, "n 22"]:
    """Return 1 for each achievement that is rewarded, else 0, in the order of ACHIEVEMENTS."""
    return _block(tasks, PAY)


def initial_items(tasks: Float[Array, "n d"]) -> Float[Array, "n 12"]:
    """Return the initial numbers of resources and tools, in the order of ITEMS."""
    return _block(tasks, BEGINNING[1:])


def _block(tasks: Float[Array, "n d"], parameters: tuple[Parameter, ...]) -> Float[Array, "n k"]:
    first = _COLUMN[parameters[0].dimension.name]
    return tasks[:, first : first + len(parameters)]


def task(**changes: float) -> Float[np.ndarray, " d"]:
    """Return the original game with some parameters changed, by name.

    Raises:
        SettingError: a name is unknown, or a value is not allowed.
    """
    found = ORIGINAL.copy()
    for name, number in changes.items():
        column = SPACE.column(name)
        found[column] = SPACE.dimensions[column].parse(number)
    return found
