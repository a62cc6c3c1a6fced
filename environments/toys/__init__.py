"""Small environments with known solutions, for teachers and skills."""

from didact.environments.toys.combination_lock import CombinationLock
from didact.environments.toys.moving_targets import MovingTargets
from didact.environments.toys.office import Office
from didact.environments.toys.toy_grid import ToyGrid

__all__ = ["CombinationLock", "MovingTargets", "Office", "ToyGrid"]
