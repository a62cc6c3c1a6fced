"""The text format of mazes: `#` wall, `.` free cell, `G` goal, one of `> v < ^` the agent."""

import numpy as np
from jaxtyping import Int32

from didact.common.errors import SettingError
from didact.environments.grid.mazes.maze import Maze

WALL, FREE, GOAL = "#.G"
AGENT = ">v<^"  # by direction
GLYPHS = WALL + FREE + GOAL + AGENT


def parse(text: str) -> Maze:
    """Parse a text into one maze, on the host and without a leading axis.

    Lines are rows. Leading and trailing blank lines, and spaces around a line, are ignored.

    Raises:
        SettingError: there is an unknown glyph, a row differs in length from the first, or there
            is not exactly one agent and one goal. Messages count rows and columns from 1.
    """
    glyphs = np.array([list(row) for row in rows_of(text)])
    agent = _only(glyphs, AGENT, "agent")
    goal = _only(glyphs, GOAL, "goal")
    direction = AGENT.index(str(glyphs.reshape(-1)[agent]))
    return Maze(glyphs == WALL, agent, np.int32(direction), goal)  # type: ignore[arg-type]


def rows_of(text: str) -> list[str]:
    """Return the rows of a map, after checking their lengths and glyphs.

    Raises:
        SettingError: rows differ in length or have unknown glyphs.
    """
    rows = [line.strip() for line in text.strip().splitlines()] or [""]
    for y, row in enumerate(rows, 1):
        for x, glyph in enumerate(row, 1):
            if glyph not in GLYPHS:
                raise SettingError(f"maze, row {y}, column {x},", glyph, f"one of {GLYPHS}")
        if len(row) != len(rows[0]) or not row:
            allowed = (
                f"{len(rows[0])} cells long, like row 1" if rows[0] else "at least 1 cell long"
            )
            raise SettingError(f"maze, row {y},", row, allowed)
    return rows


def _only(glyphs: np.ndarray, kinds: str, name: str) -> Int32[np.ndarray, ""]:
    """Return the cell of the only glyph of the given kinds."""
    found = np.flatnonzero(np.isin(glyphs, list(kinds)))
    allowed = f"a map with exactly one {name} ({' '.join(kinds)})"
    if len(found) == 0:
        raise SettingError("maze", "\n".join(map("".join, glyphs)), allowed)
    if len(found) > 1:
        y, x = divmod(int(found[1]), glyphs.shape[1])
        raise SettingError(f"maze, row {y + 1}, column {x + 1},", str(glyphs[y, x]), allowed)
    return found[0].astype(np.int32)


def format(maze: Maze) -> str:
    """Return the text of one maze (without a leading axis); the inverse of `parse`."""
    walls = np.asarray(maze.walls)
    glyphs = np.where(walls, WALL, FREE).reshape(-1)
    glyphs[int(maze.goal)] = GOAL
    glyphs[int(maze.agent)] = AGENT[int(maze.direction)]
    return "\n".join("".join(row) for row in glyphs.reshape(walls.shape))
