"""Parkour: ground and ceiling of any shape, creepers and water, for walkers, climbers and fish."""

from didact.environments.walkers.parkour.env import Parkour
from didact.environments.walkers.parkour.tasks import parkour_test_tasks

__all__ = ["Parkour", "parkour_test_tasks"]
