"""Worlds of other libraries, seen as ours."""

from didact.environments.adapters.envpool import EnvpoolWorlds
from didact.environments.adapters.official import OfficialWorlds

__all__ = ["EnvpoolWorlds", "OfficialWorlds"]
