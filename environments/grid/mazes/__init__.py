"""Mazes as tasks: sampled, mutated, solved, drawn as text, and the named ones of the literature."""

from didact.environments.grid.mazes.levels import Levels
from didact.environments.grid.mazes.maze import Maze
from didact.environments.grid.mazes.named import all_named, named
from didact.environments.grid.mazes.samplers import (
    Blocks,
    Crossings,
    FourRooms,
    OneOf,
    Perfect,
    Sampler,
)
from didact.environments.grid.mazes.world import maze_world, random_mazes

__all__ = [
    "Blocks",
    "Crossings",
    "FourRooms",
    "Levels",
    "Maze",
    "OneOf",
    "Perfect",
    "Sampler",
    "all_named",
    "maze_world",
    "named",
    "random_mazes",
]
