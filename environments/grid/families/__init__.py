"""The families of levels, each with its task space and its official levels."""

from didact.environments.grid.families import (
    crossing,
    door_key,
    doors_official,
    dynamic_obstacles,
    errands,
    four_rooms,
    go_to,
    key_corridor,
    locked_room,
    memory,
    multi_room,
    obstructed,
    one_room,
    open_room,
    playground,
    put_next,
    red_blue_doors,
    search,
    synth,
    unlock,
)
from didact.environments.grid.families.base import Family, Group, Level

__all__ = ["GROUPS", "Family", "Group", "Level"]

GROUPS: tuple[Group, ...] = (
    go_to.GROUP,
    synth.GROUP,
    doors_official.GROUP,
    one_room.GROUP,
    search.GROUP,
    put_next.GROUP,
    unlock.GROUP,
    key_corridor.GROUP,
    obstructed.GROUP,
    errands.GROUP,
    locked_room.GROUP,
    playground.GROUP,
    open_room.GROUP,
    crossing.GROUP,
    dynamic_obstacles.GROUP,
    four_rooms.GROUP,
    door_key.GROUP,
    multi_room.GROUP,
    red_blue_doors.GROUP,
    memory.GROUP,
)
