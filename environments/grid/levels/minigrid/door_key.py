"""MiniGrid's DoorKey: a goal behind a locked door, with the key on the agent's side."""

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

SPACE = Box((Dimension("size", 5, 16, True, "cells", "Side of the square map, including walls."),))

_MISSION = Templates(["use the key to open the door and then get to the goal"])
_DOOR = cells.code(cells.LOCKED_DOOR, cells.YELLOW)
_KEY = cells.code(cells.KEY, cells.YELLOW)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    size: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    size = int(Task(*space.high).size)
    return size, size


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    A wall at a random column has a locked door. The agent and the key are to its left, and the goal
    is in the lower right corner.

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
    return minigrid_drafts.level_of(start, missions.REACH, mission, 10 * Task(*tasks.T).size ** 2)


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    draw, (width, height) = UniformDraws(key, 5), map_size(space)
    size = Task(*task).size.astype(jnp.int32)
    x, y = minigrid_drafts.coordinates((width, height))
    map = minigrid_drafts.empty_room((width, height), size, size)
    split = 2 + uniform_index(draw(), size - 4)
    map = jnp.where(x == split, cells.GREY_WALL, map)
    map = jnp.where((x == size - 2) & (y == size - 2), minigrid_drafts.GREEN_GOAL, map).astype(
        jnp.uint8
    )

    left = (split > x) & (map == cells.EMPTY)
    own_x, own_y = minigrid_drafts.random_free_cell(draw(), left)
    key_x, key_y = minigrid_drafts.random_free_cell(draw(), left & ((x != own_x) | (y != own_y)))
    door_y = 1 + uniform_index(draw(), size - 3)  # never the lowest cell, as in MiniGrid
    objects = jnp.array([_DOOR, _KEY], jnp.uint8)
    places = jnp.stack([door_y * width + split, key_y * width + key_x])
    map = placement.put_on_map(map, objects, places)
    direction = uniform_index(draw(), 4)
    return Start(map, own_x, own_y, direction, objects, places, jnp.zeros_like(objects))


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.REACH,),
    max_steps=lambda space: 10 * map_size(space)[0] ** 2,
    longest_mission=lambda space: _MISSION.longest,
    play=missions.play,
)

LEVELS: dict[str, tuple[Box, str]] = {
    f"MiniGrid-DoorKey-{size}x{size}-v0": (
        SPACE.restricted(size=size),
        f"Get the key, open the door and reach the goal, in a room of size {size}.",
    )
    for size in (5, 6, 8, 16)
}

GROUP = Group(
    "DoorKey",
    "Get the key, open the locked door and reach the goal square behind it.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (5, 6)},
)
