"""One room with objects and an agent, where either may be placed first.

Everything here handles a single level; use `jax.vmap` for batches.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Int32, UInt8

from didact.environments.grid import cells
from didact.environments.grid.levels import placement, room_grid
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import GONE
from didact.environments.random_draws import UniformDraws, uniform_index, weighted_index

NUM_APPEARANCES = 18  # combinations of kind and color of keys, balls and boxes


class RoomContents(NamedTuple):
    """A map with objects and an agent in one of its rooms."""

    map: UInt8[Array, "h w"]
    places: Int32[Array, " k"]  # GONE in unused rows
    x: Int32[Array, ""]  # of the agent
    y: Int32[Array, ""]
    direction: Int32[Array, ""]
    good: Bool[Array, ""]  # whether there was a place for everything


def num_draws(layout: Layout, count: int) -> int:
    """Return the number of draws of `sample_appearances` and `place_objects_and_agent` together."""
    return NUM_APPEARANCES + count + 3 + 5 * layout.inside


def sample_appearances(
    count: int, distinct: Bool[Array, ""], allowed: Bool[Array, " 18"], draw: UniformDraws
) -> Int32[Array, " k"]:
    """Sample appearances, 6 * (kind - KEY) + color, uniform among those allowed.

    Args:
        count: the number of objects.
        distinct: whether all must differ, which requires at least `count` allowed appearances.
        allowed: the allowed appearances.
        draw: the source of random numbers.
    """
    different = jnp.argsort(jnp.where(allowed, draw(NUM_APPEARANCES), 2.0))[:count]
    weights = jnp.broadcast_to(allowed.astype(jnp.float32), (count, NUM_APPEARANCES))
    return jnp.where(distinct, different, weighted_index(draw(count), weights)).astype(jnp.int32)


def cell_of_appearance(look: Int[Array, "*s"]) -> UInt8[Array, "*s"]:
    """Return the cell of an object with this appearance."""
    return cells.code(cells.KEY + look // 6, look % 6).astype(jnp.uint8)


def max_objects(rooms: Rooms, share: int) -> Int32[Array, ""]:
    """Return the maximum number of objects in a room: one per `share` cells, but at least one."""
    return jnp.maximum((rooms.size - 2) ** 2 // share, 1)


def room_centre(rooms: Rooms) -> tuple[Int32[Array, ""], Int32[Array, ""]]:
    """Return the coordinates (x, y) at which BabyAI assumes an agent before it is placed."""
    far = rooms.size - 1
    return rooms.columns // 2 * far + rooms.size // 2, rooms.rows // 2 * far + rooms.size // 2


def random_position(
    rooms: Rooms, row: Int[Array, ""], column: Int[Array, ""], u: Float[Array, " 3"]
) -> tuple[Int32[Array, ""], Int32[Array, ""], Int32[Array, ""]]:
    """Return random coordinates and a random direction for an agent in an empty room."""
    x, y = (at * (rooms.size - 1) + 1 for at in (column, row))
    return (
        x + uniform_index(u[0], rooms.size - 2),
        y + uniform_index(u[1], rooms.size - 2),
        uniform_index(u[2], 4),
    )


def place_objects_and_agent(
    layout: Layout,
    rooms: Rooms,
    room: tuple[Int[Array, ""], Int[Array, ""]],
    map: UInt8[Array, "h w"],
    objects: UInt8[Array, " k"],
    agent_last: Bool[Array, ""],
    draw: UniformDraws,
) -> RoomContents:
    """Place objects and the agent in one room.

    An agent that is placed first may be anywhere, and no object is next to it. An agent that is
    placed last faces no object or door, and no object is next to the middle of the map.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        room: the row and column of the room.
        map: the map without objects.
        objects: the packed objects; 0 in unused rows.
        agent_last: whether the agent is placed last.
        draw: the source of random numbers; `num_draws` says how many are used.
    """
    row, column = room
    x, y, direction = random_position(rooms, row, column, draw(3))
    wanted, good = objects != 0, jnp.bool_(True)
    places = jnp.full(len(objects), GONE)
    if len(objects):
        middle_x, middle_y = room_centre(rooms)
        near_x, near_y = jnp.where(agent_last, middle_x, x), jnp.where(agent_last, middle_y, y)
        left, top = column * (rooms.size - 1), row * (rooms.size - 1)
        alone = Rooms(rooms.size, jnp.int32(1), jnp.int32(1))
        zeros = jnp.zeros(len(objects), jnp.int32)
        dealt = min(layout.inside, len(objects))
        at_x, at_y, rank, available = room_grid.place_in_rooms(
            Layout(layout.room_size, 1, 1),
            alone,
            draw(1, layout.inside),
            zeros,
            zeros,
            wanted,
            (near_x - left, near_y - top),
            dealt,
        )
        good &= jnp.all(~wanted | (rank < jnp.minimum(available, dealt)))
        at_x, at_y = at_x + left, at_y + top
        places = jnp.where(wanted, at_y * layout.width + at_x, GONE)
        map = map.at[jnp.where(wanted, at_y, layout.height), at_x].set(objects, mode="drop")
    last_x, last_y, last_direction, found = placement.place_agent_in_room(
        layout, rooms, map, row * layout.columns + column, draw
    )
    return RoomContents(
        map,
        places,
        jnp.where(agent_last, last_x, x),
        jnp.where(agent_last, last_y, y),
        jnp.where(agent_last, last_direction, direction),
        good & (found | ~agent_last),
    )
