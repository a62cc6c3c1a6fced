"""MiniGrid's Dynamic-Obstacles: a goal in a room with moving balls that must not be hit.

As in MiniGrid, agents can only turn and move forward. The whole family has these three actions, so
that one policy fits all of its tasks. Any other action counts as "left".
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.grid import cells, missions, rules
from didact.environments.grid.levels import minigrid_drafts, placement
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid.open_room import MISSION
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.grid.rules import GONE
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("size", 5, 16, True, "cells", "Side of the square room, including walls."),
        Dimension(
            "obstacles",
            *(0, 9, True, "balls"),
            "Number of balls that move before every step; values above half the side of the room "
            "plus one are reduced to half the side.",
        ),
        Dimension(
            "random_start",
            *(0, 1, False, "probability"),
            "Probability that the agent starts in a random cell and direction, instead of facing "
            "right in the upper left corner.",
        ),
    )
)

BLUE_BALL = cells.code(cells.BALL, cells.BLUE)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    size: Float[Array, "*n"]
    obstacles: Float[Array, "*n"]
    random_start: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    size = int(Task(*space.high).size)
    return size, size


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task, with obstacles on random cells.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    start = jax.vmap(functools.partial(_start, space))(keys, tasks)
    sentence = jnp.zeros(len(tasks), jnp.int32)
    mission = minigrid_drafts.fixed_missions(MISSION, sentence, mission_length)
    return minigrid_drafts.level_of(start, missions.DODGE, mission, 4 * Task(*tasks.T).size ** 2)


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    named, most = Task(*task), int(Task(*space.high).obstacles)
    size = named.size.astype(jnp.int32)
    map = minigrid_drafts.empty_room(map_size(space), size, size)
    draw = UniformDraws(key, 3 + map.size)
    x, y = minigrid_drafts.coordinates(map_size(space))
    map = jnp.where((x == size - 2) & (y == size - 2), minigrid_drafts.GREEN_GOAL, map).astype(
        jnp.uint8
    )
    moved, direction = draw() < named.random_start, uniform_index(draw(), 4)
    any_x, any_y = minigrid_drafts.random_free_cell(draw(), map == cells.EMPTY)
    own_x, own_y = jnp.where(moved, any_x, 1), jnp.where(moved, any_y, 1)

    free = (map == cells.EMPTY) & ((x != own_x) | (y != own_y))
    _, places = jax.lax.top_k(jnp.where(free, draw(*map.shape), -1).reshape(-1), most)
    many = named.obstacles > named.size / 2 + 1
    count = jnp.where(many, size // 2, named.obstacles)
    there = jnp.arange(most) < count
    balls = jnp.where(there, BLUE_BALL, 0).astype(jnp.uint8)
    places = jnp.where(there, places, GONE)
    map = placement.put_on_map(map, balls, places)
    members = jnp.zeros_like(balls)
    return Start(map, own_x, own_y, jnp.where(moved, direction, 0), balls, places, members)


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.DODGE,),
    max_steps=lambda space: 4 * map_size(space)[0] ** 2,
    longest_mission=lambda space: MISSION.longest,
    play=missions.play,
    actions=rules.ACTIONS[: rules.FORWARD + 1],
    see_through_walls=True,
    random_steps=True,
)


def _level(size: int, obstacles: int, random_start: int = 0) -> Box:
    return SPACE.restricted(size=size, obstacles=obstacles, random_start=random_start)


LEVELS: dict[str, tuple[Box, str]] = {
    **{
        f"MiniGrid-Dynamic-Obstacles-{size}x{size}-v0": (
            _level(size, count),
            f"Reach the goal in a room of size {size} without hitting one of {count} moving balls.",
        )
        for size, count in ((5, 2), (6, 3), (8, 4), (16, 8))
    },
    **{
        f"MiniGrid-Dynamic-Obstacles-Random-{size}x{size}-v0": (
            _level(size, count, 1),
            f"Reach the goal in a room of size {size} among {count} balls, from a random start.",
        )
        for size, count in ((5, 2), (6, 3))
    },
}

GROUP = Group(
    "DynamicObstacles",
    "Reach the goal square among moving balls; hitting anything ends the episode with reward -1.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (5, 6), "obstacles": (0, 2)},
)
