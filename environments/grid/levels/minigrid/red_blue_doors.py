"""MiniGrid's RedBlueDoors: open one door, then another on the opposite side of the room."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.grid import cells, missions
from didact.environments.grid.levels import minigrid_drafts, placement
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.language.templates import Templates
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension(
            "size",
            *(5, 12, True, "cells"),
            "Side of the square middle room, including walls; the map is twice as wide.",
        ),
    )
)

_MISSION = Templates(["open the red door then the blue door"])
_DOORS = (
    cells.code(cells.CLOSED_DOOR, cells.RED),
    cells.code(cells.CLOSED_DOOR, cells.BLUE),
)
_MEMBERS = (1, 2)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    size: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    size = int(Task(*space.high).size)
    return 2 * size, size


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The agent is in the middle room, with the red door in its left wall and the blue door in its
    right wall.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    start = jax.vmap(functools.partial(_start, space))(keys, tasks)
    mission = minigrid_drafts.fixed_missions(
        _MISSION, jnp.zeros(len(tasks), jnp.int32), mission_length
    )
    max_steps = 20 * Task(*tasks.T).size ** 2
    return minigrid_drafts.level_of(start, missions.OPEN_IN_ORDER, mission, max_steps)


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    draw, (width, height) = UniformDraws(key, 5), map_size(space)
    size = Task(*task).size.astype(jnp.int32)
    walls_x = size // 2 + jnp.stack([0, size - 1])
    x, _ = minigrid_drafts.coordinates((width, height))
    map = minigrid_drafts.empty_room((width, height), 2 * size, size)
    inner = (x == walls_x[0]) | (x == walls_x[1])
    map = jnp.where(inner, cells.GREY_WALL, map).astype(jnp.uint8)
    objects = jnp.array(_DOORS, jnp.uint8)
    places = (1 + uniform_index(draw(2), size - 2)) * width + walls_x
    map = placement.put_on_map(map, objects, places)
    own_x, own_y = (
        walls_x[0] + 1 + uniform_index(draw(), size - 2),
        1 + uniform_index(draw(), size - 2),
    )
    members = jnp.array(_MEMBERS, jnp.uint8)
    return Start(map, own_x, own_y, uniform_index(draw(), 4), objects, places, members)


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.OPEN_IN_ORDER,),
    max_steps=lambda space: 20 * map_size(space)[1] ** 2,
    longest_mission=lambda space: _MISSION.longest,
    play=missions.play,
)

LEVELS: dict[str, tuple[Box, str]] = {
    f"MiniGrid-RedBlueDoors-{size}x{size}-v0": (
        SPACE.restricted(size=size),
        f"Open the red door, then the blue one, in a room of size {size}.",
    )
    for size in (6, 8)
}

GROUP = Group(
    "RedBlueDoors",
    "Open the red door first, then the blue door on the opposite side of the room.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (5, 6)},
)
