"""Levels with one locked room in a maze: BabyAI's KeyCorridor and Unlock."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells
from didact.environments.grid.levels import placement, room_grid
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, one_clause
from didact.environments.grid.levels.family import (
    TIME_LIMIT,
    Family,
    Group,
    Level,
    max_steps_of,
    step_limit,
)
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import GONE
from didact.environments.language import grammar
from didact.environments.language.grammar import OPEN, PICK_UP
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

COLUMNS = 3  # of rooms; the corridor is the middle one

SPACE = Box(
    (
        Dimension("room_size", 3, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms, in 3 columns."),
        Dimension(
            "corridor",
            *(0, 1, True, ""),
            "1: the middle column is a corridor where the agent starts, with the locked room on "
            "its right and the key on its left; 0: all are in random rooms.",
        ),
        Dimension(
            "distractors",
            *(0, 3, True, "objects per room"),
            "Number of additional objects in every room, which do not block a path. Together with "
            "the key, they fill at most a third of a room.",
        ),
        Dimension(
            "own_color",
            *(0, 1, False, "probability"),
            "Probability that no other door has the color of the locked door.",
        ),
        Dimension(
            "pick_up",
            *(0, 1, True, ""),
            "1: pick up the ball in the locked room, which is the only ball; 0: open the locked "
            "door.",
        ),
        Dimension(
            "ball_color",
            *(0, 1, True, ""),
            "1: instructions name the color of the ball. The color of a door is always named.",
        ),
        TIME_LIMIT,
    )
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    rows: Float[Array, "*n"]
    corridor: Float[Array, "*n"]
    distractors: Float[Array, "*n"]
    own_color: Float[Array, "*n"]
    pick_up: Float[Array, "*n"]
    ball_color: Float[Array, "*n"]
    time_limit: Float[Array, "*n"]


def layout_of(space: Box) -> Layout:
    """Return the smallest layout that fits every task of a part of `SPACE`."""
    most = {d.name: int(d.high) for d in space.dimensions}
    return Layout(most["room_size"], most["rows"], COLUMNS)


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    layout = layout_of(space)
    return layout.width, layout.height


def kinds(space: Box) -> tuple[int, ...]:
    """Return the kinds of clauses that occur."""
    at = space.column("pick_up")
    opens, picks = space.low[at] < 1, space.high[at] > 0
    return tuple(kind for kind, occurs in ((OPEN, opens), (PICK_UP, picks)) if occurs)


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    One room has a single, locked door. Doors are added between random other rooms until all are
    connected. The key, the ball and the distractors of every room are on random cells. The agent
    starts in the corridor, or in any room that is not locked.

    In the official Unlock, the key can be behind its own door, because room numbers are compared by
    identity, and such levels are not solvable. Here, the key is only there if another key of its
    color is outside. Apart from this, levels have the same distribution.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    _, draft = rejection_sample(functools.partial(_attempt, space), keys, tasks)
    named = Task(*tasks.T)
    return level_of(draft, step_limit(named.room_size, named.time_limit), mission_length)


class Maze(NamedTuple):
    """The rooms of one level with their doors, without objects."""

    locked_room: Int32[Array, ""]
    lock: Bool[Array, " e"]  # the edge with the locked door
    merged: Bool[Array, " e"]  # edges whose wall is removed
    doors: UInt8[Array, " e"]  # packed; 0 where there is no door
    places: Int32[Array, " e"]  # of the doors, or GONE
    color: Int32[Array, ""]  # of the locked door
    good: Bool[Array, ""]  # all rooms are connected


def build(
    layout: Layout,
    rooms: Rooms,
    corridor: Bool[Array, ""],
    own_color: Float[Array, ""],
    draw: UniformDraws,
) -> Maze:
    """Connect all rooms with random doors; the locked door is the only one of its room.

    Args:
        layout: the layout.
        rooms: the rooms of the level.
        corridor: whether the middle column is one room, with the locked room on its right.
        own_color: the probability that no other door has the color of the locked door.
        draw: the source of random numbers, 1 + r + 4 e of them.
    """
    edges, e, middle = layout.edges, len(layout.edges), layout.columns // 2
    index = np.arange(layout.rooms)
    last = jnp.asarray(index % layout.columns == layout.columns - 1)
    may_lock = room_grid.exists(layout, rooms, index) & (~corridor | last)
    locked_room = jnp.argmax(jnp.where(may_lock, draw(layout.rooms), -1))
    between = room_grid.exists(layout, rooms, edges[:, 1])
    at_lock = jnp.any(jnp.asarray(edges) == locked_room, axis=1)
    may_be_it = between & at_lock & (~corridor | layout.to_the_right)
    chosen = jnp.argmax(jnp.where(may_be_it, draw(e), -1))
    lock = jnp.arange(e) == chosen
    along = ~layout.to_the_right & (edges[:, 0] % layout.columns == middle)
    merged = corridor & between & along

    order = jnp.where(lock | merged, -1, draw(e))
    used, good = room_grid.connect(layout, rooms, order, lock | ~at_lock)
    used &= ~merged
    x, y = room_grid.door_cells(layout, rooms, draw(e))
    looks = draw(e)
    color = uniform_index(looks, 6)
    lock_color = color[chosen]
    another = (lock_color + 1 + uniform_index(looks, 5)) % 6
    color = jnp.where((draw() < own_color) & ~lock, another, color)
    kind = jnp.where(lock, cells.LOCKED_DOOR, cells.CLOSED_DOOR)
    doors = jnp.where(used, cells.code(kind, color), 0).astype(jnp.uint8)
    places = jnp.where(used, y * layout.width + x, GONE)
    return Maze(locked_room, lock, merged, doors, places, lock_color, good)


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], Draft]:
    layout, named = layout_of(space), Task(*task)
    rooms = Rooms(
        named.room_size.astype(jnp.int32), named.rows.astype(jnp.int32), jnp.int32(COLUMNS)
    )
    most = int(space.high[space.column("distractors")])
    r, e, square = layout.rooms, len(layout.edges), layout.room_size**2
    draw = UniformDraws(key, 2 + r * (3 + most + layout.inside) + 4 * e + 4 * square)
    corridor, picks = named.corridor > 0, named.pick_up > 0
    maze = build(layout, rooms, corridor, named.own_color, draw)
    _, above = room_grid.shared_walls(layout, rooms)
    x = np.arange(layout.width)
    far = rooms.size - 1
    opened = above & corridor & (x > far) & (x < 2 * far)
    map = jnp.where(opened, cells.EMPTY, room_grid.walls(layout, rooms)).astype(jnp.uint8)

    things, places, laid = _objects(layout, rooms, named, maze, most, draw)
    map = placement.put_on_map(map, things, places)
    map = placement.put_on_map(map, maze.doors, jnp.where(maze.lock, maze.places, GONE))
    complete = placement.put_on_map(map, maze.doors, maze.places)

    open_ = room_grid.exists(layout, rooms, np.arange(r)) & (np.arange(r) != maze.locked_room)
    room = jnp.argmax(jnp.where(open_, draw(r), -1))
    room = jnp.where(corridor, rooms.rows // 2 * COLUMNS + COLUMNS // 2, room)
    # The removed walls of the corridor are valid cells too, and there, doors come after the agent.
    down, across = np.divmod(np.arange(square), layout.room_size)
    x = jnp.minimum(room % COLUMNS * far + across, layout.width - 1)
    y = jnp.minimum(room // COLUMNS * far + down, layout.height - 1)
    may = jnp.asarray(np.maximum(across, down)) <= far
    seen = jnp.where(corridor, map, complete)
    x, y, direction, found = placement.place_agent_on(seen, x, y, may, draw)
    good = maze.good & laid & found
    if most > 0:
        reachable = room_grid.all_reachable(complete, x, y)
        good &= reachable | (_each(rooms, named.distractors) == 0)

    objects = jnp.concatenate([things, maze.doors])
    places = jnp.concatenate([places, maze.places]).astype(jnp.int16)
    named_color = ~picks | (named.ball_color > 0)
    color = jnp.where(picks, cells.color_of(things[0]), maze.color)
    meant = one_clause(
        objects,
        jnp.where(picks, PICK_UP, OPEN),
        jnp.where(picks, cells.BALL, cells.DOOR),
        jnp.where(named_color, color, grammar.ANY),
    )
    position, hand = y * layout.width + x, jnp.uint8(cells.EMPTY)
    draft = Draft(complete.reshape(-1), position, direction, hand, objects, places, *meant)
    return good, draft


def _each(rooms: Rooms, distractors: Float[Array, ""]) -> Float[Array, ""]:
    """Return the number of distractors per room."""
    return jnp.minimum(distractors, jnp.maximum((rooms.size - 2) ** 2 // 3 - 1, 0))


def _objects(
    layout: Layout, rooms: Rooms, task: Task, maze: Maze, most: int, draw: UniformDraws
) -> tuple[UInt8[Array, " k"], Int32[Array, " k"], Bool[Array, ""]]:
    """Return the ball, the key and the distractors, their places, and whether they are valid."""
    r, picks, index = layout.rooms, task.pick_up > 0, np.arange(layout.rooms)
    there = room_grid.exists(layout, rooms, index)
    first = jnp.asarray(index % layout.columns == 0)
    may_hold = there & (~(task.corridor > 0) | first)
    key_room = jnp.argmax(jnp.where(may_hold, draw(r), -1))
    each = jnp.arange(most) < _each(rooms, task.distractors)
    wanted = jnp.concatenate([picks[None], jnp.array([True]), (there[:, None] & each).reshape(-1)])
    needed = jnp.stack([maze.locked_room, key_room])
    room = jnp.concatenate([needed, jnp.asarray(np.repeat(index, most))])

    looks = draw(1 + most * r)
    ball = cells.code(cells.BALL, uniform_index(looks[:1], 6))
    any_, no_ball = uniform_index(looks[1:], 18), uniform_index(looks[1:], 12)
    kind = jnp.where(picks, no_ball // 6 * (cells.BOX - cells.KEY), any_ // 6) + cells.KEY
    others = cells.code(kind, jnp.where(picks, no_ball, any_) % 6)
    things = jnp.concatenate([ball, cells.code(cells.KEY, maze.color)[None], others])
    opens = wanted & (things == cells.code(cells.KEY, maze.color)) & (room != maze.locked_room)

    # As in BabyAI, the agent counts as being in the middle of the map until it is placed.
    far = rooms.size - 1
    middle = [count // 2 * far + rooms.size // 2 for count in (rooms.columns, rooms.rows)]
    dealt = min(layout.inside, most + 2)
    row, column = room // layout.columns, room % layout.columns
    x, y, rank, available = room_grid.place_in_rooms(
        layout,
        rooms,
        draw(r, layout.inside),
        *(row, column, wanted),
        (middle[0], middle[1]),
        dealt,
    )
    fits = jnp.all(~wanted | (rank < jnp.minimum(available, dealt)))
    things = jnp.where(wanted, things, 0).astype(jnp.uint8)
    places = jnp.where(wanted, y * layout.width + x, GONE)
    return things, places, fits & jnp.any(opens)


def longest_mission(space: Box) -> int:
    """Return the number of tokens in the longest mission."""
    ball = 3 if space.high[space.column("ball_color")] > 0 else 2
    described = {OPEN: 3, PICK_UP: ball}
    return max(grammar.longest_clause([kind], described[kind]) for kind in kinds(space))


FAMILY = Family(map_size, generate, kinds, max_steps_of, longest_mission)


def _corridor(room_size: int, rows: int, color_told: int = 0) -> tuple[Box, str]:
    space = SPACE.restricted(
        room_size=room_size,
        rows=rows,
        corridor=1,
        distractors=0,
        own_color=0,
        pick_up=1,
        ball_color=color_told,
        time_limit=30,
    )
    side = room_size - 2
    return space, f"Fetch the ball from a locked room; {rows}x3 rooms of {side}x{side} cells."


_UNLOCK = SPACE.restricted(
    room_size=8,
    rows=3,
    corridor=0,
    distractors=3,
    own_color=0.5,
    pick_up=0,
    ball_color=0,
    time_limit=9,
)

LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-Unlock-v0": (_UNLOCK, "Find the key and open the locked door in 3x3 rooms."),
    "BabyAI-KeyCorridor-v0": _corridor(6, 3),
    "BabyAI-KeyCorridorS3R1-v0": _corridor(3, 1),
    "BabyAI-KeyCorridorS3R2-v0": _corridor(3, 2),
    "BabyAI-KeyCorridorS3R3-v0": _corridor(3, 3),
    "BabyAI-KeyCorridorS4R3-v0": _corridor(4, 3),
    "BabyAI-KeyCorridorS5R3-v0": _corridor(5, 3),
    "BabyAI-KeyCorridorS6R3-v0": _corridor(6, 3),
    "MiniGrid-KeyCorridorS3R1-v0": _corridor(3, 1, color_told=1),
    "MiniGrid-KeyCorridorS3R2-v0": _corridor(3, 2, color_told=1),
    "MiniGrid-KeyCorridorS3R3-v0": _corridor(3, 3, color_told=1),
    "MiniGrid-KeyCorridorS4R3-v0": _corridor(4, 3, color_told=1),
    "MiniGrid-KeyCorridorS5R3-v0": _corridor(5, 3, color_told=1),
    "MiniGrid-KeyCorridorS6R3-v0": _corridor(6, 3, color_told=1),
}

GROUP = Group(
    "KeyCorridor",
    "Find the key of a locked room in a maze. Includes KeyCorridor and BabyAI's Unlock.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"room_size": (3, 5), "rows": 1, "corridor": 1, "distractors": 0},
)
