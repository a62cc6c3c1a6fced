"""Placement of doors, of which one may be locked, of objects and of the agent in rooms.

Everything here handles a single level; use `jax.vmap` for batches.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, UInt8

from didact.environments.grid import cells
from didact.environments.grid.levels import room_grid
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import DIRECTION_VECTORS, GONE
from didact.environments.random_draws import UniformDraws, uniform_index


class FloorPlan(NamedTuple):
    """Rooms with doors and objects, before the agent is placed."""

    map: UInt8[Array, "h w"]
    objects: UInt8[Array, " k"]
    places: Int32[Array, " k"]  # GONE in unused rows
    locked: Int32[Array, ""]  # the locked room, or -1
    lock_color: Int32[Array, ""]
    good: Bool[Array, ""]


class Doors(NamedTuple):
    """Rooms with doors only; e is the number of walls between two rooms."""

    map: UInt8[Array, "h w"]
    objects: UInt8[Array, " e"]  # 0 where there is no door
    places: Int32[Array, " e"]  # GONE where there is none
    color: Int32[Array, " e"]  # also set where there is no door
    good: Bool[Array, ""]  # whether all rooms are connected


def num_draws(layout: Layout, most: int) -> int:
    """Return the number of draws of `place_doors_and_objects` and `place_agent` together."""
    per_room = layout.inside + 2
    return 2 + 4 * len(layout.edges) + 3 * (most + 1) + layout.rooms * per_room + 4 * layout.inside


def place_doors_and_objects(
    layout: Layout,
    rooms: Rooms,
    objects: Float[Array, ""],
    locked_room: Float[Array, ""],
    most: int,
    draw: UniformDraws,
) -> FloorPlan:
    """Connect all rooms with random doors, and place objects in random rooms.

    One room may have a single, locked door; its key is in another room.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        objects: the number of objects besides the key. Objects that would fill more than a third of
            the cells are omitted.
        locked_room: the probability of a locked room.
        most: the maximum number of objects in any level.
        draw: the source of random numbers; `num_draws` says how many are used.
    """
    edges, e = layout.edges, len(layout.edges)
    there = room_grid.exists(layout, rooms, np.arange(layout.rooms))
    lock = jnp.zeros(e, bool)
    locked, lock_color, chosen = jnp.int32(-1), jnp.int32(0), jnp.int32(0)
    if e:
        between = room_grid.exists(layout, rooms, edges[:, 1])
        locks = (draw() < locked_room) & jnp.any(between)
        # Choose a wall between two rooms and which of the two is locked.
        chosen = jnp.argmax(jnp.where(between, draw(e), -1))
        side = (draw() < 0.5).astype(jnp.int32)
        lock = (jnp.arange(e) == chosen) & locks
        locked = jnp.where(locks, jnp.asarray(edges)[chosen, side], -1)
    doors = place_doors(layout, rooms, lock, locked, draw)
    map, good = doors.map, doors.good
    if e:
        lock_color = doors.color[chosen]

    row, column = (
        uniform_index(draw(most + 1), rooms.rows),
        uniform_index(draw(most + 1), rooms.columns),
    )
    # The key of the locked room is the last object, in any other room.
    elsewhere = there & (jnp.arange(layout.rooms) != locked)
    key_room = jnp.argmax(jnp.where(elsewhere, draw(layout.rooms), -1))
    row = row.at[most].set(key_room // layout.columns)
    column = column.at[most].set(key_room % layout.columns)
    looks = uniform_index(draw(most + 1), 18)
    things = cells.code(cells.KEY + looks // 6, looks % 6)
    things = things.at[most].set(cells.code(cells.KEY, lock_color))
    room_for = jnp.maximum((rooms.size - 2) ** 2 // 3 * rooms.rows * rooms.columns, 1)
    wanted = jnp.arange(most + 1) < jnp.minimum(objects, room_for)
    wanted = wanted.at[most].set(locked >= 0)
    # As in BabyAI, the agent counts as being in the middle of the map until it is placed.
    far = rooms.size - 1
    middle = [count // 2 * far + rooms.size // 2 for count in (rooms.columns, rooms.rows)]
    dealt = min(layout.inside, most + 1)
    priority = draw(layout.rooms, layout.inside)
    x, y, rank, available = room_grid.place_in_rooms(
        layout, rooms, priority, row, column, wanted, (middle[0], middle[1]), dealt
    )
    fits = rank < jnp.minimum(available, dealt)
    good &= jnp.all(~wanted | fits)
    wanted &= fits
    things = jnp.where(wanted, things, 0).astype(jnp.uint8)
    places = jnp.where(wanted, y * layout.width + x, GONE)
    map = map.at[jnp.where(wanted, y, layout.height), x].set(things, mode="drop")
    return FloorPlan(
        map,
        jnp.concatenate([things, doors.objects]),
        jnp.concatenate([places, doors.places]),
        locked,
        lock_color,
        good,
    )


def place_doors(
    layout: Layout,
    rooms: Rooms,
    lock: Bool[Array, " e"],
    locked: Int32[Array, ""],
    draw: UniformDraws,
    certain: Bool[Array, " e"] | None = None,
) -> Doors:
    """Add closed doors between random rooms, one after another, until all are connected.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        lock: the wall with the locked door, if any; the locked room has no other door.
        locked: the locked room, or -1.
        draw: the source of random numbers, three per wall.
        certain: further walls that always have a door, except those of the locked room.
    """
    edges, e = layout.edges, len(layout.edges)
    map = room_grid.walls(layout, rooms)
    if not e:
        nothing = jnp.zeros(0, jnp.int32)
        return Doors(map, nothing.astype(jnp.uint8), nothing, nothing, jnp.bool_(True))
    apart = jnp.all(jnp.asarray(edges) != locked, axis=1)
    certain = lock if certain is None else lock | certain
    order = jnp.where(certain, -1, draw(e))
    used, good = room_grid.connect(layout, rooms, order, apart | lock)
    x, y = room_grid.door_cells(layout, rooms, draw(e))
    color = uniform_index(draw(e), 6)
    kind = jnp.where(lock, cells.LOCKED_DOOR, cells.CLOSED_DOOR)
    objects = jnp.where(used, cells.code(kind, color), 0).astype(jnp.uint8)
    map = map.at[jnp.where(used, y, layout.height), x].set(objects, mode="drop")
    return Doors(map, objects, jnp.where(used, y * layout.width + x, GONE), color, good)


def place_agent(
    layout: Layout, rooms: Rooms, floor: FloorPlan, draw: UniformDraws
) -> tuple[Int32[Array, ""], Int32[Array, ""], Int32[Array, ""], Int32[Array, ""]]:
    """Return coordinates, direction and room (-1 if there is no place) for the agent.

    The room is not locked, the cell is free, and the agent faces a free cell or a wall.
    """
    index = np.arange(layout.rooms)
    open_ = room_grid.exists(layout, rooms, index) & (index != floor.locked)
    room = jnp.argmax(jnp.where(open_, draw(layout.rooms), -1))
    x, y, direction, found = place_agent_in_room(layout, rooms, floor.map, room, draw)
    return x, y, direction, jnp.where(found, room, -1)


def place_agent_in_room(
    layout: Layout, rooms: Rooms, map: UInt8[Array, "h w"], room: Int[Array, ""], draw: UniformDraws
) -> tuple[Int32[Array, ""], Int32[Array, ""], Int32[Array, ""], Bool[Array, ""]]:
    """Return coordinates and direction for the agent in a room, and whether there is a place.

    The cell is free, and the agent faces a free cell or a wall.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        map: the map.
        room: the number of the room in the layout.
        draw: the source of random numbers, four per cell of a room.
    """
    inner = jnp.arange(layout.inside)
    row, column = room // layout.columns, room % layout.columns
    x, y = room_grid.cell_in_room(layout, rooms, row, column, inner)
    return place_agent_on(map, x, y, room_grid.inner_cells(layout, rooms), draw)


def place_agent_on(
    map: UInt8[Array, "h w"],
    x: Int[Array, " q"],
    y: Int[Array, " q"],
    may: Bool[Array, " q"],
    draw: UniformDraws,
) -> tuple[Int32[Array, ""], Int32[Array, ""], Int32[Array, ""], Bool[Array, ""]]:
    """Place the agent as in `place_agent_in_room`, on the cells (x, y) where `may` is True.

    Draws four random numbers per cell.
    """
    free = may & (map[y, x] == cells.EMPTY)
    ahead = cells.kind_of(
        map[y[:, None] + DIRECTION_VECTORS[:, 1], x[:, None] + DIRECTION_VECTORS[:, 0]]
    )
    valid = free[:, None] & ((ahead == cells.EMPTY) | (ahead == cells.WALL))
    score = jnp.where(valid, draw(*valid.shape), -1).reshape(-1)
    best = jnp.argmax(score)
    cell, direction = best // 4, (best % 4).astype(jnp.int32)
    return x[cell], y[cell], direction, score[best] >= 0


def put_on_map(
    map: UInt8[Array, "h w"], things: UInt8[Array, " k"], places: Int32[Array, " k"]
) -> UInt8[Array, "h w"]:
    """Return the map with objects added, except those whose place is not on the map."""
    target = jnp.where(places >= 0, places, map.size)
    return map.reshape(-1).at[target].set(things, mode="drop").reshape(map.shape)
