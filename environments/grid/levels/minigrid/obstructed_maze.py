"""MiniGrid's ObstructedMaze: locked doors blocked by balls, with keys hidden in boxes."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray

from didact.environments.grid import cells
from didact.environments.grid.levels import placement, room_grid
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, one_clause
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import DIRECTION_VECTORS, GONE, INSIDE
from didact.environments.language import grammar
from didact.environments.language.grammar import PICK_UP
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 5, 8, True, "cells", "Side of each square room, including walls."),
        Dimension(
            "quarters",
            *(0, 4, True, "quarters"),
            "Number of accessible quarters of the maze; each has a side room with two locked doors "
            "to corner rooms. 0: only two rooms with a locked door between them.",
        ),
        Dimension(
            "start_beside",
            *(0, 1, True, ""),
            "1: the agent starts in the first side room; 0: in the middle room.",
        ),
        Dimension(
            "hidden_keys",
            0,
            1,
            False,
            "probability",
            "Probability that a key is hidden in a box.",
        ),
        Dimension(
            "blocked_doors",
            *(0, 1, False, "probability"),
            "Probability that a locked door is blocked by a ball.",
        ),
        Dimension(
            "lost_keys",
            *(0, 1, True, ""),
            "1: a ball in front of a door may replace a key, which is then lost, as in version 0 "
            "of MiniGrid's levels; 0: no key is lost.",
        ),
    )
)

# The (column, row) of rooms, in the order of quarters.
_SIDES = np.array([(2, 1), (1, 2), (0, 1), (1, 0)])
_CORNERS = np.array([(2, 0), (2, 2), (0, 2), (0, 0)])
# MiniGrid's number of visited rooms for an agent that starts in the middle, which sets the step
# limit. Its levels have 0, 1, 2 or 4 quarters; the value for 3 lies in between.
_VISITED = np.array([2, 5, 12, 18, 25])


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    quarters: Float[Array, "*n"]
    start_beside: Float[Array, "*n"]
    hidden_keys: Float[Array, "*n"]
    blocked_doors: Float[Array, "*n"]
    lost_keys: Float[Array, "*n"]


class _Doors(NamedTuple):
    """Doors: first those of the middle room, then two locked ones per side room."""

    exists: Bool[Array, " d"]
    color: Int32[Array, " d"]
    x: Int32[Array, " d"]
    y: Int32[Array, " d"]
    before_x: Int32[Array, " d"]  # the cell in front of the door, in the side room
    before_y: Int32[Array, " d"]


class _Keys(NamedTuple):
    """The keys to the locked doors."""

    x: Int32[Array, " l"]
    y: Int32[Array, " l"]
    lost: Bool[Array, " l"]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    Doors lead from the middle room to side rooms, and locked doors lead from these to corner rooms,
    one of which contains the blue ball. Each side room has the keys to its own locked doors.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    draft = jax.vmap(functools.partial(_draft, space))(keys, tasks)
    return level_of(draft, _steps(Task(*tasks.T)), mission_length)


def _steps(task: Task) -> Int32[Array, " n"]:
    quarters = task.quarters.astype(jnp.int32)
    beside = (task.start_beside > 0) & (quarters > 0)
    return 4 * (jnp.asarray(_VISITED)[quarters] - beside) * task.room_size.astype(jnp.int32) ** 2


def _draft(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> Draft:
    layout, named, most = _layout(space), Task(*task), _most_quarters(space)
    two_rooms = named.quarters == 0
    rooms = Rooms(
        named.room_size.astype(jnp.int32), jnp.where(two_rooms, 1, 3), jnp.where(two_rooms, 2, 3)
    )
    locks = 2 * max(most, 1)
    draw = UniformDraws(key, 7 + most + 3 * locks + (locks // 2 + 5) * layout.inside)
    doors = _doors(rooms, named, most, draw)
    locked = jax.tree.map(lambda x: x[most:], doors)
    blocked = locked.exists & (draw(locks) < named.blocked_doors)
    hidden = locked.exists & (draw(locks) < named.hidden_keys)
    lie = _place_keys(layout, rooms, named, locked, blocked, draw)
    hidden, loose = hidden & ~lie.lost, locked.exists & ~hidden & ~lie.lost
    ball_x, ball_y = _place_target(layout, rooms, named, draw)

    def at(x, y):
        return y * layout.width + x

    # The table of objects: the target ball, keys, boxes, blocking balls and doors.
    key_place, box_row = at(lie.x, lie.y), 1 + locks + np.arange(locks)
    blue = cells.code(cells.BALL, cells.BLUE)
    box = cells.code(cells.BOX, cells.GREY) + cells.HOLDS
    ball = cells.code(cells.BALL, cells.GREEN)
    kind = np.where(np.arange(most + locks) < most, cells.CLOSED_DOOR, cells.LOCKED_DOOR)
    objects = [jnp.array([blue]), jnp.where(loose | hidden, cells.code(cells.KEY, locked.color), 0)]
    places = [
        at(ball_x, ball_y)[None],
        jnp.where(loose, key_place, jnp.where(hidden, INSIDE - box_row, GONE)),
    ]
    if space.high[space.column("hidden_keys")] > 0:
        objects += [jnp.where(hidden, box, 0)]
        places += [jnp.where(hidden, key_place, GONE)]
    if space.high[space.column("blocked_doors")] > 0:
        objects += [jnp.where(blocked, ball, 0)]
        places += [jnp.where(blocked, at(locked.before_x, locked.before_y), GONE)]
    objects += [jnp.where(doors.exists, cells.code(kind, doors.color), 0)]
    places += [jnp.where(doors.exists, at(doors.x, doors.y), GONE)]
    table = jnp.concatenate(objects).astype(jnp.uint8)
    place = jnp.concatenate(places)

    map = placement.put_on_map(room_grid.walls(layout, rooms), table, place)
    middle = layout.rooms // 2
    start = jnp.where(two_rooms, 0, jnp.where(named.start_beside > 0, middle + 1, middle))
    x, y, direction, _ = placement.place_agent_in_room(layout, rooms, map, start, draw)
    # The target is the only blue ball.
    meant = one_clause(table, *jnp.array([PICK_UP, cells.BALL, cells.BLUE]))
    map, place, hand = map.reshape(-1), place.astype(jnp.int16), jnp.uint8(cells.EMPTY)
    return Draft(map, at(x, y), direction, hand, table, place, *meant)


def _doors(rooms: Rooms, task: Task, most: int, draw: UniformDraws) -> _Doors:
    sides = max(most, 1)
    quarter, k = np.divmod(np.arange(2 * sides), 2)
    turned = quarter + 2 * k - 1  # the walls adjacent to the wall of the middle room
    column, row, direction, color = (
        jnp.asarray(np.concatenate([middle, side]))
        for middle, side in (
            (np.full(most, 1), _SIDES[quarter, 0]),
            (np.full(most, 1), _SIDES[quarter, 1]),
            (np.arange(most), turned % 4),
            (np.arange(most), turned % 6),
        )
    )
    two_rooms = task.quarters == 0
    only = two_rooms & (jnp.arange(len(column)) == most)  # the locked door between two rooms
    column, row, direction, color = (jnp.where(only, 0, x) for x in (column, row, direction, color))
    exists = (jnp.asarray(np.concatenate([np.arange(most), quarter])) < task.quarters) | only
    far = rooms.size - 1
    along = uniform_index(draw(len(column)), rooms.size - 2) + 1
    step = jnp.asarray(DIRECTION_VECTORS)[direction]

    def line(room, step):
        """Return the coordinate of a door in the wall towards `step`, or along it if 0."""
        return room * far + jnp.where(step == 0, along, jnp.where(step > 0, far, 0))

    x, y = line(column, step[:, 0]), line(row, step[:, 1])
    shuffled = jnp.argsort(draw(6))
    return _Doors(exists, shuffled[color], x, y, x - step[:, 0], y - step[:, 1])


def _place_keys(
    layout: Layout,
    rooms: Rooms,
    task: Task,
    locked: _Doors,
    blocked: Bool[Array, " l"],
    draw: UniformDraws,
) -> _Keys:
    """Choose a free cell for each key in its side room.

    In version 0 of MiniGrid's levels, the first key is placed before the second ball, which can
    replace it.
    """
    sides = len(blocked) // 2
    inner = np.arange(layout.inside)
    two_rooms = task.quarters == 0
    column = jnp.where(two_rooms, 0, jnp.asarray(_SIDES[:sides, 0]))[:, None]
    row = jnp.where(two_rooms, 0, jnp.asarray(_SIDES[:sides, 1]))[:, None]
    x, y = room_grid.cell_in_room(layout, rooms, row, column, inner)  # [sides, inside]
    before_x, before_y = (v.reshape(sides, 2, 1) for v in (locked.before_x, locked.before_y))
    ball = (x[:, None] == before_x) & (y[:, None] == before_y)
    ball &= blocked.reshape(sides, 2, 1)  # [sides, 2, inside]
    priority = jnp.where(room_grid.inner_cells(layout, rooms), draw(sides, layout.inside), -1)
    taken = ball[:, 0] | (ball[:, 1] & (task.lost_keys == 0))
    first = jnp.argmax(jnp.where(taken, -1, priority), axis=1)
    here = inner == first[:, None]
    second = jnp.argmax(jnp.where(ball[:, 0] | ball[:, 1] | here, -1, priority), axis=1)
    lost = jnp.any(ball[:, 1] & here, axis=1)
    chosen = jnp.stack([first, second], axis=1)
    x, y = (jnp.take_along_axis(v, chosen, axis=1).reshape(-1) for v in (x, y))
    return _Keys(x, y, jnp.stack([lost, lost & False], axis=1).reshape(-1))


def _place_target(
    layout: Layout, rooms: Rooms, task: Task, draw: UniformDraws
) -> tuple[Int32[Array, ""], Int32[Array, ""]]:
    """Choose the cell of the blue ball in a corner room, or in the second of two rooms."""
    two_rooms, size = task.quarters == 0, rooms.size
    corner = jnp.asarray(_CORNERS)[
        uniform_index(draw(), jnp.maximum(task.quarters, 1).astype(jnp.int32))
    ]
    column, row = jnp.where(two_rooms, 1, corner[0]), jnp.where(two_rooms, 0, corner[1])
    x, y = room_grid.cell_in_room(layout, rooms, row, column, np.arange(layout.inside))
    # Not in or next to the middle of the map, where MiniGrid assumes the agent before it is placed.
    middle_x, middle_y = rooms.columns // 2 * (size - 1), rooms.rows // 2 * (size - 1)
    away = jnp.abs(x - middle_x - size // 2) + jnp.abs(y - middle_y - size // 2) >= 2
    free = room_grid.inner_cells(layout, rooms) & away
    chosen = jnp.argmax(jnp.where(free, draw(layout.inside), -1))
    return x[chosen], y[chosen]


def _most_quarters(space: Box) -> int:
    return int(space.high[space.column("quarters")])


def _layout(space: Box) -> Layout:
    size = int(space.high[space.column("room_size")])
    return Layout(size, 3, 3) if _most_quarters(space) else Layout(size, 1, 2)


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map of a space, in cells."""
    layout = _layout(space)
    return layout.width, layout.height


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    task = Task(*space.high)
    beside = space.low[space.column("start_beside")] > 0 and task.quarters > 0
    return int(4 * (_VISITED[int(task.quarters)] - beside) * task.room_size**2)


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (PICK_UP,),
    max_steps=max_steps,
    longest_mission=lambda space: grammar.longest_clause([PICK_UP]),
)


def _maze(
    quarters: int,
    beside: bool = False,
    hidden: bool = True,
    blocked: bool = True,
    lost: bool = False,
) -> Box:
    return SPACE.restricted(
        room_size=6,
        quarters=quarters,
        start_beside=int(beside),
        hidden_keys=int(hidden),
        blocked_doors=int(blocked),
        lost_keys=int(lost),
    )


_TWO_ROOMS = "Pick up the blue ball behind a locked door"
_ONE_SIDE = "Pick up the blue ball behind one of two locked doors"
_QUARTER = "Find the blue ball in a quarter of the maze, with blocked doors and keys in boxes"
_HALF = "Find the blue ball in half of the maze, with blocked doors and keys in boxes"
_FULL = "Find the blue ball in the whole maze, with blocked doors and keys in boxes"
_LOST = "; a ball may have replaced a key."

LEVELS: dict[str, tuple[Box, str]] = {
    "MiniGrid-ObstructedMaze-1Dl-v0": (
        _maze(0, hidden=False, blocked=False),
        _TWO_ROOMS + ".",
    ),
    "MiniGrid-ObstructedMaze-1Dlh-v0": (
        _maze(0, blocked=False),
        _TWO_ROOMS + ", with its key in a box.",
    ),
    "MiniGrid-ObstructedMaze-1Dlhb-v0": (
        _maze(0),
        _TWO_ROOMS + " that is blocked by a ball, with its key in a box.",
    ),
    "MiniGrid-ObstructedMaze-2Dl-v0": (
        _maze(1, beside=True, hidden=False, blocked=False),
        _ONE_SIDE + ".",
    ),
    "MiniGrid-ObstructedMaze-2Dlh-v0": (
        _maze(1, beside=True, blocked=False),
        _ONE_SIDE + ", with their keys in boxes.",
    ),
    "MiniGrid-ObstructedMaze-2Dlhb-v0": (
        _maze(1, beside=True, lost=True),
        _ONE_SIDE + " blocked by balls, with their keys in boxes" + _LOST,
    ),
    "MiniGrid-ObstructedMaze-2Dlhb-v1": (
        _maze(1, beside=True),
        _ONE_SIDE + " blocked by balls, with their keys in boxes.",
    ),
    "MiniGrid-ObstructedMaze-1Q-v0": (_maze(1, lost=True), _QUARTER + _LOST),
    "MiniGrid-ObstructedMaze-1Q-v1": (_maze(1), _QUARTER + "."),
    "MiniGrid-ObstructedMaze-2Q-v0": (_maze(2, beside=True, lost=True), _HALF + _LOST),
    "MiniGrid-ObstructedMaze-2Q-v1": (_maze(2, beside=True), _HALF + "."),
    "MiniGrid-ObstructedMaze-Full-v0": (_maze(4, lost=True), _FULL + _LOST),
    "MiniGrid-ObstructedMaze-Full-v1": (_maze(4), _FULL + "."),
}

GROUP = Group(
    "ObstructedMaze",
    "Find a blue ball behind locked and blocked doors with keys hidden in boxes. Includes "
    "MiniGrid's ObstructedMaze levels.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"quarters": 0, "hidden_keys": 0, "blocked_doors": 0},
)
