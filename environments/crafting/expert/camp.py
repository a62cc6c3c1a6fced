"""Building a camp in the open: four cells in a square, with stones on the open cells around them.

A player can face an open cell only by having moved in that direction. In a square of 2x2 cells,
each of the eight cells around it can be faced after at most three steps inside the square.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from didact.environments.crafting.layout import ACTION
from didact.environments.crafting.rules.nearby import neighbor

REACH = 2  # steps along each axis to the cells that matter
_WIDTH = 2 * REACH + 1


class Camp(NamedTuple):
    """How n players can make a camp where they are."""

    sealed: Bool[Array, " n"]  # nothing can reach the player
    possible: Bool[Array, " n"]  # there is a square, and there are enough stones
    open: Int32[Array, " n"]  # cells that are still to be closed
    action: Int32[Array, " n"]  # the next action


def cells(position: Int32[Array, " n"]) -> Int32[Array, "25 n"]:
    """Return the 5x5 cells around players, in reading order."""
    offset = np.arange(-REACH, REACH + 1, dtype=np.int32)
    dx, dy = jnp.asarray(np.tile(offset, _WIDTH)), jnp.asarray(np.repeat(offset, _WIDTH))
    return neighbor(position, dx[:, None], dy[:, None])


def camp(
    open_cell: Bool[Array, "25 n"],
    free: Bool[Array, "25 n"],
    fillable: Bool[Array, "25 n"],
    facing: Int32[Array, " n"],
    stones: Int32[Array, " n"],
) -> Camp:
    """Return how players can make a camp.

    Args:
        open_cell: the cells (see `cells`) through which creatures can come.
        free: those that the player can enter.
        fillable: those on which the player can place a stone.
        facing: the players' directions.
        stones: the stones they have.
    """

    def at(values: Array, x: int, y: int) -> Array:
        return values[(y + REACH) * _WIDTH + x + REACH]

    best = Camp(
        sealed=jnp.zeros_like(stones, bool),
        possible=jnp.zeros_like(stones, bool),
        open=jnp.full_like(stones, 99),
        action=jnp.zeros_like(stones),
    )
    for h in (-1, 1):
        for v in (-1, 1):
            # The other three cells, then the cells around by the step that leads to facing them,
            # and by the number of steps.
            inside = (h, 0), (0, v), (h, v)
            sideways = (2 * h, 0), (h, 2 * v), (-h, 0), (-h, v)
            upright = (0, 2 * v), (2 * h, v), (0, -v), (h, -v)
            valid = jnp.all(jnp.stack([at(free, x, y) for x, y in inside]), 0)
            gaps = [
                jnp.stack([at(open_cell, *cell) for cell in way]) for way in (sideways, upright)
            ]
            count = sum(jnp.sum(gap, 0) for gap in gaps)
            can_fill = [at(fillable, x, y) | ~at(open_cell, x, y) for x, y in (*sideways, *upright)]
            valid &= jnp.all(jnp.stack(can_fill), 0) & (count <= stones)
            steps = np.array([1, 2, 2, 3])[:, None]
            first, second = (jnp.min(jnp.where(gap, steps, 9), 0) for gap in gaps)
            moves = [ACTION["move_left"] + (h > 0), ACTION["move_up"] + (v > 0)]
            move = jnp.where(first <= second, *moves)
            # Of the cells around, the player's own cell borders on two.
            out_h, out_v = (h < 0) * 1, 2 + (v < 0)
            faces = ((facing == out_h) & at(open_cell, -h, 0)) | (
                (facing == out_v) & at(open_cell, 0, -v)
            )
            action = jnp.where(faces, ACTION["place_stone"], move)
            better = valid & (count < best.open)
            best = Camp(
                best.sealed | (valid & (count == 0)),
                best.possible | valid,
                jnp.where(better, count, best.open),
                jnp.where(better, action, best.action),
            )
    return best
