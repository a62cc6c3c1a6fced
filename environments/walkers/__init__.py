"""Walkers on tracks with obstacles, true to their originals in Box2D."""

from didact.environments.walkers.bipedal import Bipedal
from didact.environments.walkers.bipedal_walker import BipedalWalker
from didact.environments.walkers.env import WalkerState
from didact.environments.walkers.instructions import WalkerInstructions
from didact.environments.walkers.parkour import Parkour, parkour_test_tasks
from didact.environments.walkers.stump_tracks import StumpTracks, stump_test_tasks

__all__ = [
    "Bipedal",
    "BipedalWalker",
    "Parkour",
    "StumpTracks",
    "WalkerInstructions",
    "WalkerState",
    "parkour_test_tasks",
    "stump_test_tasks",
]
