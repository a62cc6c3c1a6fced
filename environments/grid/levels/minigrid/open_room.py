"""MiniGrid's Empty and DistShift: a goal in an open room, optionally with strips of lava."""

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

SPACE = Box(
    (
        Dimension("width", 5, 16, True, "cells", "Width of the room, including walls."),
        Dimension("height", 5, 16, True, "cells", "Height of the room, including walls."),
        Dimension(
            "random_start",
            *(0, 1, False, "probability"),
            "Probability that the agent starts in a random cell and direction, instead of facing "
            "right in the upper left corner.",
        ),
        Dimension(
            "goal_on_top",
            *(0, 1, False, "probability"),
            "Probability that the goal is in the upper right corner, not the lower right one.",
        ),
        Dimension(
            "strips",
            *(0, 2, True, "strips"),
            "Number of horizontal strips of lava, with a gap of two cells at either end; the first "
            "is along the upper wall.",
        ),
        Dimension(
            "strip_row",
            *(2, 14, True, "cells"),
            "Row of the second strip, counted from the top and limited by the height of the room.",
        ),
    )
)

MISSION = Templates(["get to the green goal square"])


class Task(NamedTuple):
    """A task, with its parameters by name."""

    width: Float[Array, "*n"]
    height: Float[Array, "*n"]
    random_start: Float[Array, "*n"]
    goal_on_top: Float[Array, "*n"]
    strips: Float[Array, "*n"]
    strip_row: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    most = Task(*space.high)
    return int(most.width), int(most.height)


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    start = jax.vmap(functools.partial(_start, space))(keys, tasks)
    task, sentence = Task(*tasks.T), jnp.zeros(len(tasks), jnp.int32)
    mission = minigrid_drafts.fixed_missions(MISSION, sentence, mission_length)
    return minigrid_drafts.level_of(start, missions.REACH, mission, 4 * task.width * task.height)


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    named, draw = Task(*task), UniformDraws(key, 4)
    width, height = named.width.astype(jnp.int32), named.height.astype(jnp.int32)
    map = minigrid_drafts.empty_room(map_size(space), width, height)
    x, y = minigrid_drafts.coordinates(map_size(space))
    second = jnp.minimum(named.strip_row, height - 2)
    row = ((y == 1) & (named.strips > 0)) | ((y == second) & (named.strips > 1))
    map = jnp.where(row & (x >= 3) & (x < width - 3), minigrid_drafts.RED_LAVA, map)
    goal_y = jnp.where(draw() < named.goal_on_top, 1, height - 2)
    map = jnp.where((x == width - 2) & (y == goal_y), minigrid_drafts.GREEN_GOAL, map).astype(
        jnp.uint8
    )
    moved, direction = draw() < named.random_start, uniform_index(draw(), 4)
    any_x, any_y = minigrid_drafts.random_free_cell(draw(), map == cells.EMPTY)
    return minigrid_drafts.without_objects(
        map,
        jnp.where(moved, any_x, 1),
        jnp.where(moved, any_y, 1),
        jnp.where(moved, direction, 0),
    )


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    width, height = map_size(space)
    return 4 * width * height


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.REACH,),
    max_steps=max_steps,
    longest_mission=lambda space: MISSION.longest,
    play=missions.play,
    see_through_walls=True,
)


def _empty(size: int, random_start: int = 0) -> Box:
    return SPACE.restricted(
        width=size,
        height=size,
        random_start=random_start,
        **dict.fromkeys(("goal_on_top", "strips"), 0),
        strip_row=2,
    )


def _shift(row: int) -> Box:
    return SPACE.restricted(
        width=9, height=7, random_start=0, goal_on_top=1, strips=2, strip_row=row
    )


LEVELS: dict[str, tuple[Box, str]] = {
    **{
        f"MiniGrid-Empty-{size}x{size}-v0": (
            _empty(size),
            f"Reach the goal in the far corner of an empty {size}x{size} room.",
        )
        for size in (5, 6, 8, 16)
    },
    **{
        f"MiniGrid-Empty-Random-{size}x{size}-v0": (
            _empty(size, 1),
            f"Reach the goal of an empty {size}x{size} room from a random start.",
        )
        for size in (5, 6)
    },
    "MiniGrid-DistShift1-v0": (_shift(2), "Reach the goal behind two strips of lava side by side."),
    "MiniGrid-DistShift2-v0": (_shift(5), "Reach the goal between two strips of lava."),
}

GROUP = Group(
    "OpenRoom",
    "Reach the goal in an open room, optionally with lava strips. Includes Empty and DistShift.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"width": (5, 8), "height": (5, 8), "strips": 0},
)
