"""The view of a crafting world as text for a terminal."""

import numpy as np
from jaxtyping import Int, UInt8

from didact.environments.crafting.layout import DIRECTIONS, MATERIALS, SIGHTS, VIEW

LEGEND = (
    "T tree  ~ water  C cow  Z zombie",
    "c coal  i iron  d diamond  ! lava",
    "# table  % furnace  S skeleton",
    "p sapling  P ripe plant",
)

# Glyph, foreground and background, from the terminal palette of 256.
_MATERIALS = {
    "none": (" ", 16, 16),
    "water": ("~", 117, 26),
    "grass": (".", 107, 65),
    "stone": ("o", 247, 243),
    "path": (" ", 180, 180),
    "sand": (":", 180, 223),
    "tree": ("T", 22, 34),
    "lava": ("!", 226, 202),
    "coal": ("c", 16, 243),
    "iron": ("i", 215, 243),
    "diamond": ("d", 159, 243),
    "table": ("#", 223, 94),
    "furnace": ("%", 208, 236),
}
# Glyph and foreground; the background is that of the material.
_SIGHTS = {
    "none": ("", 16),
    "cow": ("C", 231),
    "zombie": ("Z", 22),
    "skeleton": ("S", 231),
    "arrow left": ("<-", 16),
    "arrow right": ("->", 16),
    "arrow up": ("^", 16),
    "arrow down": ("v", 16),
    "sapling": ("p", 22),
    "ripe plant": ("P", 196),
}
_PLAYER = ("<@", "@>", "^@", "v@", "@z")  # in the order of DIRECTIONS, then asleep
_RESET = "\x1b[0m"
_LARGE = (4, 2)  # columns and lines for each cell, if they fit


def draw(
    view: UInt8[np.ndarray, "7 9 2"],
    facing: int | Int[np.ndarray, ""],
    asleep: bool,
    *,
    color: bool = True,
    window: tuple[int, int] | None = None,
) -> str:
    """Draw what a player sees.

    Args:
        view: the materials and objects around the player, see `layout.OBSERVATION_SPACE`.
        facing: the player's direction.
        asleep: whether the player sleeps.
        color: whether to add color codes.
        window: the maximum number of characters per line and of lines. Cells are large if they fit
            in it, and small otherwise; what does not fit is left out at the edges.
    """
    rows, columns = VIEW
    most = window or (_LARGE[0] * columns, _LARGE[1] * rows)
    large = most[0] >= _LARGE[0] * columns and most[1] >= _LARGE[1] * rows
    wide, high = _LARGE if large else (2, 1)
    middle = rows // 2, columns // 2
    ys, xs = (
        range(max(at - size // 2, 0), min(at + (size + 1) // 2, whole))
        for at, size, whole in zip(
            middle, (max(most[1] // high, 1), max(most[0] // wide, 1)), VIEW, strict=True
        )
    )
    lines = []
    for y in ys:
        cells = []
        for x in xs:
            here = (y, x) == middle
            pose = _PLAYER[len(DIRECTIONS) if asleep else int(facing)] if here else ""
            cells.append(_cell(int(view[y, x, 0]), int(view[y, x, 1]), pose))
        for line in range(high):
            lines.append("".join(_text(cell, wide, line == 0, color) for cell in cells))
    return "\n".join(lines)


def _cell(material: int, sight: int, pose: str) -> tuple[str, int, int]:
    glyph, front, back = _MATERIALS[MATERIALS[material]]
    own, shade = _SIGHTS[SIGHTS[sight]]
    if pose:
        return pose, 231, 160
    return (own, shade, back) if own else (glyph, front, back)


def _text(cell: tuple[str, int, int], width: int, marked: bool, color: bool) -> str:
    glyph, front, back = cell
    text = (glyph if marked else "").center(width)
    return f"\x1b[1;38;5;{front};48;5;{back}m{text}{_RESET}" if color else text
