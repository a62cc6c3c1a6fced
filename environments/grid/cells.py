"""Cells as single bytes, and what each kind of cell does.

A cell is `kind + 16 * colour`. Kinds and colours are numbered as in MiniGrid, except that a door's
state is part of its kind, so that one byte tells all that MiniGrid's (type, colour, state) tells.
Bit 7 marks a box that holds something; agents cannot see it.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, UInt8

from didact.environments.language import vocabulary
from didact.environments.spaces import ArraySpace

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
CLOSED_DOOR, LOCKED_DOOR = 11, 12  # DOOR itself is an open door

COLORS, TYPES = vocabulary.COLORS, vocabulary.TYPES  # with MiniGrid's numbers
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)

KIND_BITS, COLOR_SHIFT, HOLDS = 15, 4, 128
SEEN_BITS = 127
GREY_WALL = WALL + 16 * GREY


def view_space(shape: tuple[int, int], packed: bool = True) -> ArraySpace:
    """The space of views: packed cells `[w, h]`, or MiniGrid's triples `[w, h, 3]`."""
    if packed:
        return ArraySpace(shape, np.uint8, 0, SEEN_BITS, kind="cells", codes=(SEEN_BITS + 1,))
    codes = (AGENT + 1, len(COLORS), 3)
    return ArraySpace((*shape, 3), np.uint8, 0, AGENT, kind="cells", codes=codes)


def code(kind: Any, color: Any) -> Any:
    """The cell of a kind and a colour; works on numbers and arrays of any integer type."""
    return kind + 16 * color


def kind_of(cells: UInt8[Array, "*s"]) -> UInt8[Array, "*s"]:
    """The kind of each cell; doors are DOOR (open), CLOSED_DOOR or LOCKED_DOOR."""
    return cells & KIND_BITS


def color_of(cells: UInt8[Array, "*s"]) -> UInt8[Array, "*s"]:
    """The colour of each cell, 0..5."""
    return (cells & SEEN_BITS) >> COLOR_SHIFT


def is_door(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Doors of any state."""
    return (kind == DOOR) | (kind > 10)


def is_portable(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Keys, balls and boxes."""
    return (kind >= KEY) & (kind <= BOX)


def is_walkable(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Cells that an agent can step on."""
    return (kind == EMPTY) | (kind == DOOR) | (kind == FLOOR) | (kind == GOAL) | (kind == LAVA)


def is_opaque(kind: UInt8[Array, "*s"]) -> Bool[Array, "*s"]:
    """Cells that hide what is behind them: walls and doors that are not open."""
    return (kind == WALL) | (kind > 10)


def triple(cells: Any) -> tuple[Any, Any, Any]:
    """MiniGrid's type, colour and state of packed cells uint8[...], in three arrays like them.

    NumPy arrays give NumPy arrays, JAX arrays give JAX arrays.
    """
    xp = _module_of(cells)
    kind = cells & KIND_BITS
    state = xp.maximum(kind, 10) - 10
    return xp.where(kind > 10, DOOR, kind).astype(xp.uint8), color_of(cells), state


def unpack(cells: Any) -> Any:
    """MiniGrid's triples (type, colour, state), uint8[..., 3], of packed cells uint8[...].

    NumPy arrays give NumPy arrays, JAX arrays give JAX arrays.
    """
    xp = _module_of(cells)
    return xp.stack(triple(cells), -1).astype(xp.uint8)


def pack(triples: Any) -> Any:
    """Packed cells uint8[...] of MiniGrid's triples uint8[..., 3]; the inverse of `unpack`.

    Takes arrays of the official package as well (which has agents, kind 10, in full grids).
    """
    xp = _module_of(triples)
    kind, color, state = (triples[..., i].astype(xp.uint8) for i in range(3))
    kind = xp.where((kind == DOOR) & (state > 0), 10 + state, kind)
    return (kind + 16 * color).astype(xp.uint8)


def _module_of(array: Any) -> Any:
    """The module whose functions give arrays of the same kind."""
    return np if isinstance(array, (np.ndarray, np.generic)) else jnp
