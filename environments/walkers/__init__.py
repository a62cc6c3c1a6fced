"""Walkers on tracks with obstacles, true to their originals in Box2D."""

from didact.environments.walkers.bipedal_walker import BipedalWalker
from didact.environments.walkers.env import WalkerState

__all__ = ["BipedalWalker", "WalkerState"]
