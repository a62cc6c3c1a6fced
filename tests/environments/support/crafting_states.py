"""States of crafting worlds that are made by hand, without generating worlds."""

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments.crafting import layout, tasks
from didact.environments.crafting.layout import ITEM, CraftingState


def grassland(n=1, at=layout.START, **items):
    """Return n worlds of grass without creatures, at the start of an episode.

    Args:
        n: the number of worlds.
        at: the player's cell.
        items: numbers of items in the inventory; of others, there are none, and needs are met.
    """
    inventory = np.zeros((n, len(layout.ITEMS)), np.int32)
    inventory[:, : len(layout.VITALS)] = layout.MOST
    for name, number in items.items():
        inventory[:, ITEM[name]] = number
    zero, no = np.zeros(n, np.float32), np.zeros((n, len(layout.ACHIEVEMENTS)), bool)
    found = CraftingState(
        material=np.full((n, layout.CELLS), layout.GRASS, np.uint8),
        objects=np.zeros((n, layout.MAX_OBJECTS), np.int32),
        num_slots=np.zeros(n, np.int32),
        chunks=np.zeros((n, 2), np.uint32),
        position=np.full(n, at, np.int32),
        facing=np.full(n, layout.DIRECTIONS.index("down"), np.int32),
        inventory=inventory,
        sleeping=np.zeros(n, bool),
        hunger=zero,
        thirst=zero,
        fatigue=zero,
        recovery=zero,
        previous_health=inventory[:, 0],
        unlocked=no,
        achieved=no,
        steps=np.zeros(n, np.int32),
        tasks=tasks.ORIGINAL[None].repeat(n, 0),
    )
    return jax.tree.map(jnp.asarray, found)


def placed(state, cell, material):
    """Return the state with a material in a cell of all worlds."""
    return state._replace(material=state.material.at[:, cell].set(np.uint8(material)))


def added(state, kind, cell, health=None, extra=0):
    """Return the state with one more object in all worlds."""
    health = layout.HEALTH[kind] if health is None else health
    thing = layout.pack(*np.int32([kind, cell, health, extra]))
    slot = int(state.num_slots[0])
    return state._replace(
        objects=state.objects.at[:, slot].set(thing), num_slots=state.num_slots + 1
    )
