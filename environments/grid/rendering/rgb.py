"""Render grid worlds as images on the host, pixel for pixel as MiniGrid does.

A world is given in MiniGrid's encoding: a type, a color and a state for each cell. A tile is drawn
at three times its size from a few shapes, brightened if the agent sees it, and averaged down. Tiles
are cached, so that rendering an image is a single gather.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from didact.common.errors import SettingError
from didact.environments.grid.cells import BALL, BOX, DOOR, FLOOR, GOAL, KEY, LAVA, WALL

# MiniGrid's encoding: 11 object types, 6 colors, doors open (0), closed (1) or locked (2).
_TYPES = 11
_OPEN, _CLOSED, _LOCKED = range(3)
_COLORS = np.array(
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (112, 39, 195), (255, 255, 0), (100, 100, 100)], float
)
_LIMITS = (_TYPES, len(_COLORS), _LOCKED + 1)
_RED, _GREY = _COLORS[0], _COLORS[5]
_BLACK, _ORANGE = np.array((0.0, 0, 0)), np.array((255.0, 128, 0))

_SAMPLES = 3  # along each side of a pixel
_BRIGHTER = 0.3  # the proportion of white in highlighted cells

# A shape maps points of the unit tile (x to the right, y down) to whether they are inside.
Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


def draw(
    symbols: UInt8[np.ndarray, "width height 3"],
    agent_position: Sequence[int] | np.ndarray,
    agent_direction: int,
    visible: Bool[np.ndarray, "width height"] | None = None,
    tile_size: int = 32,
    crop: bool = False,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Render one grid world with `tile_size` pixels per cell.

    Args:
        symbols: (type, color, state) of each cell [x, y] in MiniGrid's encoding, without the
            agent.
        agent_position: (x, y); an agent outside the grid is not drawn.
        agent_direction: 0 right, 1 down, 2 left, 3 up.
        visible: the cells to highlight, as MiniGrid does for the agent's view.
        tile_size: pixels along each side of a cell.
        crop: whether to crop outer rows and columns of solid wall, except the innermost, for
            worlds that are smaller than the arrays.

    Raises:
        SettingError: the symbols, the direction or the tile size are invalid.
    """
    symbols = checked(symbols, agent_direction)
    if tile_size < 1:
        raise SettingError("tile_size", tile_size, "at least 1 pixel")

    # Each distinct tile has one code; its last digit (base 5) is the agent's direction plus 1.
    width, height = int(symbols.shape[0]), int(symbols.shape[1])
    codes = np.zeros((width, height), np.int64)
    for i, limit in enumerate(_LIMITS):
        codes = codes * limit + symbols[..., i]
    codes = 2 * codes if visible is None else 2 * codes + np.asarray(visible, bool)
    codes = 5 * codes
    x, y = (int(v) for v in agent_position)
    if 0 <= x < width and 0 <= y < height:
        codes[x, y] += int(agent_direction) + 1

    if crop:
        codes = codes[inner(symbols)]
    width, height = codes.shape[0], codes.shape[1]

    kinds, index = np.unique(codes, return_inverse=True)
    tiles = np.stack([_tile(int(code), int(tile_size)) for code in kinds])
    picture = np.empty((height, tile_size, width, tile_size, 3), np.uint8)
    picture.transpose(2, 0, 1, 3, 4)[:] = tiles[index.reshape(width, height)]
    return picture.reshape(height * tile_size, width * tile_size, 3)


def checked(symbols: np.ndarray, agent_direction: int) -> UInt8[np.ndarray, "width height 3"]:
    """Return the symbols as an array, after checking that they and the direction are valid.

    Raises:
        SettingError: the symbols or the direction are not MiniGrid's.
    """
    symbols = np.asarray(symbols)
    if symbols.ndim != 3 or symbols.shape[2] != 3:
        raise SettingError("symbols", symbols.shape, "an array [width, height, 3]")
    if (symbols < 0).any() or (symbols >= _LIMITS).any():
        raise SettingError("symbols", symbols.max(axis=(0, 1)).tolist(), f"each below {_LIMITS}")
    if agent_direction not in range(4):
        raise SettingError("agent_direction", agent_direction, "0, 1, 2 or 3")
    return symbols


def inner(symbols: UInt8[np.ndarray, "width height 3"]) -> tuple[slice, slice]:
    """Return the columns and rows without outer solid wall, except the innermost."""
    inside = symbols[..., 0] != WALL
    return _extent(inside.any(axis=1)), _extent(inside.any(axis=0))


def _extent(occupied: np.ndarray) -> slice:
    """Return the range of occupied places plus one on each side; everything if none is."""
    places = np.flatnonzero(occupied)
    return slice(max(places[0] - 1, 0), places[-1] + 2) if places.size else slice(None)


@functools.lru_cache(maxsize=4096)
def _tile(code: int, tile_size: int) -> np.ndarray:
    code, agent = divmod(code, 5)
    code, bright = divmod(code, 2)
    code, state = divmod(code, _LOCKED + 1)
    kind, color = divmod(code, len(_COLORS))

    side = tile_size * _SAMPLES
    points = (np.arange(side) + 0.5) / side
    x, y = points[None, :], points[:, None]
    fine = np.zeros((side, side, 3), np.uint8)
    layers = [(_rectangle(0, 0.031, 0, 1), _GREY), (_rectangle(0, 1, 0, 0.031), _GREY)]
    layers += _layers(kind, _COLORS[color], state)
    if agent:
        layers.append((_agent(agent - 1), _RED))
    for shape, paint in layers:
        fine[np.broadcast_to(shape(x, y), (side, side))] = paint.astype(np.uint8)
    if bright:
        fine = (fine + _BRIGHTER * (255 - fine)).astype(np.uint8)
    parts = fine.reshape(tile_size, _SAMPLES, tile_size, _SAMPLES, 3)
    tile = parts.mean(axis=(1, 3)).astype(np.uint8)
    tile.setflags(write=False)
    return tile


def _layers(kind: int, color: np.ndarray, state: int) -> list[tuple[Shape, np.ndarray]]:
    """Return the shapes and paints of an object, from bottom to top."""
    everywhere = _rectangle(0, 1, 0, 1)

    def inset(margin):
        return _rectangle(margin, 1 - margin, margin, 1 - margin)

    if kind in (WALL, GOAL):
        return [(everywhere, color)]
    if kind == FLOOR:
        return [(_rectangle(0.031, 1, 0.031, 1), color / 2)]
    if kind == DOOR and state == _OPEN:
        return [
            (_rectangle(0.88, 1, 0, 1), color),
            (_rectangle(0.92, 0.96, 0.04, 0.96), _BLACK),
        ]
    if kind == DOOR and state == _CLOSED:
        frame = [everywhere, inset(0.04), inset(0.08), inset(0.12)]
        paints = [color, _BLACK, color, _BLACK]
        return [*zip(frame, paints, strict=True), (_disc(0.75, 0.5, 0.08), color)]
    if kind == DOOR:
        keyhole = _rectangle(0.52, 0.75, 0.5, 0.56)
        return [(everywhere, color), (inset(0.06), 0.45 * color), (keyhole, color)]
    if kind == KEY:
        return [
            (_rectangle(0.5, 0.63, 0.31, 0.88), color),  # the shaft
            (_rectangle(0.38, 0.5, 0.59, 0.66), color),  # its two teeth
            (_rectangle(0.38, 0.5, 0.81, 0.88), color),
            (_disc(0.56, 0.28, 0.19), color),
            (_disc(0.56, 0.28, 0.064), _BLACK),
        ]
    if kind == BALL:
        return [(_disc(0.5, 0.5, 0.31), color)]
    if kind == BOX:
        slit = _rectangle(0.16, 0.84, 0.47, 0.53)
        return [(inset(0.12), color), (inset(0.18), _BLACK), (slit, color)]
    if kind == LAVA:
        waves = []
        for top in (0.3, 0.5, 0.7):
            zigzag = [(0.1, top), (0.3, top + 0.1), (0.5, top), (0.7, top + 0.1), (0.9, top)]
            for start, end in itertools.pairwise(zigzag):
                waves.append((_stroke(start, end, 0.03), _BLACK))
        return [(everywhere, _ORANGE), *waves]
    return []


def _agent(direction: int) -> Shape:
    """Return a triangle that points in the agent's direction."""
    triangle = _triangle((0.12, 0.19), (0.87, 0.5), (0.12, 0.81))
    cosine, sine = math.cos(direction * math.pi / 2), math.sin(direction * math.pi / 2)

    def turned(x, y):
        x, y = x - 0.5, y - 0.5
        return triangle(0.5 + cosine * x + sine * y, 0.5 - sine * x + cosine * y)

    return turned


def _rectangle(left: float, right: float, top: float, bottom: float) -> Shape:
    return lambda x, y: (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _disc(cx: float, cy: float, radius: float) -> Shape:
    return lambda x, y: (x - cx) * (x - cx) + (y - cy) * (y - cy) <= radius * radius


def _stroke(start: tuple[float, float], end: tuple[float, float], radius: float) -> Shape:
    """Return the points within `radius` of a segment."""

    def inside(x, y):
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
        along = np.clip(along, 0, 1)
        return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) <= radius

    return inside


def _triangle(*corners: tuple[float, float]) -> Shape:
    """Return the points on the same side of all three edges."""

    def inside(x, y):
        sides = []
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
        a, b, c = sides
        return ((a >= 0) & (b >= 0) & (c >= 0)) | ((a <= 0) & (b <= 0) & (c <= 0))

    return inside
