"""Grid worlds at MiniGrid's semantics, batched."""

import functools

from didact.environments.grid.env import GridState, GridWorld, Symbols
from didact.environments.grid.families import GROUPS
from didact.environments.registry import register

__all__ = ["GridState", "GridWorld", "Symbols"]

for _group in GROUPS:
    _make = functools.partial(GridWorld, family=_group.family, mission_length=_group.mission_length)
    _easy = _group.space.restricted(**_group.easy)
    register(
        _group.name,
        functools.partial(_make, _group.space, easy_space=_easy),
        _group.description,
    )
    for _name, (_space, _description) in _group.levels.items():
        register(_name, functools.partial(_make, _space), _description)
