"""The agent's view: the 7x7 cells ahead, with cells behind walls and closed doors hidden.

The field of view is MiniGrid's: column i runs from the agent's left to its right, and row j from
the far end to the agent, which is at (3, 6). In this file the axis of worlds is last rather than
first, so that all arithmetic is on contiguous rows of bytes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt8

from didact.environments.backends import on_accelerator
from didact.environments.compiler_hints import compile_separately, varying_as
from didact.environments.grid import cells
from didact.environments.grid.rules import World

SIZE = 7
MIDDLE = SIZE // 2
AGENT_CELL = (SIZE - 1, MIDDLE)  # the agent's own cell (j, i)

_J, _I = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
_AHEAD = (SIZE - 1 - _J).astype(np.int32)[..., None]  # steps ahead of the agent
_ASIDE = (_I - MIDDLE).astype(np.int32)[..., None]  # steps to its right
_COLUMNS = np.arange(SIZE, dtype=np.uint8)[:, None]
_TRIPLES = cells.unpack(np.arange(cells.SEEN_BITS + 1, dtype=np.uint8))


def observe(
    world: World, width: int, packed: bool = False, see_through_walls: bool = False
) -> UInt8[Array, "n 7 7 ..."]:
    """Return the view of every agent, [n, i, j]: MiniGrid's triples or packed cells.

    Hidden cells are 0 (UNSEEN). The agent's own cell shows the carried object.

    Args:
        world: n worlds.
        width: the width of the map, in cells. Maps must have a closed outer wall unless agents
            see through walls.
        packed: whether to return packed cells instead of triples.
        see_through_walls: whether all cells are visible.
    """

    def image(world):
        if see_through_walls:
            return jnp.transpose(_beyond_too(world, width), (2, 1, 0))
        # Compiled separately; XLA would otherwise repeat the gather for each of its 49 uses.
        seen = compile_separately(somewhere, lambda w: field_of_view(w, width), world)
        shown = (visible(seen)[:, None] >> _COLUMNS) & 1
        return jnp.transpose(seen * shown, (2, 1, 0))

    somewhere = world.position[0] >= 0
    if packed:
        return image(world)
    # Looking up triples after the transposition is twice as fast as before it.
    image = compile_separately(somewhere, image, world)
    return compile_separately(
        somewhere, lambda i: jnp.asarray(_TRIPLES).at[i].get(mode="promise_in_bounds"), image
    )


def coordinates(world: World, width: int) -> tuple[Int32[Array, "7 7 n"], Int32[Array, "7 7 n"]]:
    """Return the map coordinates (x, y) of the field of view, [j, i, n]; some are off the map."""
    sign = jnp.where(world.direction & 2, -1, 1)
    vertical = (world.direction & 1) == 1
    x = world.position % width + jnp.where(vertical, -_ASIDE, _AHEAD) * sign
    y = world.position // width + jnp.where(vertical, _AHEAD, _ASIDE) * sign
    return x, y


def field_of_view(world: World, width: int) -> UInt8[Array, "7 7 n"]:
    """Return the cells in the field of view [j, i, n], hidden or not; off the map is wall.

    The agent's own cell holds the carried object. Like the cell it stands on, it hides nothing.
    """
    n, size = world.cells.shape
    x, y = coordinates(world, width)
    # Clipping maps cells off the map to its border, which is wall.
    index = jnp.clip(y, 0, size // width - 1) * width + jnp.clip(x, 0, width - 1)
    index += size * jnp.arange(n)
    seen = world.cells.reshape(-1).at[index].get(mode="promise_in_bounds")
    own = np.zeros((SIZE, SIZE, 1), bool)
    own[AGENT_CELL] = True
    return jnp.where(own, world.carried, seen) & cells.SEEN_BITS


def _beyond_too(world: World, width: int) -> UInt8[Array, "7 7 n"]:
    """Return the field of view on maps whose border may not be wall; off the map is wall."""
    x, y = coordinates(world, width)
    height = world.cells.shape[1] // width
    off = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    return jnp.where(off, jnp.uint8(cells.GREY_WALL), field_of_view(world, width))


def visible(seen: UInt8[Array, "7 7 n"]) -> UInt8[Array, "7 n"]:
    """Return the visible cells of a field of view [j, i, n]: bit i of row j for cell (i, j).

    Visibility starts at the agent and spreads row by row away from it. Within a row it runs to the
    right through transparent cells up to and including the first opaque one, then likewise to the
    left; every transparent cell on the way reveals its neighbors in the next row. The run to the
    right is the carry of an addition: adding the visible transparent cells to all transparent cells
    flips the runs from there up to the first opaque cell. The run to the left uses doubling.
    """
    transparent = ~cells.is_opaque(cells.kind_of(seen))
    clear = jnp.zeros((SIZE, seen.shape[2]), jnp.uint8)
    for i in range(SIZE):
        clear |= transparent[:, i].astype(jnp.uint8) << i

    def spread(row, t):
        row = (row | (((row & t) + t) ^ t)) & 127
        rightward = row & t & 63
        t2 = t & (t << 1)
        t4 = t2 & (t2 << 2)
        row |= (row & t) >> 1
        row |= (row & t2) >> 2
        row |= (row & t4) >> 4
        leftward = row & t & 126
        beyond = rightward | (rightward << 1) | leftward | (leftward >> 1)
        return beyond & 127, row

    start = varying_as(clear, jnp.full(seen.shape[2], 1 << MIDDLE, jnp.uint8))
    unroll = SIZE if on_accelerator() else 1
    return jax.lax.scan(spread, start, clear, reverse=True, unroll=unroll)[1]
