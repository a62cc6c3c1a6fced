"""The encoding of cells as single bytes, and the properties of each kind of cell.

A cell is `kind + 16 * color`. Kinds and colors are numbered as in MiniGrid, except that the state
of a door is part of its kind, so one byte holds all of MiniGrid's (type, color, state). Bit 7 marks
a box that contains an object; it is hidden from agents.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, UInt8

from didact.environments.language import vocabulary
from didact.environments.spaces import ArraySpace

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
CLOSED_DOOR, LOCKED_DOOR = 11, 12  # DOOR is an open door

COLORS, TYPES = vocabulary.COLORS, vocabulary.TYPES  # with MiniGrid's numbers
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)

KIND_BITS, COLOR_SHIFT, HOLDS = 15, 4, 128
SEEN_BITS = 127
GREY_WALL = WALL + 16 * GREY


def view_space(shape: tuple[int, int], packed: bool = True) -> ArraySpace:
    """Return the space of views: packed cells [w, h] or MiniGrid's triples [w, h, 3]."""
    if packed:
        return ArraySpace(shape, np.uint8, 0, SEEN_BITS, kind="cells", codes=(SEEN_BITS + 1,))
    codes = (AGENT + 1, len(COLORS), 3)
    return ArraySpace((*shape, 3), np.uint8, 0, AGENT, kind="cells", codes=codes)


def code(kind: Any, color: Any) -> Any:
    """Return the cell of a kind and a color; accepts numbers and integer arrays."""
    return kind + 16 * color


def kind_of(cells: UInt8[Array, "*s"]) -> UInt8[Array, "*s"]:
    """Return the kind of each cell; doors are DOOR (open), CLOSED_DOOR or LOCKED_DOOR."""
    return cells & KIND_BITS


def color_of(cells: UInt8[Array, "*s"]) -> UInt8[Array, "*s"]:
    """Return the color of each cell, 0..5."""
    return (cells & SEEN_BITS) >> COLOR_SHIFT


def is_door(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Return whether each kind is a door in any state."""
    return (kind == DOOR) | (kind > 10)


def is_portable(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Return whether each kind can be picked up: keys, balls and boxes."""
    return (kind >= KEY) & (kind <= BOX)


def is_walkable(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Return whether an agent can step on each kind of cell."""
    return (kind == EMPTY) | (kind == DOOR) | (kind == FLOOR) | (kind == GOAL) | (kind == LAVA)


def is_opaque(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Return whether each kind blocks the view: walls, and doors that are not open."""
    return (kind == WALL) | (kind > 10)


def triple(cells: Any) -> tuple[Any, Any, Any]:
    """Return MiniGrid's type, color and state of packed cells, three arrays of the same shape.

    NumPy input gives NumPy output, JAX input gives JAX output.
    """
    xp = _module_of(cells)
    kind = cells & KIND_BITS
    state = xp.maximum(kind, 10) - 10
    return xp.where(kind > 10, DOOR, kind).astype(xp.uint8), color_of(cells), state


def unpack(cells: Any) -> Any:
    """Convert packed cells uint8[...] to MiniGrid's (type, color, state), uint8[..., 3].

    NumPy input gives NumPy output, JAX input gives JAX output.
    """
    xp = _module_of(cells)
    return xp.stack(triple(cells), -1).astype(xp.uint8)


def pack(triples: Any) -> Any:
    """Convert MiniGrid's triples uint8[..., 3] to packed cells uint8[...]; inverts `unpack`.

    Also accepts full grids of the `minigrid` package, which contain the agent (kind 10).
    """
    xp = _module_of(triples)
    kind, color, state = (triples[..., i].astype(xp.uint8) for i in range(3))
    kind = xp.where((kind == DOOR) & (state > 0), 10 + state, kind)
    return (kind + 16 * color).astype(xp.uint8)


def _module_of(array: Any) -> Any:
    """Return `numpy` or `jax.numpy`, whichever matches the array."""
    return np if isinstance(array, (np.ndarray, np.generic)) else jnp
