"""Levels of the "go to" family: BabyAI's GoTo group."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int16, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels import room_grid
from didact.environments.grid.levels.family import (
    Family,
    Group,
    Level,
    layout_of,
    map_size,
    max_steps_for,
)
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import GONE, World
from didact.environments.language import grammar, vocabulary
from didact.environments.random_draws import uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 4, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms."),
        Dimension("columns", 1, 3, True, "rooms", "Number of columns of rooms."),
        Dimension(
            "distractors",
            *(0, 17, True, "objects"),
            "Number of objects besides the target, scattered over all rooms. Objects that would "
            "fill more than a third of a room are omitted.",
        ),
        Dimension(
            "open_doors",
            *(0, 1, False, "probability"),
            "Probability that a door between rooms is open at the start.",
        ),
        Dimension(
            "red_ball",
            *(0, 1, False, "probability"),
            "Probability that the target is a red ball instead of a random object.",
        ),
        Dimension(
            "grey_distractors",
            *(0, 1, False, "probability"),
            "Probability that a distractor is grey instead of a random color.",
        ),
    )
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, ""]
    rows: Float[Array, ""]
    columns: Float[Array, ""]
    distractors: Float[Array, ""]
    open_doors: Float[Array, ""]
    red_ball: Float[Array, ""]
    grey_distractors: Float[Array, ""]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The agent starts in a random room, and doors are added between random rooms until all are
    connected. The target and the distractors are placed in random rooms, on random free cells that
    are not next to the agent. As in BabyAI, levels are rejected if something cannot be reached
    without moving something else.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        mission_length: the number of tokens in a mission.
    """
    good, draft = rejection_sample(functools.partial(_attempt, space), keys, tasks)
    return _finish(good, draft, tasks, mission_length)


class _Draft(NamedTuple):
    """One level, before its reachability has been checked."""

    map: UInt8[Array, " c"]
    position: Int32[Array, ""]
    direction: Int32[Array, ""]
    objects: UInt8[Array, " k"]  # 0 in unused rows; row 0 is the target
    places: Int16[Array, " k"]


class _Draws(NamedTuple):
    """The random numbers of one level, uniform in 0..1; unused ones are constant 0.5."""

    agent: Float[Array, " 5"]  # row, column, x and y in the room, direction
    order: Float[Array, " e"]  # the order in which walls get doors
    along: Float[Array, " e"]  # the position of each door on its wall
    door_color: Float[Array, " e"]
    door_open: Float[Array, " e"]
    row: Float[Array, " k"]  # of the rooms of objects
    column: Float[Array, " k"]
    looks: Float[Array, " k"]  # kind and color of each object
    special: Float[Array, " k"]  # whether it is a red ball, or grey
    priority: Float[Array, " rq"]  # the order in which the cells of each room are filled


def _draw(space: Box, key: PRNGKeyArray) -> _Draws:
    layout, most, edges = layout_of(space), _most_objects(space), len(layout_of(space).edges)
    bounds = {d.name: (d.low, d.high) for d in space.dimensions}
    sizes = dict(zip(_Draws._fields, (5, *[edges] * 4, *[most] * 4), strict=False))
    sizes["priority"] = layout.rooms * layout.inside
    matters = {
        "door_open": bounds["open_doors"] not in ((0, 0), (1, 1)),
        "row": layout.rows > 1,
        "column": layout.columns > 1,
        "special": bounds["red_ball"][1] > 0 or bounds["grey_distractors"][1] > 0,
    }
    drawn = {name: n if matters.get(name, True) else 0 for name, n in sizes.items()}
    draws = jax.random.uniform(key, (sum(drawn.values()),))
    parts = jnp.split(draws, np.cumsum(list(drawn.values()))[:-1])
    # Numbers that cannot affect the outcome are not drawn but set to a constant.
    return _Draws(
        *(jnp.full(n, 0.5) if p.size < n else p for p, n in zip(parts, sizes.values(), strict=True))
    )


def _most_objects(space: Box) -> int:
    return int(space.high[space.column("distractors")]) + 1


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], _Draft]:
    layout, named, draws = layout_of(space), Task(*task), _draw(space, key)
    rooms = Rooms(*(v.astype(jnp.int32) for v in named[:3]))
    row, column, across, down, direction = draws.agent
    x = (
        uniform_index(column, rooms.columns) * (rooms.size - 1)
        + 1
        + uniform_index(across, rooms.size - 2)
    )
    y = uniform_index(row, rooms.rows) * (rooms.size - 1) + 1 + uniform_index(down, rooms.size - 2)

    map = room_grid.walls(layout, rooms)
    if layout.rooms > 1:
        used, _ = room_grid.connect(layout, rooms, draws.order)
        door_x, door_y = room_grid.door_cells(layout, rooms, draws.along)
        kind = jnp.where(draws.door_open < named.open_doors, cells.DOOR, cells.CLOSED_DOOR)
        door = cells.code(kind, uniform_index(draws.door_color, 6)).astype(jnp.uint8)
        map = map.at[jnp.where(used, door_y, layout.height), door_x].set(door, mode="drop")

    index = jnp.arange(_most_objects(space))
    red_ball = (index == 0) & (draws.special < named.red_ball)
    grey = (index > 0) & (draws.special < named.grey_distractors)
    looks = uniform_index(draws.looks, 18)
    color = jnp.where(grey, cells.GREY, looks % 6)
    objects = cells.code(cells.KEY + looks // 6, color)
    objects = jnp.where(red_ball, cells.code(cells.BALL, cells.RED), objects)
    place, fits = _scatter(layout, rooms, draws, index <= named.distractors, x, y)
    objects = jnp.where(fits, objects, 0).astype(jnp.uint8)

    map = map.reshape(-1).at[jnp.where(fits, place, map.size)].set(objects, mode="drop")
    good = room_grid.all_reachable(map.reshape(layout.height, layout.width), x, y)
    places = jnp.where(fits, place, GONE).astype(jnp.int16)
    return good, _Draft(map, y * layout.width + x, uniform_index(direction, 4), objects, places)


def _scatter(
    layout: Layout,
    rooms: Rooms,
    draws: _Draws,
    wanted: Bool[Array, " k"],
    x: Int32[Array, ""],
    y: Int32[Array, ""],
) -> tuple[Int32[Array, " k"], Bool[Array, " k"]]:
    """Return a place for every wanted object, away from the agent (x, y), and whether it fits."""
    dealt = min(most_in_room(layout.room_size), len(wanted))
    row, column = uniform_index(draws.row, rooms.rows), uniform_index(draws.column, rooms.columns)
    priority = draws.priority.reshape(layout.rooms, layout.inside)
    place_x, place_y, rank, available = room_grid.place_in_rooms(
        layout, rooms, priority, row, column, wanted, (x, y), dealt
    )
    available = jnp.minimum(most_in_room(rooms.size), available)
    fits = wanted & (rank < jnp.minimum(available, dealt))
    return place_y * layout.width + place_x, fits


def most_in_room(room_size: Any) -> Any:
    """Return the maximum number of objects in a room: a third of its cells, but at least one."""
    third = (room_size - 2) ** 2 // 3
    return third + (third == 0)


def _finish(
    good: Bool[Array, " n"], draft: _Draft, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    n, k = draft.objects.shape
    # A level that was never accepted keeps only its target, which is always reachable.
    keep = good[:, None] | (np.arange(k) == 0)
    objects = jnp.where(keep, draft.objects, 0).astype(jnp.uint8)
    places = jnp.where(keep, draft.places, GONE).astype(jnp.int16)
    keep = good[:, None] | (np.arange(draft.map.shape[1]) == places[:, :1])
    empty = ~keep & cells.is_portable(cells.kind_of(draft.map))
    map = jnp.where(empty, cells.EMPTY, draft.map).astype(jnp.uint8)

    target = objects[:, 0]
    members = verifier.describe(objects, cells.kind_of(target), cells.color_of(target))
    kind = cells.kind_of(target)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    several = jnp.sum(members, 1) > 1
    mission = vocabulary.go_to(kind, cells.color_of(target), several, mission_length)
    hand = jnp.full(n, cells.EMPTY, jnp.uint8)
    world = World(map, draft.position, draft.direction, hand, objects, places)
    task = Task(*tasks.T)
    max_steps = task.room_size**2 * task.rows * task.columns
    clauses = jnp.full((n, 1), grammar.GO_TO, jnp.uint8)
    goal = verifier.start(clauses, members.astype(jnp.uint8), places)
    return Level(world, goal, mission, max_steps.astype(jnp.int32))


FAMILY = Family(
    map_size,
    generate,
    kinds=lambda space: (grammar.GO_TO,),
    max_steps=functools.partial(max_steps_for, navigations=1),
    longest_mission=lambda space: grammar.longest_clause([grammar.GO_TO]),
)


def _point(
    room_size: int = 8,
    rooms: int = 1,
    distractors: int = 0,
    open_doors: float = 0,
    red_ball: float = 0,
    grey_distractors: float = 0,
) -> Box:
    return SPACE.restricted(
        room_size=room_size,
        rows=rooms,
        columns=rooms,
        distractors=distractors,
        open_doors=open_doors,
        red_ball=red_ball,
        grey_distractors=grey_distractors,
    )


def _local(room_size: int, objects: int) -> tuple[Box, str]:
    # The official parameter counts the target among the distractors.
    text = f"Go to one of {objects} objects in one room of size {room_size}."
    return _point(room_size, distractors=objects - 1), text


def _maze(room_size: int, rooms: int, opened: bool = False) -> tuple[Box, str]:
    text = f"Go to the only object in {rooms}x{rooms} rooms of size {room_size}"
    space = _point(room_size, rooms, open_doors=float(opened))
    return space, text + (", all doors open." if opened else ".")


LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToRedBallGrey-v0": (
        _point(distractors=7, red_ball=1, grey_distractors=1),
        "Go to the red ball among 7 grey objects in one room.",
    ),
    "BabyAI-GoToRedBall-v0": (
        _point(distractors=7, red_ball=1),
        "Go to a red ball among 7 objects of any color in one room.",
    ),
    "BabyAI-GoToRedBallNoDists-v0": (_point(red_ball=1), "Go to the red ball in an empty room."),
    "BabyAI-GoToObj-v0": (_point(), "Go to the only object in one room."),
    "BabyAI-GoToObjS4-v0": (_point(4), "Go to the only object in one room of size 4."),
    "BabyAI-GoToObjS6-v1": (_point(6), "Go to the only object in one room of size 6."),
    "BabyAI-GoToLocal-v0": _local(8, 8),
    "BabyAI-GoToLocalS5N2-v0": _local(5, 2),
    "BabyAI-GoToLocalS6N2-v0": _local(6, 2),
    "BabyAI-GoToLocalS6N3-v0": _local(6, 3),
    "BabyAI-GoToLocalS6N4-v0": _local(6, 4),
    "BabyAI-GoToLocalS7N4-v0": _local(7, 4),
    "BabyAI-GoToLocalS7N5-v0": _local(7, 5),
    "BabyAI-GoToLocalS8N2-v0": _local(8, 2),
    "BabyAI-GoToLocalS8N3-v0": _local(8, 3),
    "BabyAI-GoToLocalS8N4-v0": _local(8, 4),
    "BabyAI-GoToLocalS8N5-v0": _local(8, 5),
    "BabyAI-GoToLocalS8N6-v0": _local(8, 6),
    "BabyAI-GoToLocalS8N7-v0": _local(8, 7),
    "BabyAI-GoTo-v0": (
        _point(8, 3, distractors=17),
        "Go to one of 18 objects in 3x3 rooms with closed doors.",
    ),
    "BabyAI-GoToOpen-v0": (
        _point(8, 3, distractors=17, open_doors=1),
        "Go to one of 18 objects in 3x3 rooms with open doors.",
    ),
    "BabyAI-GoToObjMaze-v0": _maze(8, 3),
    "BabyAI-GoToObjMazeOpen-v0": _maze(8, 3, opened=True),
    "BabyAI-GoToObjMazeS4R2-v0": _maze(4, 2),
    "BabyAI-GoToObjMazeS4-v0": _maze(4, 3),
    "BabyAI-GoToObjMazeS5-v0": _maze(5, 3),
    "BabyAI-GoToObjMazeS6-v0": _maze(6, 3),
    "BabyAI-GoToObjMazeS7-v0": _maze(7, 3),
}

GROUP = Group(
    "GoTo",
    "Go to an object in up to 3x3 rooms. Includes every level of BabyAI's GoTo group.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"rows": 1, "columns": 1},
    evaluation=("BabyAI-GoToRedBallGrey-v0", "BabyAI-GoToLocal-v0", "BabyAI-GoTo-v0"),
)
