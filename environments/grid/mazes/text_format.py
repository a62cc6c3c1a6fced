"""Mazes as text: `#` is a wall, `.` a free cell, `G` the goal, one of `> v < ^` the agent."""

import numpy as np
from jaxtyping import Int32

from didact.common.errors import SettingError
from didact.environments.grid.mazes.maze import Maze

WALL, FREE, GOAL = "#.G"
AGENT = ">v<^"  # by direction
GLYPHS = WALL + FREE + GOAL + AGENT


def parse(text: str) -> Maze:
    """The maze that a text shows, on the host and without a leading axis.

    Lines are rows; blank lines before and after, and spaces around a line, do not count.

    Raises:
        SettingError: an unknown glyph, a row longer or shorter than the first, or not exactly
            one agent and one goal; rows and columns are told counting from 1.
    """
    glyphs = np.array([list(row) for row in rows_of(text)])
    agent = _only(glyphs, AGENT, "agent")
    goal = _only(glyphs, GOAL, "goal")
    direction = AGENT.index(str(glyphs.reshape(-1)[agent]))
    return Maze(glyphs == WALL, agent, np.int32(direction), goal)  # type: ignore[arg-type]


def rows_of(text: str) -> list[str]:
    """The rows of a map, checked to be of one length and of known glyphs.

    Raises:
        SettingError: they are not.
    """
    rows = [line.strip() for line in text.strip().splitlines()] or [""]
    for y, row in enumerate(rows, 1):
        for x, glyph in enumerate(row, 1):
            if glyph not in GLYPHS:
                raise SettingError(f"maze, row {y}, column {x},", glyph, f"one of {GLYPHS}")
        if len(row) != len(rows[0]) or not row:
            allowed = f"{len(rows[0])} cells long, as row 1" if rows[0] else "at least 1 cell long"
            raise SettingError(f"maze, row {y},", row, allowed)
    return rows


def _only(glyphs: np.ndarray, kinds: str, name: str) -> Int32[np.ndarray, ""]:
    """The cell of the only glyph of these kinds."""
    found = np.flatnonzero(np.isin(glyphs, list(kinds)))
    allowed = f"a map with exactly one {name} ({' '.join(kinds)})"
    if len(found) == 0:
        raise SettingError("maze", "\n".join(map("".join, glyphs)), allowed)
    if len(found) > 1:
        y, x = divmod(int(found[1]), glyphs.shape[1])
        raise SettingError(f"maze, row {y + 1}, column {x + 1},", str(glyphs[y, x]), allowed)
    return found[0].astype(np.int32)


def format(maze: Maze) -> str:
    """The text of one maze (without a leading axis), which `parse` reads."""
    walls = np.asarray(maze.walls)
    glyphs = np.where(walls, WALL, FREE).reshape(-1)
    glyphs[int(maze.goal)] = GOAL
    glyphs[int(maze.agent)] = AGENT[int(maze.direction)]
    return "\n".join("".join(row) for row in glyphs.reshape(walls.shape))
