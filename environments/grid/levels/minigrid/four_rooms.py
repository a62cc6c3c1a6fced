"""MiniGrid's FourRooms: a goal anywhere in four rooms with openings between them."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.grid import cells, missions
from didact.environments.grid.levels import minigrid_drafts
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.language.templates import Templates
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box((Dimension("size", 7, 19, True, "cells", "Side of the square map, including walls."),))

STEPS = 100  # per episode
_MISSION = Templates(["reach the goal"])


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
    """Generate one level per key and task, with agent and goal on random cells.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    start = jax.vmap(functools.partial(_start, space))(keys, tasks)
    n = len(tasks)
    mission = minigrid_drafts.fixed_missions(_MISSION, jnp.zeros(n, jnp.int32), mission_length)
    return minigrid_drafts.level_of(start, missions.REACH, mission, jnp.full(n, float(STEPS)))


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    draw = UniformDraws(key, 4 + 3)
    size = Task(*task).size.astype(jnp.int32)
    middle = size // 2
    map = minigrid_drafts.empty_room(map_size(space), size, size)
    x, y = minigrid_drafts.coordinates(map_size(space))
    map = jnp.where((x == middle) | (y == middle), cells.GREY_WALL, map)
    for at, along in ((x, y), (y, x)):
        near = 1 + uniform_index(draw(), middle - 1)
        far = middle + 1 + uniform_index(draw(), size - middle - 2)
        opens = (at == middle) & ((along == near) | (along == far))
        map = jnp.where(opens, cells.EMPTY, map)
    own_x, own_y = minigrid_drafts.random_free_cell(draw(), map == cells.EMPTY)
    elsewhere = (x != own_x) | (y != own_y)
    goal_x, goal_y = minigrid_drafts.random_free_cell(draw(), (map == cells.EMPTY) & elsewhere)
    map = jnp.where((x == goal_x) & (y == goal_y), minigrid_drafts.GREEN_GOAL, map).astype(
        jnp.uint8
    )
    return minigrid_drafts.without_objects(map, own_x, own_y, uniform_index(draw(), 4))


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.REACH,),
    max_steps=lambda space: STEPS,
    longest_mission=lambda space: _MISSION.longest,
    play=missions.play,
)

LEVELS: dict[str, tuple[Box, str]] = {
    "MiniGrid-FourRooms-v0": (
        SPACE.restricted(size=19),
        "Reach a goal anywhere in four rooms, from a random start.",
    ),
}

GROUP = Group(
    "FourRooms",
    "Reach a goal square anywhere in four rooms with openings between them.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (7, 9)},
)
