"""Adapters to and from other environment libraries."""

from didact.environments.adapters.envpool import OfficialEnvpool
from didact.environments.adapters.minigrid import OfficialMinigrid
from didact.environments.adapters.official_gymnasium import OfficialGymnasium

__all__ = ["OfficialEnvpool", "OfficialGymnasium", "OfficialMinigrid"]
