"""The families of levels, each with its task space and its official levels."""

from didact.environments.grid.families import doors_official, go_to, one_room, search, synth
from didact.environments.grid.families.base import Family, Group, Level

__all__ = ["GROUPS", "Family", "Group", "Level"]

GROUPS: tuple[Group, ...] = (
    go_to.GROUP,
    synth.GROUP,
    doors_official.GROUP,
    one_room.GROUP,
    search.GROUP,
)
