"""The named mazes used to evaluate unsupervised environment design.

Their maps are in `named.txt`. The rooms, labyrinths, mazes and corridors are from Dennis et al.
(NeurIPS 2020) and Jiang et al. (NeurIPS 2021; some only in its code, "dcd"). Names are those shared
by minimax and JaxUED, otherwise those of dcd. If a source does not specify the agent's direction,
it faces right, as in minimax and JaxUED.
"""

import functools
import importlib.resources
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError
from didact.environments.grid.mazes import text_format
from didact.environments.grid.mazes.maze import Maze, pad_maze
from didact.environments.grid.mazes.samplers import Crossings, FourRooms, OneOf, Perfect
from didact.environments.grid.mazes.task_space import Levels
from didact.environments.registry import suggest

# The single mazes for which results are most often reported; evaluated during training by default.
EVALUATION = (
    *("SixteenRooms", "SixteenRooms2", "Labyrinth", "LabyrinthFlipped", "Labyrinth2"),
    *("StandardMaze", "StandardMaze2", "StandardMaze3"),
)
_PACKAGE = "didact.environments.grid.mazes"


class Named(NamedTuple):
    """The task space of a named maze, and its one-line description."""

    space: Levels
    description: str


class EvaluationSet(NamedTuple):
    """Named mazes as tasks of a common space."""

    space: Levels  # samples from these tasks
    tasks: Float[np.ndarray, "k d"]
    names: tuple[str, ...]  # one per task


@functools.cache
def all_named() -> Mapping[str, Named]:
    """Return all named mazes, including the randomly generated ones, by name."""
    source = importlib.resources.files(_PACKAGE).joinpath("named.txt").read_text("utf-8")
    mazes = {name: Named(space_of(map), line) for name, line, map in parse_file(source)}
    winding = Perfect(depth_first=True, corners=False)
    return MappingProxyType(
        {
            **mazes,
            "FourRooms": Named(
                Levels(17, 17, FourRooms()),
                "Four rooms with random openings, 17x17; random agent and goal cells.",
            ),
            "SimpleCrossing": Named(
                Levels(9, 9, Crossings(5)),
                "Five walls with one opening each, 9x9; the goal is in the opposite corner.",
            ),
            **{
                f"PerfectMaze{name}": Named(
                    Levels(size, size, winding),
                    f"Winding perfect mazes, {size}x{size}; random agent and goal cells.",
                )
                for name, size in (("", 13), ("Medium", 19), ("Large", 51), ("ExtraLarge", 101))
            },
        }
    )


def named(name: str) -> Levels:
    """Return the task space of a named maze, such as "Labyrinth".

    Raises:
        SettingError: there is no such maze.
    """
    if name not in all_named():
        raise suggest("maze", name, list(all_named()))
    return all_named()[name].space


def evaluation_set(
    names: Sequence[str] = EVALUATION, each: int = 1, seed: int = 0
) -> EvaluationSet:
    """Return named mazes as tasks of a common space, to evaluate on all of them at once.

    Smaller mazes are padded with wall on the right and below. Use `maze_world(result.space)` to
    make the environment.

    Args:
        names: the names of the mazes.
        each: the number of tasks per name; the names of single mazes repeat the same task.
        seed: the seed for the names of randomly generated mazes.

    Raises:
        SettingError: a name is unknown, there are no names, or `each` is below 1.
    """
    if not names:
        raise SettingError("names", tuple(names), "at least one name")
    if each < 1:
        raise SettingError("each", each, "at least 1")
    parts = [named(name) for name in names]
    height, width = (max(sides) for sides in zip(*(part.shape for part in parts), strict=True))
    mazes = []
    for key, part in zip(jax.random.split(jax.random.key(seed), len(parts)), parts, strict=True):
        found = pad_maze(part.unpack(part.sample(key, each)), height, width)
        mazes += [Maze(*one) for one in zip(*found, strict=True)]
    space = Levels(height, width, OneOf(tuple(text_format.format(maze) for maze in mazes)))
    repeated = tuple(name for name in names for _ in range(each))
    return EvaluationSet(space, np.stack([space.pack(maze) for maze in mazes]), repeated)


def space_of(map: str) -> Levels:
    """Return the space of the maze on a map, or of one maze per goal on the map."""
    rows = text_format.rows_of(map)
    flat = "\n".join(rows)
    goals = [i for i, glyph in enumerate(flat) if glyph == text_format.GOAL]
    bare = flat.replace(text_format.GOAL, text_format.FREE)
    mazes = tuple(bare[:i] + text_format.GOAL + bare[i + 1 :] for i in goals)
    return Levels(len(rows), len(rows[0]), OneOf(mazes or (flat,)))


def parse_file(source: str) -> list[tuple[str, str, str]]:
    """Return the name, the description and the map of each maze in a text like `named.txt`.

    Raises:
        SettingError: a map has no preceding heading.
    """
    found: list[tuple[str, str, list[str]]] = []
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith("["):
            name, _, description = line[1:].partition("]")
            found.append((name, description.strip(), []))
        elif line and not line.startswith(";"):
            if not found:
                raise SettingError(f"line {number}", line, "below a [name]")
            found[-1][2].append(line)
    return [(name, description, "\n".join(rows)) for name, description, rows in found]
