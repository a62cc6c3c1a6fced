"""Propositions about the player and its surroundings, for formulas.

The achievements are propositions of `Crafter` already: each holds in the steps that unlock or
repeat it. These here hold as long as the state lasts:

- `near_table`, `near_furnace`: the station is in the 3x3 cells around the player. Tools can be made
  there, except in the leftmost column and the topmost row of the map, as in the original.
  `near_water`, `near_tree`, `near_lava`: likewise in the 3x3 cells.
- `facing_...`: the player faces the material or the creature.
- `near_zombie`, `near_skeleton`, `near_cow`: such a creature is at most 3 steps away.
- `night`: the daylight is below one half. `asleep`: the player sleeps.
- `hungry`, `thirsty`, `tired`, `hurt`: food, drink, energy or health is 3 or less.
- `has_...`: the item is in the inventory.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from didact.environments.capabilities import OptionalPropositions
from didact.environments.crafting import layout, view
from didact.environments.crafting.layout import ITEM, RESOURCES, TOOLS, VIEW, CraftingState

NEAR = ("table", "furnace", "water", "tree", "lava")
FACED = ("tree", "stone", "water", "coal", "iron", "diamond", "grass", "table")
CREATURES = {"zombie": layout.ZOMBIE, "skeleton": layout.SKELETON, "cow": layout.COW}
NEEDS = {"hungry": "food", "thirsty": "drink", "tired": "energy", "hurt": "health"}
LOW = 3  # of health, food, drink and energy
CLOSE = 3  # steps to a creature
DARK = 0.5  # daylight below which it is night

NAMES = (
    *(f"near_{name}" for name in (*NEAR, *CREATURES)),
    *(f"facing_{name}" for name in (*FACED, *CREATURES)),
    *("night", "asleep", *NEEDS),
    *(f"has_{item}" for item in (*RESOURCES, *TOOLS)),
)

_ROWS, _COLUMNS = VIEW
_Y, _X = np.abs(np.mgrid[:_ROWS, :_COLUMNS] - np.array([_ROWS, _COLUMNS])[:, None, None] // 2)
_BESIDE = np.maximum(_X, _Y).ravel() <= 1
_CLOSE = (_X + _Y).ravel() <= CLOSE
_CENTER = _ROWS // 2 * _COLUMNS + _COLUMNS // 2
_FACED = _CENTER + layout.DX + _COLUMNS * layout.DY


def holds(state: CraftingState) -> Bool[Array, "n p"]:
    """Return which of `NAMES` hold in n worlds."""
    seen = view.symbols(state)
    material, sight = (seen["view"][..., i].reshape(-1, _ROWS * _COLUMNS) for i in range(2))
    at = jnp.asarray(_FACED)[state.facing][:, None]
    faced, met = (jnp.take_along_axis(x, at, 1)[:, 0] for x in (material, sight))
    alone = met == layout.EMPTY
    columns = [_any(material == layout.MATERIALS.index(name), _BESIDE) for name in NEAR]
    columns += [_any(sight == kind, _CLOSE) for kind in CREATURES.values()]
    columns += [alone & (faced == layout.MATERIALS.index(name)) for name in FACED]
    columns += [met == kind for kind in CREATURES.values()]
    columns += [seen["light"] < DARK, state.sleeping]
    columns += [state.inventory[:, ITEM[item]] <= LOW for item in NEEDS.values()]
    columns += [state.inventory[:, ITEM[item]] > 0 for item in (*RESOURCES, *TOOLS)]
    return jnp.stack(columns, 1)


def _any(cells: Bool[Array, "n c"], where: Bool[np.ndarray, " c"]) -> Bool[Array, " n"]:
    return jnp.any(cells[:, np.flatnonzero(where)], 1)


def make() -> OptionalPropositions:
    """Return `NAMES` as optional propositions."""
    return OptionalPropositions(NAMES, holds, holds)
