"""What a player can see: the local view, the inventory, and the light.

Darkness hides nothing of it; only `picture` draws the noise of the night.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt8

from didact.environments.crafting import layout
from didact.environments.crafting.layout import CELLS, SIDE, VIEW, CraftingState
from didact.environments.crafting.tasks import value

_ROWS, _COLUMNS = VIEW
_DY, _DX = (axis.reshape(-1, 1) for axis in np.mgrid[:_ROWS, :_COLUMNS].astype(np.int32))
_DY, _DX = _DY - _ROWS // 2, _DX - _COLUMNS // 2


def phase(state: CraftingState) -> Int32[Array, " n"]:
    """Return the step of the day, below `layout.DAY`."""
    return (state.steps + value(state.tasks, "time").astype(jnp.int32)) % layout.DAY


def light(state: CraftingState) -> Float[Array, " n"]:
    """Return the daylight, from 0 to 1."""
    return jnp.asarray(np.float32(layout.LIGHT))[phase(state)]


def symbols(state: CraftingState) -> dict[str, Array]:
    """Return the symbolic observation; see `layout.OBSERVATION_SPACE`."""
    materials = _materials(state)
    sights = _sights(state)
    n = state.position.shape[0]
    return {
        "view": jnp.stack([materials, sights], -1).transpose(1, 0, 2).reshape(n, *VIEW, 2),
        "inventory": state.inventory.astype(jnp.float32),
        "facing": state.facing,
        "sleeping": state.sleeping.astype(jnp.int32),
        "light": light(state),
    }


def _materials(state: CraftingState) -> UInt8[Array, "63 n"]:
    """Return the materials around the player; NONE off the map."""
    x, y = state.position % SIDE + _DX, state.position // SIDE + _DY
    inside = (x >= 0) & (y >= 0) & (x < SIDE) & (y < SIDE)
    index = jnp.clip(y, 0, SIDE - 1) * SIDE + jnp.clip(x, 0, SIDE - 1)
    index += CELLS * jnp.arange(state.position.shape[0])
    found = state.material.reshape(-1).at[index].get(mode="promise_in_bounds")
    return jnp.where(inside, found, jnp.uint8(layout.NONE))


def _sights(state: CraftingState) -> UInt8[Array, "63 n"]:
    """Return the objects around the player, as numbers of SIGHTS."""
    fields = layout.unpack(state.objects)
    sight = jnp.where(fields.kind == layout.ARROW, layout.ARROW_SIGHT + fields.extra, fields.kind)
    ripe = fields.extra >= layout.RIPE
    plant = jnp.where(ripe, layout.RIPE_SIGHT, layout.PLANT_SIGHT)
    sight = jnp.where(fields.kind == layout.PLANT, plant, sight)
    x = fields.cell % SIDE - state.position[:, None] % SIDE + _COLUMNS // 2
    y = fields.cell // SIDE - state.position[:, None] // SIDE + _ROWS // 2
    seen = (x >= 0) & (y >= 0) & (x < _COLUMNS) & (y < _ROWS) & (fields.kind != layout.EMPTY)
    place = jnp.where(seen, y * _COLUMNS + x, _ROWS * _COLUMNS)
    n = state.position.shape[0]
    blank = jnp.zeros((_ROWS * _COLUMNS, n), jnp.uint8)
    return blank.at[place, jnp.arange(n)[:, None]].set(sight.astype(jnp.uint8), mode="drop")
