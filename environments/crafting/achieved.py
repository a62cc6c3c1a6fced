"""The instruction that a step fulfilled, such as "place a table", for hindsight relabeling."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from didact.environments.capabilities import AchievedInstructions
from didact.environments.crafting.layout import ACHIEVEMENT, ACHIEVEMENTS
from didact.environments.crafting.sentences import NOTHING, STEPS, write

# Where a step achieves several things, the rarest one is described.
RARITY = (
    *("collect_diamond", "eat_plant", "make_iron_sword", "make_iron_pickaxe", "collect_iron"),
    *("defeat_skeleton", "make_stone_sword", "make_stone_pickaxe", "place_furnace"),
    *("collect_coal", "make_wood_sword", "make_wood_pickaxe", "defeat_zombie", "eat_cow"),
    *("place_stone", "collect_stone", "place_table", "collect_drink", "collect_wood"),
    *("place_plant", "collect_sapling", "wake_up"),
)
_RARITY = np.array([ACHIEVEMENT[name] for name in RARITY])


class Scene(NamedTuple):
    """What a description needs of n worlds."""

    achieved: Bool[Array, "n 22"]  # in the last step


def describer() -> AchievedInstructions:
    """Return functions that describe the achievements of steps as instructions of one step."""

    def reveal(state):
        return Scene(state.achieved)

    def initial(n):
        return Scene(jnp.zeros((n, len(ACHIEVEMENTS)), bool))

    def describe(_, now):
        by_rarity = now.achieved[:, _RARITY]
        which = jnp.asarray(_RARITY)[jnp.argmax(by_rarity, 1)]
        steps = jnp.pad(which[:, None], ((0, 0), (0, STEPS - 1)), constant_values=NOTHING)
        return write(steps), jnp.any(by_rarity, 1)

    return AchievedInstructions(reveal, initial, describe)
