"""Mazes as tasks: samplers, mutation, shortest paths, text format, and named mazes."""

from didact.environments.grid.mazes.env import maze_world, random_mazes
from didact.environments.grid.mazes.maze import Maze
from didact.environments.grid.mazes.named import (
    EVALUATION,
    EvaluationSet,
    all_named,
    evaluation_set,
    named,
)
from didact.environments.grid.mazes.samplers import (
    Blocks,
    Crossings,
    FourRooms,
    OneOf,
    Perfect,
    RepeatedBlocks,
    Sampler,
)
from didact.environments.grid.mazes.task_space import Levels

__all__ = [
    "EVALUATION",
    "Blocks",
    "Crossings",
    "EvaluationSet",
    "FourRooms",
    "Levels",
    "Maze",
    "OneOf",
    "Perfect",
    "RepeatedBlocks",
    "Sampler",
    "all_named",
    "evaluation_set",
    "maze_world",
    "named",
    "random_mazes",
]
