"""Batched grid worlds with MiniGrid's semantics."""

import functools

from didact.environments.grid.env import GridState, GridWorld, Symbols
from didact.environments.grid.factory import grid_world
from didact.environments.grid.levels import GROUPS
from didact.environments.grid.mazes import all_named, maze_world, random_mazes
from didact.environments.registry import register

__all__ = [
    "GridState",
    "GridWorld",
    "Symbols",
]

for _group in GROUPS:
    _make = functools.partial(
        grid_world,
        family=_group.family,
        mission_length=_group.mission_length,
        evaluation={name: _group.levels[name][0] for name in _group.evaluation},
    )
    _whole = {_group.name: (_group.space, _group.description)}
    for _name, (_space, _description) in {**_whole, **_group.parts}.items():
        _easy = _space.restricted(**_group.easy)
        register(_name, functools.partial(_make, _space, easy_space=_easy), _description)
    for _name, (_space, _description) in _group.levels.items():
        register(_name, functools.partial(_make, _space), _description)

register(
    "Maze",
    random_mazes,
    "Reach the goal square of a maze built from single wall blocks; every maze is a task, for "
    "unsupervised environment design.",
)
for _name, _maze in all_named().items():
    register(f"Maze-{_name}", functools.partial(maze_world, _maze.space), _maze.description)
