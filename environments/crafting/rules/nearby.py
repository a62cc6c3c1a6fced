"""The objects near the players, which are the only ones that act."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt8, UInt32

from didact.environments.compiler_hints import compile_separately, varying_as
from didact.environments.crafting import layout
from didact.environments.crafting.layout import CELLS, MAX_OBJECTS, SIDE
from didact.environments.crafting.rules.bits import nth_flag, packed

REACH = 18  # objects act within an L1 distance below this
ROWS = 40  # the most near objects of a world: as many as there are cells within a distance of 4

OFF_MAP, ABSENT = -2, -1  # instead of the numbers of cells


class Nearby(NamedTuple):
    """The near objects of n worlds in the order of their creation, with the worlds trailing."""

    slot: Int32[Array, "k n"]  # MAX_OBJECTS in unused rows
    present: Bool[Array, "k n"]
    kind: Int32[Array, "k n"]
    cell: Int32[Array, "k n"]  # ABSENT in unused rows
    health: Int32[Array, "k n"]
    extra: Int32[Array, "k n"]
    count: Int32[Array, " n"]
    reach: Int32[Array, " n"]  # objects act within a distance below this; REACH, or less in crowds


def gather(objects: Int32[Array, "n s"], position: Int32[Array, " n"]) -> Nearby:
    """Return the objects that can act or be in the way after the player has moved by a cell.

    Where more than ROWS objects are within REACH + 1, the reach of that world is the largest with
    which they fit.
    """
    n = objects.shape[0]
    fact = objects[0, 0] >= 0
    reach = varying_as(objects, jnp.full_like(position, REACH))
    words = compile_separately(fact, _close, objects, position, reach)
    most = jnp.max(jnp.sum(jax.lax.population_count(words), 0))
    reach, words = jax.lax.cond(
        most > ROWS, _close_in_crowds, lambda *_: (reach, words), objects, position
    )
    rank = jnp.broadcast_to(np.arange(ROWS, dtype=np.int32)[:, None], (ROWS, n))
    slot, count = compile_separately(fact, nth_flag, words, rank)
    present = slot < MAX_OBJECTS
    index = jnp.minimum(slot, MAX_OBJECTS - 1) + MAX_OBJECTS * jnp.arange(n)
    found = objects.reshape(-1).at[index].get(mode="promise_in_bounds")
    rows = layout.unpack(jnp.where(present, found, 0))
    cell = jnp.where(present, rows.cell, ABSENT)
    return Nearby(slot, present, rows.kind, cell, rows.health, rows.extra, count, reach)


def _close(
    objects: Int32[Array, "n s"], position: Int32[Array, " n"], reach: Int32[Array, " n"]
) -> UInt32[Array, "w n"]:
    """Return which objects are at most one cell beyond the reach, in words of 32 bits."""
    fields = layout.unpack(objects)
    close = layout.distance(fields.cell, position[:, None]) <= reach[:, None] + 1
    return packed((fields.kind != layout.EMPTY) & close).T


def _close_in_crowds(
    objects: Int32[Array, "n s"], position: Int32[Array, " n"]
) -> tuple[Int32[Array, " n"], UInt32[Array, "w n"]]:
    """Return reaches with which at most ROWS objects are close, and which objects are."""
    fields = layout.unpack(objects)
    distance = layout.distance(fields.cell, position[:, None])
    distance = jnp.sort(jnp.where(fields.kind == layout.EMPTY, CELLS, distance), axis=1)
    reach = jnp.minimum(REACH, distance[:, ROWS] - 2)
    return reach, _close(objects, position, reach)


def scatter(objects: Int32[Array, "n s"], near: Nearby) -> Int32[Array, "n s"]:
    """Write near objects back to their slots; those that are not present are removed."""
    n = objects.shape[0]
    packed_rows = layout.pack(near.kind, jnp.maximum(near.cell, 0), near.health, near.extra)
    values = jnp.where(near.present, packed_rows, 0)
    worlds = jnp.broadcast_to(jnp.arange(n), near.slot.shape)
    return objects.at[worlds, near.slot].set(values, mode="drop", unique_indices=True)


def neighbor(cell: Int32[Array, "*s"], dx: Any, dy: Any) -> Int32[Array, "*s"]:
    """Return the cell at an offset, or OFF_MAP."""
    x, y = cell % SIDE + dx, cell // SIDE + dy
    inside = (x >= 0) & (y >= 0) & (x < SIDE) & (y < SIDE)
    return jnp.where(inside, y * SIDE + x, OFF_MAP)


def ahead_of(cell: Int32[Array, "*s"], direction: Int32[Array, "*s"]) -> Int32[Array, "*s"]:
    """Return the next cell in a direction, or OFF_MAP."""
    step = 2 * (direction & 1) - 1
    vertical = direction >= 2
    return neighbor(cell, jnp.where(vertical, 0, step), jnp.where(vertical, step, 0))


def material_at(
    material: UInt8[Array, "n cells"], cell: Int32[Array, "*k n"]
) -> Int32[Array, "*k n"]:
    """Return the materials of cells; NONE off the map."""
    index = jnp.maximum(cell, 0) + CELLS * jnp.arange(material.shape[0])
    found = material.reshape(-1).at[index].get(mode="promise_in_bounds")
    return jnp.where(cell >= 0, found.astype(jnp.int32), layout.NONE)


def among(values: Array, allowed: tuple[int, ...]) -> Bool[Array, "*s"]:
    """Return which numbers, all below 32, are among the allowed ones."""
    mask = np.uint32(sum(1 << number for number in allowed))
    return (mask >> values.astype(jnp.uint32)) & 1 == 1
