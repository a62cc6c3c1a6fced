"""Maps as bit masks: one word holds a row of cells, so that a search moves whole rows at once.

A board is uint32[h, n]: bit x of row y of world i is cell (x, y). Boards of states are
uint32[4, h, n]: the agent is on the cell and faces one of the four directions. The axis of worlds
is last. Maps must have a closed outer wall, so that shifts and rolls never wrap around.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, UInt8, UInt32

MAX_WIDTH = 32


def of_cells(mask: Bool[Array, "n c"], width: int) -> UInt32[Array, "h n"]:
    """Return the board of a mask over cells."""
    bits = jnp.left_shift(jnp.uint32(1), jnp.arange(width, dtype=jnp.uint32))
    rows = jnp.where(mask.reshape(mask.shape[0], -1, width), bits, 0)
    return jnp.sum(rows, axis=2, dtype=jnp.uint32).T


def of_places(
    places: Int[Array, "n k"], wanted: Bool[Array, "n k"], width: int, height: int
) -> UInt32[Array, "h n"]:
    """Return the board of the cells with wanted objects; places below 0 are not on the map."""
    places = jnp.where(wanted, places, -1).T.astype(jnp.int32)
    word = jnp.where(places < 0, 0, jnp.left_shift(1, places % width)).astype(jnp.uint32)
    here = (places // width)[:, None] == np.arange(height)[:, None]
    return jax.lax.reduce(
        jnp.where(here, word[:, None], 0), jnp.uint32(0), jax.lax.bitwise_or, (0,)
    )


def at(board: UInt32[Array, "h n"], place: Int32[Array, " n"], width: int) -> Bool[Array, " n"]:
    """Return the bit of one cell per world."""
    row = jnp.take_along_axis(board, (place // width)[None], 0, mode="promise_in_bounds")[0]
    return (row >> (place % width).astype(jnp.uint32)) & 1 == 1


def neighbours(board: UInt32[Array, "h n"]) -> list[UInt32[Array, "h n"]]:
    """Return for each cell its right, lower, left and upper neighbors, in this order."""
    return [board >> 1, jnp.roll(board, -1, 0), board << 1, jnp.roll(board, 1, 0)]


def around(board: UInt32[Array, "h n"]) -> UInt32[Array, "h n"]:
    """Return the cells next to the cells of a board."""
    right, below, left, above = neighbours(board)
    return right | below | left | above


def facing(board: UInt32[Array, "h n"]) -> UInt32[Array, "4 h n"]:
    """Return the states of agents that face a cell of the board."""
    return jnp.stack(neighbours(board))


def before_step(states: UInt32[Array, "4 h n"]) -> UInt32[Array, "4 h n"]:
    """Return the states from which one step forward leads to the given states."""
    right, down, left, up = states
    return jnp.stack([right >> 1, jnp.roll(down, -1, 0), left << 1, jnp.roll(up, 1, 0)])


def before_turn(states: UInt32[Array, "4 h n"]) -> UInt32[Array, "4 h n"]:
    """Return the states from which one turn leads to the given states."""
    return jnp.roll(states, 1, 0) | jnp.roll(states, -1, 0)


def divides(passable: UInt32[Array, "h n"]) -> UInt32[Array, "h n"]:
    """Return the cells which, once blocked, would disconnect the passable cells next to them.

    Only the eight surrounding cells are considered; longer detours are ignored.
    """
    sides = neighbours(passable)
    corners = []
    for side in (sides[1], sides[3]):
        corners += [side >> 1, side << 1]
    below_right, below_left, above_right, above_left = corners
    ring = [below_right, below_left, above_left, above_right]  # after right, below, left, above
    once = twice = jnp.zeros_like(passable)
    for i in range(4):
        # A connected group of sides ends where the next side is not connected to it.
        ends = sides[i] & ~(ring[i] & sides[(i + 1) % 4])
        twice |= once & ends
        once |= ends
    return twice


def cells_of(states: UInt32[Array, "4 h n"]) -> UInt32[Array, "h n"]:
    """Return the cells of states, in any direction."""
    return states[0] | states[1] | states[2] | states[3]


def none(board: UInt8[Array, "*s"] | UInt32[Array, "*s"]) -> Bool[Array, " n"]:
    """Return in which worlds a board, or any array with worlds last, is empty."""
    return jnp.all(board == 0, axis=tuple(range(board.ndim - 1)))
