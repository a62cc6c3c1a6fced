"""Building a shelter: one or two cells that nothing can enter, closed by a stone.

A player can face an open cell only by having moved in that direction. So it leaves a dead end by
one step, facing outward, and closes the way with a stone: the shelter consists of the cell and of
the dead end behind it. Where there is no dead end, it digs one.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from didact.environments.crafting.layout import DX, DY

# The cells at most two steps away: the four neighbors, then for each neighbor its other three:
# beyond it, and to its two sides.
_SIDES = [(int(x), int(y)) for x, y in zip(DX, DY, strict=True)]
_OTHERS = [
    [(2 * x, 2 * y), (x + y, y + x), (x - y, y - x)] for x, y in _SIDES
]  # a step (x, y) turned by a right angle is (y, x) or (-y, -x)
OFFSETS = np.array([*_SIDES, *(cell for three in _OTHERS for cell in three)], np.int32)
OPPOSITE = np.array([1, 0, 3, 2])


class Shelter(NamedTuple):
    """How n players can shelter where they are."""

    sealed: Bool[Array, " n"]  # nothing can reach the player
    close: Bool[Array, " n"]  # a stone on the faced cell seals the shelter
    go: Bool[Array, "4 n"]  # a step in this direction is the next one towards a shelter
    dig: Bool[Array, "4 n"]  # a dead end should be dug in this direction


def shelter(
    open_cell: Bool[Array, "16 n"],
    free: Bool[Array, "16 n"],
    diggable: Bool[Array, "16 n"],
    fillable: Bool[Array, "16 n"],
    facing: Int32[Array, " n"],
) -> Shelter:
    """Return how players can shelter.

    Args:
        open_cell: the cells at `OFFSETS` through which creatures or arrows can come.
        free: those that the player can enter.
        diggable: those that the player can dig.
        fillable: those on which the player can place a stone.
        facing: the players' directions.
    """
    side, others = open_cell[:4], open_cell[4:].reshape(4, 3, -1)
    shut = ~jnp.any(others, 1)  # the other three neighbors of each neighbor are closed
    pocket = side & shut
    gap = side & ~pocket
    count = jnp.sum(gap, 0)
    faced = facing == np.arange(4)[:, None]
    sealed = count == 0
    close = (count == 1) & jnp.any(gap & faced & fillable[:4], 0)
    only = gap & (count == 1) & ~close
    # Out of a dead end, if the cell outside has closed sides: then the player faces outward.
    corridor = only & ~jnp.any(others[:, 1:], 1) & fillable[4:].reshape(4, 3, -1)[:, 0]
    corridor &= ~jnp.any(pocket, 0)  # which would remain open
    stuck = only & ~corridor
    back = stuck[OPPOSITE]
    go = (corridor | (back & pocket)) & free[:4]
    dig = back & diggable[:4] & shut
    return Shelter(sealed, close, go, dig)
