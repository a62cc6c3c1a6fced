"""The crafting world: Crafter as a compiled, batch-native environment."""

import functools

from didact.environments.crafting import official
from didact.environments.crafting.env import Crafter
from didact.environments.crafting.instructions import CrafterInstructions
from didact.environments.crafting.layout import CraftingState
from didact.environments.registry import register

__all__ = ["Crafter", "CrafterInstructions", "CraftingState"]

official.register()
register(
    "Crafter", Crafter, "Survive in open worlds of many kinds: gather, craft, and unlock 22 skills."
)
register(
    "Crafter-original",
    functools.partial(Crafter, original=True),
    "Crafter's original game: survive in an open world, gather, craft, and unlock 22 skills.",
)
register(
    "CrafterInstructions",
    CrafterInstructions,
    "Crafter with instructions: one achievement, or a sequence of two or three.",
)
