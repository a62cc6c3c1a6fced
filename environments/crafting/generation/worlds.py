"""New worlds: the map and its first creatures."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, UInt8

from didact.environments.compiler_hints import compile_separately
from didact.environments.crafting import layout
from didact.environments.crafting.generation.fields import fields
from didact.environments.crafting.generation.opensimplex import to_rows
from didact.environments.crafting.generation.terrain import Draws, Terrain, terrain
from didact.environments.crafting.layout import CELLS, MAX_OBJECTS, MOST_CREATURES, SIDE
from didact.environments.crafting.rules.bits import WORD, packed

_THINNING = 5  # folded into keys, for the creatures of crowded worlds


class NewWorlds(NamedTuple):
    """The map and the objects of n new worlds, as in `CraftingState`."""

    material: UInt8[Array, "n cells"]
    objects: Int32[Array, "n slots"]
    num_slots: Int32[Array, " n"]


def new_worlds(keys: PRNGKeyArray, tasks: Float[Array, "n d"]) -> NewWorlds:
    """Generate n worlds, one for each key and task."""
    permutation, draws = jax.vmap(_draw)(keys)
    fact = tasks[0, 0] > -jnp.inf
    found = compile_separately(fact, terrain, fields(permutation, tasks), draws, tasks)
    return from_terrain(found._replace(creature=thinned(keys, found.creature)))


def _draw(key: PRNGKeyArray) -> tuple[Int32[Array, "256"], Draws]:
    shuffle, uniform = jax.random.split(key)
    numbers = jax.random.uniform(uniform, (len(Draws._fields), CELLS))
    return jax.random.permutation(shuffle, 256), Draws(*numbers)


def thinned(keys: PRNGKeyArray, creature: UInt8[Array, "n cells"]) -> UInt8[Array, "n cells"]:
    """Return a random subset of the creatures of each world that has more than there is room for.

    Args:
        keys: n keys.
        creature: the kind of the object in each cell.
    """
    crowded = jnp.sum(creature != layout.EMPTY, 1) > MOST_CREATURES

    def draw(key):
        return jax.random.uniform(jax.random.fold_in(key, _THINNING), (CELLS,))

    def thin(keys, creature):
        order = jnp.where(creature != layout.EMPTY, jax.vmap(draw)(keys), 1)
        last = jnp.sort(order, 1)[:, MOST_CREATURES - 1, None]
        return jnp.where(order <= last, creature, jnp.uint8(layout.EMPTY))

    return jax.lax.cond(jnp.any(crowded), thin, lambda _, creature: creature, keys, creature)


def from_terrain(found: Terrain) -> NewWorlds:
    """Return worlds with the given terrain; its creatures are created column by column."""
    material, creature = (to_rows(x, SIDE) for x in found)
    n = material.shape[0]
    creature = jnp.swapaxes(creature, 1, 2)  # [n, x, y]
    taken = creature != layout.EMPTY
    words = packed(taken)  # two for each column
    counts = jax.lax.population_count(words).astype(jnp.int32)
    ends = jnp.cumsum(counts.reshape(n, -1), 1)
    earlier = (ends - counts.reshape(n, -1)).reshape(n, SIDE, SIDE // WORD, 1)
    below = jnp.uint32((1 << np.arange(WORD, dtype=np.uint64)) - 1)
    earlier += jax.lax.population_count(words[..., None] & below).astype(jnp.int32)
    slot = jnp.where(taken, earlier.reshape(n, SIDE, SIDE), MAX_OBJECTS)
    slot = jnp.where(slot < MOST_CREATURES, slot, MAX_OBJECTS)
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    kind = creature.astype(jnp.int32)
    health = jnp.where(
        kind == layout.ZOMBIE, layout.HEALTH[layout.ZOMBIE], layout.HEALTH[layout.COW]
    )
    values = layout.pack(kind, np.int32(y * SIDE + x), health, jnp.zeros_like(kind))
    objects = jnp.zeros((n, MAX_OBJECTS), jnp.int32)
    worlds = jnp.arange(n)[:, None]
    objects = objects.at[worlds, slot.reshape(n, -1)].set(values.reshape(n, -1), mode="drop")
    return NewWorlds(material.reshape(n, CELLS), objects, jnp.minimum(ends[:, -1], MOST_CREATURES))
