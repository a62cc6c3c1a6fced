"""Maps as bits: all cells of a row in one word, so that a search moves a whole row at once.

A board is uint32[h, n]: bit x of row y of world i is cell (x, y). Boards of states are
uint32[4, h, n]: an agent that stands on the cell and looks in one of the four directions. Worlds
are the last axis, and maps have a wall all around, so that it does no harm that rows are joined
at the ends.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, UInt8, UInt32

MAX_WIDTH = 32


def of_cells(mask: Bool[Array, "n c"], width: int) -> UInt32[Array, "h n"]:
    """The board of a mask over cells."""
    bits = jnp.left_shift(jnp.uint32(1), jnp.arange(width, dtype=jnp.uint32))
    rows = jnp.where(mask.reshape(mask.shape[0], -1, width), bits, 0)
    return jnp.sum(rows, axis=2, dtype=jnp.uint32).T


def of_places(
    places: Int[Array, "n k"], wanted: Bool[Array, "n k"], width: int, height: int
) -> UInt32[Array, "h n"]:
    """The board of the cells on which wanted objects lie; places below 0 are no cells."""
    places = jnp.where(wanted, places, -1).T.astype(jnp.int32)
    word = jnp.where(places < 0, 0, jnp.left_shift(1, places % width)).astype(jnp.uint32)
    here = (places // width)[:, None] == np.arange(height)[:, None]
    return jax.lax.reduce(
        jnp.where(here, word[:, None], 0), jnp.uint32(0), jax.lax.bitwise_or, (0,)
    )


def at(board: UInt32[Array, "h n"], place: Int32[Array, " n"], width: int) -> Bool[Array, " n"]:
    """The bit of one cell of each world."""
    row = jnp.take_along_axis(board, (place // width)[None], 0, mode="promise_in_bounds")[0]
    return (row >> (place % width).astype(jnp.uint32)) & 1 == 1


def neighbours(board: UInt32[Array, "h n"]) -> list[UInt32[Array, "h n"]]:
    """What lies to the right of each cell, below, to the left, and above, in this order."""
    return [board >> 1, jnp.roll(board, -1, 0), board << 1, jnp.roll(board, 1, 0)]


def around(board: UInt32[Array, "h n"]) -> UInt32[Array, "h n"]:
    """The cells beside a board's cells."""
    right, below, left, above = neighbours(board)
    return right | below | left | above


def facing(board: UInt32[Array, "h n"]) -> UInt32[Array, "4 h n"]:
    """The states of agents that have one of a board's cells right before them."""
    return jnp.stack(neighbours(board))


def before_step(states: UInt32[Array, "4 h n"]) -> UInt32[Array, "4 h n"]:
    """The states from which one step forward leads to the given ones."""
    right, down, left, up = states
    return jnp.stack([right >> 1, jnp.roll(down, -1, 0), left << 1, jnp.roll(up, 1, 0)])


def before_turn(states: UInt32[Array, "4 h n"]) -> UInt32[Array, "4 h n"]:
    """The states from which one turn leads to the given ones."""
    return jnp.roll(states, 1, 0) | jnp.roll(states, -1, 0)


def divides(passable: UInt32[Array, "h n"]) -> UInt32[Array, "h n"]:
    """The cells which, once blocked, part the passable cells beside them from one another.

    Only the eight cells around count: ways around that are longer are not looked for.
    """
    sides = neighbours(passable)
    corners = []
    for side in (sides[1], sides[3]):
        corners += [side >> 1, side << 1]
    below_right, below_left, above_right, above_left = corners
    ring = [below_right, below_left, above_left, above_right]  # after right, below, left, above
    once = twice = jnp.zeros_like(passable)
    for i in range(4):
        # A group of sides that hang together ends where the next side is not linked to it.
        ends = sides[i] & ~(ring[i] & sides[(i + 1) % 4])
        twice |= once & ends
        once |= ends
    return twice


def cells_of(states: UInt32[Array, "4 h n"]) -> UInt32[Array, "h n"]:
    """The cells of states."""
    return states[0] | states[1] | states[2] | states[3]


def none(board: UInt8[Array, "*s"] | UInt32[Array, "*s"]) -> Bool[Array, " n"]:
    """In which worlds a board, or any array with worlds last, is empty."""
    return jnp.all(board == 0, axis=tuple(range(board.ndim - 1)))
