"""MiniGrid's Memory: at the end of a hallway, go to the object seen at its beginning."""

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
            *(7, 17, True, "cells"),
            "Side of the square map, including walls; even sizes are reduced by one.",
        ),
        Dimension(
            "random_length",
            *(0, 1, False, "probability"),
            "Probability that the hallway has a random length instead of the maximum.",
        ),
    )
)

_MISSION = Templates(["go to the matching object at the end of the hallway"])
_SHORTEST = 4  # the smallest column where a hallway can end: the right wall of the first room


class Task(NamedTuple):
    """A task, with its parameters by name."""

    size: Float[Array, "*n"]
    random_length: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    size = int(_odd(space.high[0]))
    return size, size


def _odd(size):
    return size - 1 + size % 2


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    A key or a ball lies in the room at the beginning of the hallway, and a key and a ball lie to
    the left and right of its end. The agent starts in the room or the hallway, facing the end.

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
    return minigrid_drafts.level_of(
        start, missions.MATCH, mission, 5 * _odd(Task(*tasks.T).size) ** 2
    )


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    draw, named, (width, height) = UniformDraws(key, 5), Task(*task), map_size(space)
    size = _odd(named.size).astype(jnp.int32)
    longest, middle = size - 3, size // 2
    shorter = draw() < named.random_length
    end = jnp.where(shorter, _SHORTEST + uniform_index(draw(), longest - _SHORTEST + 1), longest)

    x, y = minigrid_drafts.coordinates((width, height))
    off = jnp.abs(y - middle)
    wall = (x >= 1) & (x <= _SHORTEST) & (off == 2)
    wall |= (x >= _SHORTEST) & (x < end) & (off == 1)
    wall |= ((x == end) & (off > 0)) | (x == end + 2)
    map = minigrid_drafts.empty_room((width, height), size, size)
    map = jnp.where(wall, cells.GREY_WALL, map).astype(jnp.uint8)

    # The objects at the beginning, at the upper end and at the lower end.
    first, upper = cells.KEY + uniform_index(draw(2), 2)
    lower = cells.KEY + cells.BALL - upper
    objects = cells.code(jnp.stack([first, upper, lower]), cells.GREEN).astype(jnp.uint8)
    object_x, object_y = jnp.stack([1, end + 1, end + 1]), middle + jnp.array([-1, -2, 2])
    places = object_y * width + object_x
    matches = objects == objects[0]
    members = jnp.where(matches, 1, 2).at[0].set(0).astype(jnp.uint8)
    map = placement.put_on_map(map, objects, places)
    return Start(
        map, 1 + uniform_index(draw(), end), middle, jnp.int32(0), objects, places, members
    )


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.MATCH,),
    max_steps=lambda space: 5 * map_size(space)[0] ** 2,
    longest_mission=lambda space: _MISSION.longest,
    play=missions.play,
)

LEVELS: dict[str, tuple[Box, str]] = {
    f"MiniGrid-MemoryS{size}{'Random' * random}-v0": (
        SPACE.restricted(size=size, random_length=random),
        f"Remember an object along a hallway of {'random' if random else 'full'} length, in "
        f"a map of size {size}.",
    )
    for size, random in ((7, 0), (9, 0), (11, 0), (13, 0), (13, 1), (17, 1))
}

GROUP = Group(
    "Memory",
    "Go to the object at the end of a hallway that matches the one at its beginning.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (7, 9)},
)
