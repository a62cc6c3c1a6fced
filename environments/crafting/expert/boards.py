"""Maps as bit masks, so that a search moves whole rows of cells at once.

A board is uint32[64, 2, n]: bit x % 32 of word x // 32 of row y of world i is cell (x, y).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt8, UInt32

from didact.environments.crafting.layout import CELLS, SIDE

WORD = 32
SHAPE = (SIDE, SIDE // WORD)
_PLANES = 4  # bits of the number of a material


class Materials:
    """The cells of each material in n worlds."""

    def __init__(self, material: UInt8[Array, "n cells"]):
        n = material.shape[0]
        cells = material.T.reshape(*SHAPE, WORD, n).astype(jnp.uint32)
        place = np.arange(WORD, dtype=np.uint32)[:, None]
        self._planes = [
            jnp.sum(((cells >> np.uint32(bit)) & 1) << place, 2, dtype=jnp.uint32)
            for bit in range(_PLANES)
        ]

    def __call__(self, *numbers: int) -> UInt32[Array, "64 2 n"]:
        """Return the board of the cells of these materials."""
        return union([self._one(number) for number in numbers])

    def _one(self, number: int) -> UInt32[Array, "64 2 n"]:
        board = self._planes[0] if number & 1 else ~self._planes[0]
        for bit in range(1, _PLANES):
            board &= self._planes[bit] if number >> bit & 1 else ~self._planes[bit]
        return board


def union(boards: Sequence[Array]) -> UInt32[Array, "64 2 n"]:
    """Return the cells of any of the boards."""
    found = boards[0]
    for board in boards[1:]:
        found = found | board
    return found


def of_cells(
    cell: Int32[Array, "n k"], group: Int32[Array, "n k"], groups: int
) -> UInt32[Array, "g 64 2 n"]:
    """Return the boards of g groups of cells, each with its own cells.

    Args:
        cell: distinct cells within each group.
        group: the group of each cell; cells of groups from g on are dropped.
        groups: g.
    """
    n = cell.shape[0]
    bit = jnp.uint32(1) << (cell % WORD).astype(jnp.uint32)
    at = group * (CELLS // WORD) + cell // WORD
    at = jnp.where(group < groups, at, groups * CELLS // WORD)
    words = jnp.zeros((n, groups * CELLS // WORD), jnp.uint32)
    words = words.at[jnp.arange(n)[:, None], at].add(bit, mode="drop")
    return words.T.reshape(groups, *SHAPE, n)


def on(condition: Bool[Array, " n"], board: UInt32[Array, "64 2 n"]) -> UInt32[Array, "64 2 n"]:
    """Return the board where a condition holds, else an empty one."""
    return jnp.where(condition, board, jnp.uint32(0))


def sideways(board: UInt32[Array, "64 2 n"]) -> UInt32[Array, "64 2 n"]:
    """Return the cells to the left and right of the cells of a board."""
    low, high = board[:, 0], board[:, 1]
    last = WORD - 1
    left = [(low >> 1) | (high << last), high >> 1]
    right = [low << 1, (high << 1) | (low >> last)]
    return jnp.stack([left[0] | right[0], left[1] | right[1]], 1)


def upright(board: UInt32[Array, "64 2 n"]) -> UInt32[Array, "64 2 n"]:
    """Return the cells above and below the cells of a board."""
    empty = jnp.zeros_like(board[:1])
    return jnp.concatenate([board[1:], empty]) | jnp.concatenate([empty, board[:-1]])


def around(board: UInt32[Array, "64 2 n"]) -> UInt32[Array, "64 2 n"]:
    """Return the cells next to the cells of a board."""
    return sideways(board) | upright(board)


def blocks(board: UInt32[Array, "64 2 n"], radius: int) -> UInt32[Array, "64 2 n"]:
    """Return the cells at most `radius` away from the cells of a board along both axes."""
    for _ in range(radius):
        board = board | sideways(board)
    for _ in range(radius):
        board = board | upright(board)
    return board


def window(cell: Int32[Array, " n"], radius: int) -> UInt32[Array, "64 2 n"]:
    """Return the cells at most `radius` away from a cell along both axes."""
    x, y = cell % SIDE, cell // SIDE
    rows = jnp.abs(np.arange(SIDE, dtype=np.int32)[:, None] - y) <= radius
    first = np.arange(SHAPE[1], dtype=np.int32)[:, None] * WORD

    def below(end):
        """Return the bits of the columns before `end`."""
        count = jnp.clip(end - first, 0, WORD)
        bits = (jnp.uint32(1) << jnp.minimum(count, WORD - 1).astype(jnp.uint32)) - 1
        return jnp.where(count == WORD, np.uint32(2**WORD - 1), bits)

    columns = below(x + radius + 1) & ~below(x - radius)
    return jnp.where(rows[:, None], columns, jnp.uint32(0))


def surrounded(board: UInt32[Array, "64 2 n"]) -> UInt32[Array, "64 2 n"]:
    """Return the cells all of whose four neighbors are on the board, or off the map."""
    return ~around(~board)


def at(boards: Sequence[Array], cell: Int32[Array, "k n"]) -> Bool[Array, "b k n"]:
    """Return the bits of cells on several boards; False for negative numbers of cells."""
    n = cell.shape[-1]
    inside = jnp.maximum(cell, 0)
    index = inside // WORD * n + jnp.arange(n)
    bit = (inside % WORD).astype(jnp.uint32)
    words = jnp.stack([b.reshape(-1).at[index].get(mode="promise_in_bounds") for b in boards])
    return ((words >> bit) & 1 == 1) & (cell >= 0)


def empty(board: UInt32[Array, "64 2 n"]) -> Bool[Array, " n"]:
    """Return in which worlds a board has no cells."""
    return jax.lax.reduce(board, jnp.uint32(0), jax.lax.bitwise_or, (0, 1)) == 0
