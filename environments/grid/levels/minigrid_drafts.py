"""Shared parts of MiniGrid's own environments: walls, free cells and fixed missions."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, UInt8

from didact.environments.grid import cells, missions
from didact.environments.grid.levels.family import Level
from didact.environments.grid.rules import World
from didact.environments.language.templates import Templates
from didact.environments.random_draws import uniform_index

GREEN_GOAL = cells.code(cells.GOAL, cells.GREEN)
RED_LAVA = cells.code(cells.LAVA, cells.RED)


class Start(NamedTuple):
    """One level, without its mission."""

    map: UInt8[Array, "*n h w"]
    x: Int32[Array, "*n"]  # of the agent
    y: Int32[Array, "*n"]
    direction: Int32[Array, "*n"]
    objects: UInt8[Array, "*n k"]  # 0 in unused rows
    places: Int32[Array, "*n k"]  # the cell of each object, or GONE
    members: UInt8[Array, "*n k"]  # bit d: the object belongs to description d


def without_objects(
    map: UInt8[Array, "h w"],
    x: Int32[Array, ""],
    y: Int32[Array, ""],
    direction: Int32[Array, ""],
) -> Start:
    """Make a level without objects."""
    nothing = jnp.zeros(0, jnp.uint8)
    return Start(map, x, y, direction, nothing, jnp.zeros(0, jnp.int32), nothing)


def level_of(
    start: Start, clause: int, mission: UInt8[Array, "n l"], max_steps: Float[Array, " n"]
) -> Level:
    """Convert the starts of n levels to levels.

    Args:
        start: n starts.
        clause: the kind of mission, one of those in `missions`.
        mission: the token ids of the missions.
        max_steps: the step limit of each episode.
    """
    n, _, width = start.map.shape
    places = start.places.astype(jnp.int16)
    world = World(
        cells=start.map.reshape(n, -1),
        position=start.y * width + start.x,
        direction=start.direction,
        carried=jnp.full(n, cells.EMPTY, jnp.uint8),
        objects=start.objects,
        places=places,
    )
    goal = missions.start(jnp.full((n, 1), clause, jnp.uint8), start.members, places)
    return Level(world, goal, mission, max_steps.astype(jnp.int32))


def fixed_missions(
    templates: Templates, which: Int[Array, " n"], length: int
) -> UInt8[Array, "n l"]:
    """Return the token ids of templates without placeholders."""
    nothing = jnp.zeros((len(which), 1), jnp.int32)
    return templates.fill(which, nothing, nothing, length)


def empty_room(
    size: tuple[int, int], width: Int32[Array, ""], height: Int32[Array, ""]
) -> UInt8[Array, "h w"]:
    """Return a map with an empty room in its upper left corner and wall elsewhere.

    Args:
        size: width and height of the map.
        width, height: the size of the room, including walls.
    """
    x, y = coordinates(size)
    wall = (x == 0) | (y == 0) | (x >= width - 1) | (y >= height - 1)
    return jnp.where(wall, cells.GREY_WALL, cells.EMPTY).astype(jnp.uint8)


def coordinates(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates x, int[1, w], and y, int[h, 1], of the cells of a map."""
    return np.arange(size[0])[None], np.arange(size[1])[:, None]


def random_free_cell(
    u: Float[Array, ""], free: Bool[Array, "h w"]
) -> tuple[Int32[Array, ""], Int32[Array, ""]]:
    """Return the coordinates x and y of a random free cell.

    Args:
        u: a random number, uniform in 0..1.
        free: the free cells; at least one.
    """
    before = jnp.cumsum(free.reshape(-1), dtype=jnp.int32)
    place = jnp.sum(before <= uniform_index(u, before[-1]), dtype=jnp.int32)
    return place % free.shape[1], place // free.shape[1]
