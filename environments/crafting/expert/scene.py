"""What the planner knows of n worlds: maps as boards, and the player's surroundings."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt32

from didact.environments.crafting import layout, view
from didact.environments.crafting.expert import boards, camp
from didact.environments.crafting.expert.shelter import OFFSETS
from didact.environments.crafting.layout import ITEM, CraftingState
from didact.environments.crafting.rules.nearby import among, material_at

FAR = np.int32(999)
COWS, ZOMBIES, SKELETONS, ARROWS, PLANTS, RIPE = range(6)  # the groups of objects


class Scene(NamedTuple):
    """n worlds, as the planner sees them."""

    materials: boards.Materials
    objects: UInt32[Array, "6 64 2 n"]  # by group; RIPE plants are not among PLANTS
    material: Int32[Array, "25 n"]  # of the cells around the player, see `camp.cells`
    object: Int32[Array, "25 n"]  # the group of the objects there, or -1
    facing: Int32[Array, " n"]
    inventory: Int32[Array, "n 16"]
    light: Array
    phase: Int32[Array, " n"]  # the step of the day
    zombie: Int32[Array, " n"]  # the L1 distance to the nearest zombie
    skeleton: Int32[Array, " n"]

    def have(self, item: str) -> Int32[Array, " n"]:
        return self.inventory[:, ITEM[item]]

    @property
    def all_objects(self) -> UInt32[Array, "64 2 n"]:
        return boards.union(list(self.objects))

    def faced(self, values: Array) -> Array:
        """Return the value of the faced cell, of values of the four neighbors."""
        return jnp.take_along_axis(values, self.facing[None], 0, mode="promise_in_bounds")[0]


# The cells of `shelter.OFFSETS` among those of `camp.cells`; the first four are the neighbors.
DIAMOND = (OFFSETS[:, 1] + camp.REACH) * (2 * camp.REACH + 1) + OFFSETS[:, 0] + camp.REACH
SIDES = DIAMOND[:4]


def scene(state: CraftingState) -> Scene:
    """Return what the planner knows of n worlds."""
    fields = layout.unpack(state.objects)
    group = fields.kind - 1
    group = jnp.where((group == PLANTS) & (fields.extra >= layout.RIPE), RIPE, group)
    group = jnp.where(fields.kind == layout.EMPTY, RIPE + 1, group)
    objects = boards.of_cells(fields.cell, group, RIPE + 1)
    near = camp.cells(state.position)
    present = boards.at(list(objects), near)
    groups = jnp.arange(RIPE + 1)[:, None, None]
    far = layout.distance(fields.cell, state.position[:, None])
    return Scene(
        materials=boards.Materials(state.material),
        objects=objects,
        material=material_at(state.material, near),
        object=jnp.max(jnp.where(present, groups, -1), 0),
        facing=state.facing,
        inventory=state.inventory,
        light=view.light(state),
        phase=view.phase(state),
        zombie=jnp.min(jnp.where(fields.kind == layout.ZOMBIE, far, FAR), 1),
        skeleton=jnp.min(jnp.where(fields.kind == layout.SKELETON, far, FAR), 1),
    )


class Stations(NamedTuple):
    """Where tools can be made in n worlds."""

    tables: UInt32[Array, "64 2 n"]  # cells for making tools with a table
    both: UInt32[Array, "64 2 n"]  # and with a furnace, too
    at_table: Bool[Array, " n"]  # the player is on such a cell
    at_both: Bool[Array, " n"]
    table_close: Bool[Array, " n"]  # there is such a cell within CLOSE cells along each axis
    both_close: Bool[Array, " n"]
    plant_close: Bool[Array, " n"]  # there is a plant that can grow where the player is


CLOSE = 9  # within which walking to a station is cheaper than placing another one
GROWS = 12  # within which plants surely grow
# Nothing can be made in the first row and column of the map, see `rules.player`.
_INNER = np.full((*boards.SHAPE, 1), 2**boards.WORD - 1, np.uint32)
_INNER[0] = 0
_INNER[:, 0] &= ~np.uint32(1)


def stations(seen: Scene, position: Int32[Array, " n"]) -> Stations:
    """Return where tools can be made, and food can be grown."""
    tables = boards.blocks(seen.materials(layout.TABLE), 1) & _INNER
    both = tables & boards.blocks(seen.materials(layout.FURNACE), 1)
    window = boards.window(position, CLOSE)
    here = boards.at([tables, both], position[None])[:, 0]
    close = [~boards.empty(board & window) for board in (tables, both)]
    plants = (seen.objects[PLANTS] | seen.objects[RIPE]) & boards.window(position, GROWS)
    return Stations(tables, both, here[0], here[1], close[0], close[1], ~boards.empty(plants))


def can_be_filled(material: Array) -> Bool[Array, "*s"]:
    """Return on which materials a stone can be placed."""
    return among(material, (*layout.WALKABLE, layout.WATER, layout.LAVA))
