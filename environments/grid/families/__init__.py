"""The families of levels, each with its task space and its official levels."""

from didact.environments.grid.families import (
    errands,
    go_to,
    key_corridor,
    locked_room,
    obstructed,
    playground,
    put_next,
    synth,
    unlock,
)
from didact.environments.grid.families.base import Family, Group, Level

__all__ = ["GROUPS", "Family", "Group", "Level"]

GROUPS: tuple[Group, ...] = (
    go_to.GROUP,
    synth.GROUP,
    put_next.GROUP,
    unlock.GROUP,
    key_corridor.GROUP,
    obstructed.GROUP,
    errands.GROUP,
    locked_room.GROUP,
    playground.GROUP,
)
