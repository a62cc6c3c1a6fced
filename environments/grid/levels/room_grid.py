"""Grids of equal square rooms: their walls, their doors, and reachability.

Everything here handles a single level; use `jax.vmap` for batches. Arrays have the size of the
largest map of a `Layout`. A level may have smaller and fewer rooms; everything beyond its outer
walls is wall too.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, UInt8, UInt32

from didact.environments.backends import on_accelerator
from didact.environments.grid import cells


@dataclasses.dataclass(frozen=True)
class Layout:
    """The maximum size and number of rooms in a level.

    Attributes:
        room_size: the side of a room in cells, including walls; neighboring rooms share a wall.
        rows, columns: the number of rows and columns of rooms.
    """

    room_size: int
    rows: int
    columns: int

    @property
    def width(self) -> int:
        return (self.room_size - 1) * self.columns + 1

    @property
    def height(self) -> int:
        return (self.room_size - 1) * self.rows + 1

    @property
    def rooms(self) -> int:
        return self.rows * self.columns

    @property
    def inside(self) -> int:
        """The number of cells inside a room."""
        return (self.room_size - 2) ** 2

    @functools.cached_property
    def edges(self) -> np.ndarray:
        """The walls between two rooms, int[e, 2]: (room, its neighbor to the right or below)."""
        room = np.arange(self.rooms).reshape(self.rows, self.columns)
        right = np.stack([room[:, :-1].ravel(), room[:, 1:].ravel()], 1)
        below = np.stack([room[:-1].ravel(), room[1:].ravel()], 1)
        return np.concatenate([right, below])

    @functools.cached_property
    def to_the_right(self) -> np.ndarray:
        """Whether each edge leads to the right, bool[e]."""
        return self.edges[:, 1] - self.edges[:, 0] < (2 if self.columns == 1 else self.columns)


class Rooms(NamedTuple):
    """The rooms of one level, within a layout."""

    size: Int32[Array, ""]
    rows: Int32[Array, ""]
    columns: Int32[Array, ""]


def exists(layout: Layout, rooms: Rooms, room: Int[np.ndarray, " r"]) -> Bool[Array, " r"]:
    """Return which rooms of the layout exist in the level."""
    row, column = jnp.asarray(room // layout.columns), jnp.asarray(room % layout.columns)
    return (row < rooms.rows) & (column < rooms.columns)


def walls(layout: Layout, rooms: Rooms) -> UInt8[Array, "h w"]:
    """Return the map with only the walls of all rooms."""

    def lines(length: int, count: Int32[Array, ""]):
        at = np.arange(length, dtype=np.uint32)
        far = (rooms.size - 1).astype(jnp.uint32)
        return (at % far == 0) | (at > far * count.astype(jnp.uint32))

    wall = lines(layout.height, rooms.rows)[:, None] | lines(layout.width, rooms.columns)
    return jnp.where(wall, cells.GREY_WALL, cells.EMPTY).astype(jnp.uint8)


def shared_walls(layout: Layout, rooms: Rooms) -> tuple[Bool[Array, "h w"], Bool[Array, "h w"]]:
    """Return the cells of walls between horizontal and between vertical neighbors.

    Cells where walls cross are in neither. Removing these cells merges two rooms.
    """
    far = (rooms.size - 1).astype(jnp.uint32)

    def lines(length: int, count: Int32[Array, ""]):
        at = np.arange(length, dtype=np.uint32)
        inside = (at > 0) & (at < far * count.astype(jnp.uint32))
        return inside & (at % far == 0), inside & (at % far > 0)

    (x_wall, x_room), (y_wall, y_room) = (
        lines(layout.width, rooms.columns),
        lines(layout.height, rooms.rows),
    )
    return y_room[:, None] & x_wall, y_wall[:, None] & x_room


def cell_in_room(
    layout: Layout,
    rooms: Rooms,
    row: Int[Array, "*s"] | np.ndarray,
    column: Int[Array, "*s"] | np.ndarray,
    inner: Int[Array, "*s"] | np.ndarray,
) -> tuple[Int[Array, "*s"], Int[Array, "*s"]]:
    """Return the coordinates (x, y) of cell `inner` of a room, numbered as in the largest room."""
    side = layout.room_size - 2
    row, column, inner = (jnp.asarray(at) for at in (row, column, inner))
    down = (inner.astype(jnp.uint32) // side).astype(jnp.int32)  # unsigned division is faster
    x = column * (rooms.size - 1) + 1 + inner - down * side
    y = row * (rooms.size - 1) + 1 + down
    return x, y


def inner_cells(layout: Layout, rooms: Rooms) -> Bool[Array, " q"]:
    """Return which cells of the largest room exist in the rooms of the level."""
    side = layout.room_size - 2
    inner = jnp.arange(layout.inside)
    return (inner % side < rooms.size - 2) & (inner // side < rooms.size - 2)


def connect(
    layout: Layout,
    rooms: Rooms,
    order: Float[Array, " e"],
    allowed: Bool[Array, " e"] | None = None,
) -> tuple[Bool[Array, " e"], Bool[Array, ""]]:
    """Add doors to walls in random order until all rooms are connected.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        order: random numbers that define the order of the walls.
        allowed: the walls that may have a door; None for all.

    Returns:
        The walls with a door, and whether all rooms are connected.
    """
    edges = layout.edges
    if len(edges) == 0:
        return jnp.zeros(0, bool), rooms.size > 0
    there = exists(layout, rooms, edges[:, 1])
    if allowed is not None:
        there &= allowed
    return (_connect_at_once if on_accelerator() else _connect_in_turn)(layout, rooms, order, there)


def _connect_in_turn(layout, rooms, order, there):
    """Process the walls one by one; each iteration is cheap."""
    edges = layout.edges
    sequence = jnp.argsort(jnp.where(there, order, jnp.inf))
    # Connected rooms share a label; rooms that do not exist count as connected.
    label = jnp.where(exists(layout, rooms, np.arange(layout.rooms)), np.arange(layout.rooms), 0)
    pairs = jnp.asarray(edges)

    def add(i, carry):
        label, used = carry
        edge = sequence[i]
        add = jnp.any(label != label[0]) & there[edge]
        a, b = label[pairs[edge, 0]], label[pairs[edge, 1]]
        label = jnp.where(add & (label == jnp.maximum(a, b)), jnp.minimum(a, b), label)
        return label, used | (add & (jnp.arange(len(edges)) == edge))

    label, used = jax.lax.fori_loop(0, len(edges), add, (label, there & False))
    return used, jnp.all(label == label[0])


def _connect_at_once(layout, rooms, order, there):
    """Find the rank up to which doors are needed, from the best path to each room."""
    edges = layout.edges
    # Integer ranks break ties in the same way as processing the walls one by one.
    rank = jnp.argsort(jnp.argsort(jnp.where(there, order, jnp.inf))).astype(jnp.float32)
    rank = jnp.where(there, rank, jnp.inf)
    beside = np.full((layout.rooms, layout.rooms), len(edges))
    beside[edges[:, 0], edges[:, 1]] = beside[edges[:, 1], edges[:, 0]] = np.arange(len(edges))
    door = jnp.append(rank, jnp.inf)[beside]
    last = jnp.full(layout.rooms, jnp.inf).at[0].set(-jnp.inf)  # rank of the last door on the path
    for _ in range(layout.rooms - 1):
        last = jnp.minimum(last, jnp.min(jnp.maximum(last, door), 1))
    enough = jnp.max(jnp.where(exists(layout, rooms, np.arange(layout.rooms)), last, -jnp.inf))
    return there & (rank <= enough), enough < jnp.inf


def door_cells(
    layout: Layout, rooms: Rooms, along: Float[Array, " e"]
) -> tuple[Int[Array, " e"], Int[Array, " e"]]:
    """Return the coordinates (x, y) of the door of each edge.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        along: the position of the door on its wall, uniform in 0..1.
    """
    room = jnp.asarray(layout.edges[:, 0])
    near = (along * (rooms.size - 2).astype(jnp.float32)).astype(jnp.int32) + 1
    near = jnp.minimum(near, rooms.size - 2)
    far = rooms.size - 1
    x = room % layout.columns * far + jnp.where(layout.to_the_right, far, near)
    y = room // layout.columns * far + jnp.where(layout.to_the_right, near, far)
    return x, y


def place_in_rooms(
    layout: Layout,
    rooms: Rooms,
    priority: Float[Array, "r q"],
    row: Int32[Array, " k"],
    column: Int32[Array, " k"],
    wanted: Bool[Array, " k"],
    near: tuple[Int[Array, ""], Int[Array, ""]],
    dealt: int,
) -> tuple[Int32[Array, " k"], Int32[Array, " k"], Int32[Array, " k"], Int32[Array, " k"]]:
    """Return a cell for every wanted object, uniform among the free cells of its room.

    Shuffling the cells of every room once (by priority) and dealing them in that order is
    equivalent to drawing them one after another.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        priority: random priorities of the cells of each room, uniform in 0..1.
        row, column: the room of each object.
        wanted: which objects exist.
        near: the coordinates of a cell that stays free, as do its four neighbors.
        dealt: the maximum number of objects per room that get a cell.

    Returns:
        The coordinates x and y of each object, its rank among the objects of its room, and the
        number of available cells in that room.
    """
    rows, columns = np.divmod(np.arange(layout.rooms)[:, None], layout.columns)
    cell_x, cell_y = cell_in_room(layout, rooms, rows, columns, np.arange(layout.inside))
    far = jnp.abs(cell_x - near[0]) + jnp.abs(cell_y - near[1]) >= 2
    free = far & inner_cells(layout, rooms)
    _, deck = jax.lax.top_k(jnp.where(free, priority, -1.0), dealt)
    room = row * layout.columns + column
    rank = jnp.sum(jnp.tril(wanted & (room[:, None] == room), -1), 1)
    x, y = cell_in_room(layout, rooms, row, column, deck[room, jnp.minimum(rank, dealt - 1)])
    return x, y, rank, jnp.sum(free, 1)[room]


def bit_rows(mask: Bool[Array, "h w"]) -> UInt32[Array, " h"]:
    """Return rows of bits, where bit x of row y is cell (x, y); maps are at most 32 cells wide."""
    bits = jnp.left_shift(jnp.uint32(1), jnp.arange(mask.shape[1], dtype=jnp.uint32))
    return jnp.sum(jnp.where(mask, bits, 0), 1, dtype=jnp.uint32)


def all_reachable(
    map: UInt8[Array, "h w"], x: Int[Array, ""], y: Int[Array, ""]
) -> Bool[Array, ""]:
    """Return whether an agent at (x, y) can get next to every object and door without moving any.

    Doors count as passable in any state.
    """
    kind = cells.kind_of(map)
    free = bit_rows((kind == cells.EMPTY) | cells.is_door(kind))
    wanted = bit_rows(cells.is_portable(kind) | cells.is_door(kind))
    start = jnp.where(jnp.arange(map.shape[0]) == y, jnp.left_shift(1, x), 0).astype(jnp.uint32)

    def spread(carry):
        _, rows = carry
        new = rows
        for _ in range(4 if on_accelerator() else 1):
            new = _along_rows(new | _neighbour_rows(new) & free, free)
        return jnp.any(new != rows), new

    _, reached = jax.lax.while_loop(lambda c: c[0], spread, (x > 0, start))
    beside = reached | (reached << 1) | (reached >> 1) | _neighbour_rows(reached)
    return jnp.all(wanted & ~beside == 0)


def _neighbour_rows(rows: UInt32[Array, " h"]) -> UInt32[Array, " h"]:
    # The first and the last row are wall, so wrapping around is harmless.
    return jnp.roll(rows, 1) | jnp.roll(rows, -1)


def _along_rows(rows: UInt32[Array, " h"], free: UInt32[Array, " h"]) -> UInt32[Array, " h"]:
    """Return `rows` extended to the left and right through the cells of `free`."""
    up, down = free, free
    left, right = rows, rows
    for by in (1, 2, 4, 8, 16):
        left |= (left << by) & up
        right |= (right >> by) & down
        up &= up << by
        down &= down >> by
    return left | right
