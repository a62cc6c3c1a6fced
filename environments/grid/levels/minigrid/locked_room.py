"""MiniGrid's LockedRoom: rooms on both sides of a hallway, one of them locked."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from didact.environments.grid import cells, missions
from didact.environments.grid.levels import minigrid_drafts, placement
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.grid.rules import GONE
from didact.environments.language.templates import Templates
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

HALLWAY = 3  # its width in cells

SPACE = Box(
    (
        Dimension(
            "room_width",
            4,
            10,
            True,
            "cells",
            "Width of the rooms, including walls.",
        ),
        Dimension("room_height", 4, 9, True, "cells", "Height of the rooms, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rooms on each side of the hallway."),
    )
)

_MAX = 6  # rooms, one per color
_MISSION = Templates(
    ["get the {color0} key from the {color1} room, unlock the {color0} door and go to the goal"]
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_width: Float[Array, "*n"]
    room_height: Float[Array, "*n"]
    rows: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map of a space, in cells."""
    return _size(*(int(high) for high in space.high))


def _size(room_width, room_height, rows):
    """Return the width and height of a map."""
    return 2 * room_width + HALLWAY, rows * (room_height - 1) + 1


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    return 10 * max(map_size(space))


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The agent starts in the hallway. Every room has a door to the hallway in its own color. The goal
    is in a locked room, and its key is in another room, which the mission names.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    start, colors = jax.vmap(functools.partial(_start, space))(keys, tasks)
    none = jnp.zeros(len(tasks), jnp.int32)
    mission = _MISSION.fill(none, colors, jnp.zeros_like(colors), mission_length)
    longer = jnp.maximum(*_size(*tasks.T))
    return minigrid_drafts.level_of(start, missions.REACH, mission, 10 * longer)


def _start(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Start, Int32[Array, " 2"]]:
    """Return a level, and the colors of its locked room and of the room with the key."""
    width, height = map_size(space)
    room_width, room_height, rows = (v.astype(jnp.int32) for v in Task(*task))
    draw = UniformDraws(key, 2 * _MAX + 7)
    own_width, own_height = _size(room_width, room_height, rows)
    left, right = room_width - 1, room_width + HALLWAY  # the walls of the hallway
    y, x = np.arange(height)[:, None], np.arange(width)
    beside = (x <= left) | (x >= right)
    wall = (x == 0) | (x == left) | (x == right) | (x >= own_width - 1)
    wall |= (beside & (y % (room_height - 1) == 0)) | (y == 0) | (y >= own_height - 1)
    map = jnp.where(wall, cells.GREY_WALL, cells.EMPTY).astype(jnp.uint8)

    index = np.arange(_MAX)
    there = jnp.asarray(index // 2) < rows
    top = jnp.asarray(index // 2) * (room_height - 1)
    door_x = jnp.where(jnp.asarray(index % 2 == 0), left, right)
    door_places = jnp.where(there, (top + room_height // 2) * width + door_x, GONE)
    locked, keeper = jax.lax.top_k(jnp.where(there, draw(_MAX), -1), 2)[1]
    color = jnp.argsort(draw(_MAX))
    kind = jnp.where(index == locked, cells.LOCKED_DOOR, cells.CLOSED_DOOR)
    doors = jnp.where(there, cells.code(kind, color), 0)

    room = jnp.stack([locked, keeper])
    across, down = uniform_index(draw(2), room_width - 2), uniform_index(draw(2), room_height - 2)
    thing_x = jnp.where(room % 2 == 0, 0, right) + 1 + across
    thing_places = (top[room] + 1 + down) * width + thing_x
    objects = jnp.append(cells.code(cells.KEY, color[locked]), doors).astype(jnp.uint8)
    places = jnp.append(thing_places[1], door_places)
    map = placement.put_on_map(
        map, jnp.array([minigrid_drafts.GREEN_GOAL], jnp.uint8), thing_places[:1]
    )
    map = placement.put_on_map(map, objects, places)
    agent_x, agent_y = (
        left + 1 + uniform_index(draw(), HALLWAY),
        1 + uniform_index(draw(), own_height - 2),
    )
    no_members = jnp.zeros_like(objects)
    start = Start(map, agent_x, agent_y, uniform_index(draw(), 4), objects, places, no_members)
    return start, color[room]


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.REACH,),
    max_steps=max_steps,
    longest_mission=lambda space: _MISSION.longest,
    play=missions.play,
)

LEVELS: dict[str, tuple[Box, str]] = {
    "MiniGrid-LockedRoom-v0": (
        SPACE.restricted(room_width=8, room_height=7, rows=3),
        "Get the key from one of six rooms and reach the goal in the locked one.",
    ),
}

GROUP = Group(
    "LockedRoom",
    "Get the key from the room named in the mission and reach the goal in the locked room.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"room_width": (4, 6), "room_height": (4, 6), "rows": 1},
    mission_length=_MISSION.longest,
)
