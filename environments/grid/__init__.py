"""Grid worlds at MiniGrid's semantics, batched."""

import functools

from didact.environments.grid import catalogue, levels
from didact.environments.grid.env import GridState, GridWorld, Symbols
from didact.environments.registry import register

__all__ = ["GridState", "GridWorld", "Symbols"]

register(
    "GoTo",
    functools.partial(
        GridWorld, levels.SPACE, easy_space=levels.SPACE.restricted(rows=1, columns=1)
    ),
    "Go to an object in up to 3x3 rooms: every level of BabyAI's GoTo group is a task of it.",
)
for _name, (_space, _description) in catalogue.GO_TO.items():
    register(_name, functools.partial(GridWorld, _space), _description)
