"""The families of levels, each with its task space and its official levels."""

from didact.environments.grid.levels.babyai import (
    go_to,
    key_corridor,
    official_doors,
    one_room,
    put_next,
    search,
    synth,
    unlock,
)
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid import (
    crossing,
    door_key,
    dynamic_obstacles,
    four_rooms,
    locked_room,
    memory,
    multi_room,
    object_missions,
    obstructed_maze,
    open_room,
    playground,
    red_blue_doors,
)

__all__ = ["GROUPS", "Family", "Group", "Level"]

GROUPS: tuple[Group, ...] = (
    go_to.GROUP,
    synth.GROUP,
    official_doors.GROUP,
    one_room.GROUP,
    search.GROUP,
    put_next.GROUP,
    unlock.GROUP,
    key_corridor.GROUP,
    obstructed_maze.GROUP,
    object_missions.GROUP,
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
