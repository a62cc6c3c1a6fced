"""Grid worlds as text for a terminal, in color or plain.

A cell is two characters, so that it is about as wide as high: what it is, then its color's
letter. `##` wall, `+` closed door, `X` locked door, `/` open door, `K` key, `O` ball, `B` box,
`:` floor, `**` goal, `~~` lava; colors `r g b p y`, and `e` for grey. The agent is an arrow. Of
empty cells, those that the agent sees have a dot. Colors are added to these same characters.
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

_LETTERS = "rgbpye"  # as `cells.COLORS`; grey is e, because green is g
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

# Numbers of the 256 colors of terminals.
_PAINTS = (196, 40, 33, 135, 226, 250)  # as `cells.COLORS`; blue is light enough for black
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
    """One grid world as lines of text, two characters a cell.

    Args:
        symbols: (type, color, state) of each cell [x, y] in MiniGrid's encoding; the agent is
            not among them.
        agent_position: (x, y); nothing is drawn for an agent outside the grid.
        agent_direction: 0 right, 1 down, 2 left, 3 up.
        visible: the cells to draw lighter, or with a dot.
        color: whether there are codes for colors (of terminals with 256) around the characters.
        crop: leave out rows and columns of nothing but walls, save the nearest.
        window: at most so many columns and rows of cells, those around the agent.

    Raises:
        SettingError: symbols, direction or window that nothing can be drawn for.
    """
    symbols = checked(symbols, agent_direction)
    codes = cells.pack(symbols)
    kinds, colors = cells.kind_of(codes), cells.color_of(codes)
    if window is not None and min(window) < 1:
        raise SettingError("window", window, "at least one column and one row")

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
    """Texts and paints of cells side by side; there is one code for neighbours painted alike."""
    groups = [
        (paint, "".join(text for text, _ in group))
        for paint, group in itertools.groupby(row, key=lambda cell: cell[1])
    ]
    return "".join(
        f"\x1b[1;38;5;{front};48;5;{back}m{text}{_RESET}" if color else text
        for (front, back), text in groups
    )


def _around(at: int, whole: range, most: int) -> range:
    """At most so many of a range, with `at` as near to the middle as can be."""
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
    """Colors of characters and of what is behind them."""
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
