"""Render grid worlds as terminal text, with or without color codes.

A cell is two characters, which makes it roughly square: the kind of object, then the letter of its
color. `##` wall, `+` closed door, `X` locked door, `/` open door, `K` key, `O` ball, `B` box, `:`
floor, `**` goal, `~~` lava; colors `r g b p y`, and `e` for grey. The agent is an arrow. Empty
cells visible to the agent show a dot. Color codes do not change these characters.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from didact.common.errors import SettingError
from didact.environments.grid import cells
from didact.environments.grid.rendering.rgb import checked, inner

LEGEND = (
    "K key  O ball  B box  ** goal",
    "+ door  X locked  / open  ~~ lava",
)

_LETTERS = "rgbpye"  # in the order of `cells.COLORS`; e is grey, because g is green
_AGENT = (">>", "vv", "<<", "^^")
_GLYPHS = {
    cells.UNSEEN: "  ",
    cells.WALL: "##",
    cells.FLOOR: ":",
    cells.GOAL: "**",
    cells.LAVA: "~~",
    cells.DOOR: "/",
    cells.CLOSED_DOOR: "+",
    cells.LOCKED_DOOR: "X",
    cells.KEY: "K",
    cells.BALL: "O",
    cells.BOX: "B",
}

# Colors from the terminal palette of 256.
_PAINTS = (196, 40, 33, 135, 226, 250)  # as `cells.COLORS`; black is readable on the blue
_BLACK, _WHITE, _ORANGE = 16, 231, 208
_GROUND, _SEEN_GROUND = 233, 239
_WALL, _SEEN_WALL = 243, 250
_RESET = "\x1b[0m"


def draw(
    symbols: UInt8[np.ndarray, "width height 3"],
    agent_position: Sequence[int] | np.ndarray,
    agent_direction: int,
    visible: Bool[np.ndarray, "width height"] | None = None,
    *,
    color: bool = True,
    crop: bool = False,
    window: tuple[int, int] | None = None,
) -> str:
    """Render one grid world as lines of text, two characters per cell.

    Args:
        symbols: (type, color, state) of each cell [x, y] in MiniGrid's encoding, without the
            agent.
        agent_position: (x, y); an agent outside the grid is not drawn.
        agent_direction: 0 right, 1 down, 2 left, 3 up.
        visible: the cells to draw lighter, or with a dot if they are empty.
        color: whether to add color codes (for terminals with 256 colors).
        crop: whether to crop outer rows and columns of solid wall, except the innermost.
        window: the maximum number of columns and rows of cells, around the agent.

    Raises:
        SettingError: the symbols, the direction or the window are invalid.
    """
    symbols = checked(symbols, agent_direction)
    codes = cells.pack(symbols)
    kinds, colors = cells.kind_of(codes), cells.color_of(codes)
    if window is not None and min(window) < 1:
        raise SettingError("window", window, "at least 1 column and 1 row")

    seen = np.zeros(kinds.shape, bool) if visible is None else np.asarray(visible, bool)
    agent = int(agent_position[0]), int(agent_position[1])
    parts = inner(symbols) if crop else (slice(None), slice(None))
    columns, rows = (range(n)[part] for n, part in zip(kinds.shape, parts, strict=True))
    if window is not None:
        columns, rows = map(_around, agent, (columns, rows), window)

    def cell(x: int, y: int) -> tuple[str, tuple[int, int]]:
        kind, shade, light = int(kinds[x, y]), int(colors[x, y]), bool(seen[x, y])
        if (x, y) == agent:
            return _AGENT[agent_direction], (_WHITE, _ground(light))
        return _text(kind, shade, light), _paint(kind, shade, light)

    return "\n".join(_row([cell(x, y) for x in columns], color) for y in rows)


def _row(row: list[tuple[str, tuple[int, int]]], color: bool) -> str:
    """Join a row of (text, paint) cells, with one color code per run of equal paints."""
    groups = [
        (paint, "".join(text for text, _ in group))
        for paint, group in itertools.groupby(row, key=lambda cell: cell[1])
    ]
    return "".join(
        f"\x1b[1;38;5;{front};48;5;{back}m{text}{_RESET}" if color else text
        for (front, back), text in groups
    )


def _around(at: int, whole: range, most: int) -> range:
    """Return a part of a range, at most `most` long, centered on `at` as well as possible."""
    size = min(most, len(whole))
    start = min(max(at - size // 2, whole.start), whole.stop - size)
    return range(start, start + size)


def _text(kind: int, color: int, seen: bool) -> str:
    if kind == cells.EMPTY:
        return ". " if seen else "  "
    glyph = _GLYPHS.get(kind, "  ")
    return glyph if len(glyph) == 2 else glyph + _LETTERS[color]


def _ground(seen: bool) -> int:
    return _SEEN_GROUND if seen else _GROUND


def _paint(kind: int, color: int, seen: bool) -> tuple[int, int]:
    """Return the foreground and background colors."""
    if kind == cells.WALL:  # solid
        paint = _SEEN_WALL if seen else _WALL
        return paint, paint
    if kind in (cells.EMPTY, cells.UNSEEN):  # the dot is not shown
        return _ground(seen), _ground(seen)
    if kind == cells.LAVA:
        return _BLACK, _ORANGE
    if kind in (cells.GOAL, cells.CLOSED_DOOR, cells.LOCKED_DOOR):
        return _BLACK, _PAINTS[color]
    return _PAINTS[color], _ground(seen)
