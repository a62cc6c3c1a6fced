"""MiniGrid's Playground: rooms with objects and no mission."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.grid import cells, missions
from didact.environments.grid.levels import minigrid_drafts, placement, room_grid
from didact.environments.grid.levels.family import Family, Group, Level, layout_of, map_size
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.grid.levels.room_grid import Rooms
from didact.environments.grid.rules import GONE
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 4, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms."),
        Dimension("columns", 1, 3, True, "rooms", "Number of columns of rooms."),
        Dimension(
            "objects",
            *(0, 18, True, "objects"),
            "Keys, balls and boxes on random cells; objects without a free cell are omitted.",
        ),
    )
)

STEPS = 100  # per episode


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, ""]
    rows: Float[Array, ""]
    columns: Float[Array, ""]
    objects: Float[Array, ""]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    There is a closed door between any two neighboring rooms. The agent and the objects are on
    random cells of all rooms.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission, all of which are 0.
    """
    start = jax.vmap(functools.partial(_start, space))(keys, tasks)
    nothing = jnp.zeros((len(tasks), mission_length), jnp.uint8)
    return minigrid_drafts.level_of(
        start, missions.PLAY, nothing, jnp.full(len(tasks), float(STEPS))
    )


def _start(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Start:
    layout, named = layout_of(space), Task(*task)
    rooms = Rooms(*(v.astype(jnp.int32) for v in named[:3]))
    most, e = int(space.high[space.column("objects")]), len(layout.edges)
    draw = UniformDraws(key, 1 + most + 2 * e + layout.rooms * layout.inside)
    # The agent and the objects get the first cells in a random order of all cells.
    row, column = np.divmod(np.arange(layout.rooms)[:, None], layout.columns)
    x, y = room_grid.cell_in_room(layout, rooms, row, column, np.arange(layout.inside))
    there = room_grid.exists(layout, rooms, np.arange(layout.rooms))[:, None]
    free = there & room_grid.inner_cells(layout, rooms)
    priority = jnp.where(free, draw(*free.shape), -1).reshape(-1)
    score, first = jax.lax.top_k(priority, min(1 + most, priority.size))
    x, y = x.reshape(-1)[first], y.reshape(-1)[first]
    wanted = (score[1:] >= 0) & (jnp.arange(len(first) - 1) < named.objects)
    looks = uniform_index(draw(len(first) - 1), 18)
    things = jnp.where(wanted, cells.code(cells.KEY + looks // 6, looks % 6), 0)

    # A door is never in the last cell of its wall (at the right or lower end).
    doors_there = room_grid.exists(layout, rooms, layout.edges[:, 1])
    shorter = (rooms.size - 3) / (rooms.size - 2)
    door_x, door_y = room_grid.door_cells(layout, rooms, draw(e) * shorter)
    doors = jnp.where(doors_there, cells.code(cells.CLOSED_DOOR, uniform_index(draw(e), 6)), 0)
    objects = jnp.concatenate([things, doors]).astype(jnp.uint8)
    places = jnp.concatenate(
        [
            jnp.where(wanted, y[1:] * layout.width + x[1:], GONE),
            jnp.where(doors_there, door_y * layout.width + door_x, GONE),
        ]
    )
    map = placement.put_on_map(room_grid.walls(layout, rooms), objects, places)
    return Start(
        map, x[0], y[0], uniform_index(draw(), 4), objects, places, jnp.zeros_like(objects)
    )


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (missions.PLAY,),
    max_steps=lambda space: STEPS,
    longest_mission=lambda space: 0,
    play=missions.play,
)

LEVELS: dict[str, tuple[Box, str]] = {
    "MiniGrid-Playground-v0": (
        SPACE.restricted(room_size=7, rows=3, columns=3, objects=12),
        "Play with 12 objects in 3x3 rooms; there is no mission and no reward.",
    ),
}

GROUP = Group(
    "Playground",
    "Rooms with doors, keys, balls and boxes, without a mission.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={},
)
