"""Worlds of other libraries, seen as ours."""

from didact.environments.adapters.envpool import EnvpoolWorlds
from didact.environments.adapters.minigrid import OfficialWorlds
from didact.environments.adapters.official_gymnasium import OfficialGymnasium

__all__ = ["EnvpoolWorlds", "OfficialGymnasium", "OfficialWorlds"]
