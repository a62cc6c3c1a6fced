"""MiniGrid's Crossing and LavaGap: rivers of lava, or walls, with one opening each."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray

from didact.environments.grid import cells, missions
from didact.environments.grid.levels import minigrid_drafts
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.language.templates import Templates
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension(
            "size",
            *(5, 15, True, "cells"),
            "Side of the square room, including walls. With on_grid, even sizes are reduced by 1.",
        ),
        Dimension(
            "crossings",
            *(1, 10, True, "rivers"),
            "Number of horizontal or vertical rivers, at most the side of the room minus 3.",
        ),
        Dimension(
            "lava", 0, 1, False, "probability", "Probability that rivers are lava instead of wall."
        ),
        Dimension(
            "on_grid",
            *(0, 1, True, ""),
            "1: rivers lie on every second row and column; 0: there is a single vertical river in "
            "any column.",
        ),
    )
)

_MISSIONS = Templates(
    [
        "find the opening and get to the green goal square",
        "avoid the lava and get to the green goal square",
    ]
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    size: Float[Array, "*n"]
    crossings: Float[Array, "*n"]
    lava: Float[Array, "*n"]
    on_grid: Float[Array, "*n"]


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    most = Task(*space.high)
    size = int(most.size)
    odd = size - 1 + size % 2
    size = odd if Task(*space.low).on_grid else size
    return size, size


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The agent starts in the upper left corner and the goal is in the lower right one. The openings
    lie on a random path between them that crosses each river once.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    start, lava, size = jax.vmap(functools.partial(_start, space))(keys, tasks)
    mission = minigrid_drafts.fixed_missions(_MISSIONS, lava.astype(jnp.int32), mission_length)
    return minigrid_drafts.level_of(start, missions.REACH, mission, 4 * size**2)


def _start(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Start, Bool[Array, ""], Int32[Array, ""]]:
    """Return a level, whether its rivers are lava, and the side of its room."""
    named, slots = Task(*task), (map_size(space)[0] - 3) // 2
    on_grid = named.on_grid > 0
    size = named.size.astype(jnp.int32)
    size = jnp.where(on_grid & (size % 2 == 0), size - 1, size)
    draw = UniformDraws(key, 2 + 6 * slots)
    lava = draw() < named.lava

    # In all arrays, row 0 holds the vertical rivers and row 1 the horizontal ones.
    position = jnp.broadcast_to(2 + 2 * np.arange(slots), (2, slots))
    anywhere = 2 + uniform_index(draw(), size - 4)
    position = jnp.where(on_grid, position, anywhere)
    priority = jnp.where(position < size - 2, draw(2, slots), -1.0)
    order = jnp.argsort(jnp.argsort(-priority.reshape(-1))).reshape(2, slots)
    first = np.arange(2 * slots).reshape(2, slots) == 0
    chosen = jnp.where(on_grid, (order < named.crossings) & (priority >= 0), first)

    # Each river is crossed at a random time; rivers of the same direction are crossed in order.
    time = jnp.sort(jnp.where(chosen, draw(2, slots), jnp.inf))
    time = jnp.take_along_axis(time, jnp.cumsum(chosen, 1) - 1, 1, mode="clip")
    # The opening lies between the rivers of the other direction crossed before and after.
    across, when = position[::-1, None], jnp.where(chosen, time, jnp.inf)[::-1, None]
    passed, ahead = when < time[..., None], chosen[::-1, None] & (when > time[..., None])
    low = jnp.max(jnp.where(passed, across, 0), 2)
    high = jnp.min(jnp.where(ahead, across, size - 1), 2)
    opening = low + 1 + uniform_index(draw(2, slots), high - low - 1)

    map = minigrid_drafts.empty_room(map_size(space), size, size)
    x, y = minigrid_drafts.coordinates(map_size(space))
    for kind, (at, along) in enumerate(((x, y), (y, x))):
        on = chosen[kind] & (at[..., None] == position[kind])
        river = jnp.any(on, -1) & (along > 0) & (along < size - 1)
        map = jnp.where(river, jnp.where(lava, minigrid_drafts.RED_LAVA, cells.GREY_WALL), map)
    for kind, (at, along) in enumerate(((x, y), (y, x))):
        on = chosen[kind] & (at[..., None] == position[kind])
        opens = jnp.any(on & (along[..., None] == opening[kind]), -1)
        map = jnp.where(opens, cells.EMPTY, map)
    map = jnp.where((x == size - 2) & (y == size - 2), minigrid_drafts.GREEN_GOAL, map).astype(
        jnp.uint8
    )
    one = jnp.int32(1)
    return minigrid_drafts.without_objects(map, one, one, jnp.int32(0)), lava, size


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.REACH,),
    max_steps=lambda space: 4 * map_size(space)[0] ** 2,
    longest_mission=lambda space: _MISSIONS.longest,
    play=missions.play,
)


def _rivers(size: int, crossings: int, lava: int) -> Box:
    return SPACE.restricted(size=size, crossings=crossings, lava=lava, on_grid=1)


LEVELS: dict[str, tuple[Box, str]] = {
    **{
        f"MiniGrid-{name}CrossingS{size}N{count}-v0": (
            _rivers(size, count, lava),
            f"Reach the goal through openings in {what} ({count}), in a room of size {size}.",
        )
        for name, lava, what in (
            ("Lava", 1, "lava rivers"),
            ("Simple", 0, "walls"),
        )
        for size, count in ((9, 1), (9, 2), (9, 3), (11, 5))
    },
    **{
        f"MiniGrid-LavaGapS{size}-v0": (
            SPACE.restricted(size=size, crossings=1, lava=1, on_grid=0),
            f"Reach the goal through a gap in the lava, in a room of size {size}.",
        )
        for size in (5, 6, 7)
    },
}

GROUP = Group(
    "Crossing",
    "Reach the goal square through the openings of lava rivers or walls.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (5, 7), "crossings": 1, "lava": 0},
)
