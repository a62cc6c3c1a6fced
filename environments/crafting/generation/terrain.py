"""Materials and initial creatures of worlds, from noise fields and uniform draws."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from didact.environments.crafting import layout
from didact.environments.crafting.generation.fields import Fields, cell_order, from_start
from didact.environments.crafting.layout import SIDE, START
from didact.environments.crafting.tasks import value


class Draws(NamedTuple):
    """Uniform numbers in 0..1, one for each decision about each cell."""

    coal: Float[Array, "n cells"]
    iron: Float[Array, "n cells"]
    diamond: Float[Array, "n cells"]
    tree: Float[Array, "n cells"]
    sand: Float[Array, "n cells"]
    cow: Float[Array, "n cells"]
    zombie: Float[Array, "n cells"]
    skeleton: Float[Array, "n cells"]


class Terrain(NamedTuple):
    """The terrain of n worlds, for cells in tiles."""

    material: UInt8[Array, "n cells"]
    creature: UInt8[Array, "n cells"]  # the kind of the object in each cell


def terrain(fields: Fields, draws: Draws, tasks: Float[Array, "n d"]) -> Terrain:
    """Return the terrain; draws above `1 - probability` are hits, as in the original game."""

    def setting(name: str) -> Float[Array, "n 1"]:
        return value(tasks, name)[:, None]

    def rare(draw: Array, probability: Array) -> Bool[Array, "n cells"]:
        return draw > 1 - probability

    tunnel_level, cave_level = 0.4 - setting("caves"), 0.15 - setting("caves")
    tunnel = (fields.wide_tunnel > tunnel_level) | (fields.high_tunnel > tunnel_level)
    cave = (fields.cave > cave_level) & (fields.mountain > 0.3)
    rock = _first(
        (cave | tunnel, layout.PATH),
        ((fields.coal > 0) & rare(draws.coal, setting("coal")), layout.COAL),
        ((fields.iron > 0.4) & rare(draws.iron, setting("iron")), layout.IRON),
        ((fields.mountain > 0.18) & rare(draws.diamond, setting("diamonds")), layout.DIAMOND),
        (
            (fields.mountain > 0.3) & (fields.lava > 0.35 - setting("lava")),
            layout.LAVA,
        ),
        otherwise=layout.STONE,
    )
    shore = (fields.water > 0.25) & (fields.water <= 0.35) & (fields.sand > -0.2)
    forest = fields.forest > -setting("forests")
    mountain = fields.mountain > 0.15
    material = _first(
        (_outside(tasks), layout.NONE),
        (fields.start > 0.5, layout.GRASS),
        (mountain, rock),
        (shore & rare(draws.sand, setting("sand")), layout.SAND),
        (fields.water > 0.3, layout.WATER),
        (forest & rare(draws.tree, setting("trees")), layout.TREE),
        otherwise=layout.GRASS,
    )
    # A tunnel counts as one only where it was dug: elsewhere, and in caves, the cell is another.
    tunnel &= mountain & ~cave & (material == layout.PATH)
    distance = np.float32(from_start())
    grass = material == layout.GRASS
    walkable = grass | (material == layout.PATH) | (material == layout.SAND)
    creature = _first(
        ((distance > 3) & grass & rare(draws.cow, 0.015 * setting("cows")), layout.COW),
        (
            (distance > 10) & walkable & rare(draws.zombie, 0.007 * setting("zombies")),
            layout.ZOMBIE,
        ),
        (tunnel & rare(draws.skeleton, 0.05 * setting("skeletons")), layout.SKELETON),
        otherwise=layout.EMPTY,
    )
    return Terrain(material, creature)


def _outside(tasks: Float[Array, "n d"]) -> Bool[Array, "n cells"]:
    """Return the cells that are not part of maps smaller than the arrays."""
    size = value(tasks, "size").astype(jnp.int32)[:, None]
    cell = cell_order()
    first = [START % SIDE - size // 2, START // SIDE - size // 2]
    x, y = cell % SIDE - first[0], cell // SIDE - first[1]
    return jnp.asarray((x < 0) | (y < 0) | (x >= size) | (y >= size))


def _first(*cases: tuple[Array, Array | int], otherwise: int) -> UInt8[Array, "n cells"]:
    """Return the value of the first case that holds in each cell."""
    found = jnp.uint8(otherwise)
    for condition, outcome in reversed(cases):
        found = jnp.where(condition, jnp.asarray(outcome, jnp.uint8), found)
    return found
