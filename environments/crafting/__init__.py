"""The crafting world: Crafter as a compiled, batch-native environment."""

from didact.environments.crafting.env import Crafter
from didact.environments.crafting.layout import CraftingState
from didact.environments.registry import register

__all__ = ["Crafter", "CraftingState"]

register("Crafter", Crafter, "Survive in an open world: gather, craft tools, and unlock 22 skills.")
