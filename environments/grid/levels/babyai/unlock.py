"""Levels about a locked door in the agent's room: most of BabyAI's Unlock group."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells
from didact.environments.grid.levels import placement, room_grid
from didact.environments.grid.levels.babyai.key_corridor import kinds
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, one_clause
from didact.environments.grid.levels.family import (
    TIME_LIMIT,
    Family,
    Group,
    Level,
    layout_of,
    map_size,
    max_steps_of,
    step_limit,
)
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import GONE, INSIDE
from didact.environments.language import grammar
from didact.environments.language.grammar import OPEN, PICK_UP
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 4, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms."),
        Dimension(
            "columns",
            *(2, 3, True, "rooms"),
            "Number of columns of rooms; the agent starts in the middle room, or to the upper left "
            "of the middle.",
        ),
        Dimension(
            "locks",
            *(1, 2, True, "doors"),
            "Number of locked doors on the path. The second one requires three columns, and its "
            "key is behind the first.",
        ),
        Dimension(
            "distractors",
            *(0, 4, True, "objects"),
            "Number of different additional objects, in the agent's room and, in pick-up missions, "
            "also behind the doors; fewer in rooms of less than 6 cells.",
        ),
        Dimension(
            "key_in_box", 0, 1, False, "probability", "Probability that the first key is in a box."
        ),
        Dimension(
            "blocked",
            *(0, 1, False, "probability"),
            "Probability that the first door is blocked by a ball, or by a box if the target is a "
            "ball.",
        ),
        Dimension(
            "pick_up",
            *(0, 1, True, ""),
            "1: pick up an object behind the last door; 0: open that door.",
        ),
        Dimension(
            "ball",
            *(0, 1, True, ""),
            "1: the object to pick up is a ball; 0: it is a box, unless a box contains the key.",
        ),
        Dimension(
            "color_told",
            *(0, 1, True, ""),
            "1: instructions name the color of the target; 0: only if there are two doors and one "
            "must be opened.",
        ),
        TIME_LIMIT,
    )
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    rows: Float[Array, "*n"]
    columns: Float[Array, "*n"]
    locks: Float[Array, "*n"]
    distractors: Float[Array, "*n"]
    key_in_box: Float[Array, "*n"]
    blocked: Float[Array, "*n"]
    pick_up: Float[Array, "*n"]
    ball: Float[Array, "*n"]
    color_told: Float[Array, "*n"]
    time_limit: Float[Array, "*n"]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The agent's room has a locked door on a random side. With two doors, the first is on the right
    and the second on the left. The first key is in the agent's room, possibly in a box, the second
    key is behind the first door, and the object to pick up is behind the last door. As in BabyAI,
    all objects are on random cells that are not next to the middle of the map.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    _, draft = rejection_sample(functools.partial(_attempt, space), keys, tasks)
    named = Task(*tasks.T)
    return level_of(draft, step_limit(named.room_size, named.time_limit), mission_length)


# Rows of the table of objects, before distractors and doors.
_TARGET, _KEY, _OTHER_KEY, _CONTAINER, _BLOCKER = range(5)


class _Doors(NamedTuple):
    """Both locked doors; the second one may not exist."""

    two: Bool[Array, ""]
    home: Int32[Array, ""]  # the agent's room
    beyond: Int32[Array, " 2"]  # the room behind each door
    colors: Int32[Array, " 2"]
    objects: UInt8[Array, " 2"]
    places: Int32[Array, " 2"]
    before: Int32[Array, ""]  # the cell in front of the first door


def _doors(layout: Layout, rooms: Rooms, locks: Float[Array, ""], draw: UniformDraws) -> _Doors:
    edges, e = jnp.asarray(layout.edges), len(layout.edges)
    home = (rooms.rows - 1) // 2 * layout.columns + (rooms.columns - 1) // 2
    two = (locks > 1) & (rooms.columns > 2)
    there = room_grid.exists(layout, rooms, layout.edges[:, 1]) & jnp.any(edges == home, axis=1)
    to_right = layout.to_the_right & (edges[:, 0] == home)
    to_left = layout.to_the_right & (edges[:, 1] == home)
    score = draw(e)
    first = jnp.argmax(jnp.where(there & (to_right | ~two), score, -1))
    chosen = jnp.stack([first, jnp.argmax(to_left)])
    beyond = jnp.sum(edges[chosen], axis=1) - home
    color, shift = draw(2)
    color, shift = uniform_index(color, 6), 1 + uniform_index(shift, 5)
    colors = jnp.stack([color, (color + shift) % 6])
    x, y = (at[chosen] for at in room_grid.door_cells(layout, rooms, draw(e)))
    there = jnp.stack([two | True, two])
    objects = jnp.where(there, cells.code(cells.LOCKED_DOOR, colors), 0).astype(jnp.uint8)
    places = jnp.where(there, y * layout.width + x, GONE)
    ahead = jnp.where(jnp.asarray(layout.to_the_right)[first], 1, layout.width)
    before = places[0] + jnp.where(beyond[0] > home, -ahead, ahead)
    return _Doors(two, home, beyond, colors, objects, places, before)


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], Draft]:
    layout, named = layout_of(space), Task(*task)
    rooms = Rooms(*(v.astype(jnp.int32) for v in named[:3]))
    most = int(space.high[space.column("distractors")])
    draw = UniformDraws(key, 25 + most + 2 * len(layout.edges) + (4 + layout.rooms) * layout.inside)
    doors = _doors(layout, rooms, named.locks, draw)
    looks, wanted = _looks(named, rooms, doors, most, draw)
    places, fits = _places(layout, rooms, named, doors, wanted, draw)
    boxed = jnp.arange(len(looks)) == _CONTAINER
    objects = jnp.where(wanted, looks | jnp.where(boxed, cells.HOLDS, 0), 0).astype(jnp.uint8)

    map = placement.put_on_map(room_grid.walls(layout, rooms), objects, places)
    map = placement.put_on_map(map, doors.objects, doors.places)
    x, y, direction, found = placement.place_agent_in_room(layout, rooms, map, doors.home, draw)

    picks = named.pick_up > 0
    named_color = (named.color_told > 0) | (doors.two & ~picks)
    door_color = jnp.where(doors.two, doors.colors[1], doors.colors[0])
    color = jnp.where(picks, cells.color_of(objects[_TARGET]), door_color)
    objects = jnp.concatenate([objects, doors.objects])
    places = jnp.concatenate([places, doors.places]).astype(jnp.int16)
    meant = one_clause(
        objects,
        jnp.where(picks, PICK_UP, OPEN),
        jnp.where(picks, cells.kind_of(objects[_TARGET]), cells.DOOR).astype(jnp.int32),
        jnp.where(named_color, color, grammar.ANY),
    )
    position, hand = y * layout.width + x, jnp.uint8(cells.EMPTY)
    draft = Draft(map.reshape(-1), position, direction, hand, objects, places, *meant)
    return fits & found, draft


def _looks(
    task: Task, rooms: Rooms, doors: _Doors, most: int, draw: UniformDraws
) -> tuple[Int32[Array, " k"], Bool[Array, " k"]]:
    """Return all objects except doors as packed cells, and which of them exist."""
    u = draw(5)
    picks, boxed, blocked = task.pick_up > 0, u[0] < task.key_in_box, u[1] < task.blocked
    ball = (task.ball > 0) | boxed
    target = jnp.where(ball, cells.BALL, cells.BOX)
    obstacle = jnp.where(ball & picks, cells.BOX, cells.BALL)
    key_colors = [cells.code(cells.KEY, color) for color in (doors.colors[0], doors.colors[1])]
    needed = jnp.stack(
        [
            cells.code(target, uniform_index(u[2], 6)),
            *key_colors,
            cells.code(cells.BOX, uniform_index(u[3], 6)),
            cells.code(obstacle, uniform_index(u[4], 6)),
        ]
    )
    there = jnp.stack([picks, picks | True, doors.two, boxed, blocked])

    # Distractors differ from all of these, and from the kind of a target described without a color.
    every = cells.code(cells.KEY + np.arange(18) // 6, np.arange(18) % 6)
    taken = jnp.any((needed == every[:, None]) & there, axis=1)
    taken |= picks & (task.color_told == 0) & (every & cells.KIND_BITS == target)
    order = draw(18)
    _, chosen = jax.lax.top_k(jnp.where(taken, -1, order), most)
    room_for = jnp.maximum((rooms.size - 2) ** 2 // 3 - 1, 0)
    extra = jnp.arange(most) < jnp.minimum(task.distractors, room_for)
    return (
        jnp.concatenate([needed, jnp.asarray(every)[chosen]]),
        jnp.concatenate([there, extra]),
    )


def _places(
    layout: Layout,
    rooms: Rooms,
    task: Task,
    doors: _Doors,
    wanted: Bool[Array, " k"],
    draw: UniformDraws,
) -> tuple[Int32[Array, " k"], Bool[Array, ""]]:
    """Return the places of all objects except doors, and whether all have one."""
    k, index = len(wanted), jnp.arange(len(wanted))
    last = doors.beyond[jnp.where(doors.two, 1, 0)]
    used = jnp.where(task.pick_up > 0, jnp.where(doors.two, 3, 2), 1)
    scattered = jnp.stack([doors.home, *doors.beyond])[uniform_index(draw(k - 5), used)]
    home = doors.home
    room = jnp.concatenate([jnp.stack([last, home, doors.beyond[0], home, home]), scattered])

    boxed, blocked = wanted[_CONTAINER], wanted[_BLOCKER]
    lying = wanted & (index != _BLOCKER) & ~((index == _KEY) & boxed)
    # As in BabyAI, the agent counts as being in the middle of the map until it is placed.
    far = rooms.size - 1
    middle = [count // 2 * far + rooms.size // 2 for count in (rooms.columns, rooms.rows)]
    row, column = room // layout.columns, room % layout.columns
    x, y, rank, available = room_grid.place_in_rooms(
        layout,
        rooms,
        draw(layout.rooms, layout.inside),
        *(row, column, lying),
        (middle[0], middle[1]),
        min(layout.inside, k),
    )
    places = y * layout.width + x
    fits = rank < jnp.minimum(available, layout.inside)
    good = jnp.all(~lying | fits & ~(blocked & (places == doors.before)))
    places = jnp.where(lying, places, GONE)
    places = jnp.where((index == _BLOCKER) & blocked, doors.before, places)
    return jnp.where((index == _KEY) & boxed, INSIDE - _CONTAINER, places), good


def longest_mission(space: Box) -> int:
    """Return the number of tokens in the longest mission."""
    most = Task(*space.high)
    two = most.locks > 1 and most.columns > 2
    described = {OPEN: 3 if most.color_told > 0 or two else 2, PICK_UP: 2 + int(most.color_told)}
    return max(grammar.longest_clause([kind], described[kind]) for kind in kinds(space))


FAMILY = Family(map_size, generate, kinds, max_steps_of, longest_mission)


def _point(room_size: int, rows: int, columns: int, time_limit: int, **more: float) -> Box:
    usual = {"locks": 1, **dict.fromkeys(SPACE.names[4:-1], 0)}
    sizes = {"room_size": room_size, "rows": rows, "columns": columns, "time_limit": time_limit}
    return SPACE.restricted(**sizes, **(usual | more))


LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-UnlockLocal-v0": (_point(8, 3, 3, 9), "Open the locked door of the room."),
    "BabyAI-UnlockLocalDist-v0": (
        _point(8, 3, 3, 9, distractors=3),
        "Open the locked door of the room, among distractors.",
    ),
    "BabyAI-KeyInBox-v0": (
        _point(8, 3, 3, 9, key_in_box=1),
        "Open the locked door of the room; its key is in a box.",
    ),
    "BabyAI-UnlockPickup-v0": (
        _point(6, 1, 2, 2, pick_up=1, color_told=1),
        "Pick up a box behind a locked door.",
    ),
    "BabyAI-UnlockPickupDist-v0": (
        _point(6, 1, 2, 2, pick_up=1, color_told=1, distractors=4),
        "Pick up a box behind a locked door, among distractors.",
    ),
    "BabyAI-BlockedUnlockPickup-v0": (
        _point(6, 1, 2, 16, pick_up=1, blocked=1),
        "Pick up a box behind a locked door that is blocked by a ball.",
    ),
    "BabyAI-UnlockToUnlock-v0": (
        _point(6, 1, 3, 30, pick_up=1, locks=2, ball=1),
        "Pick up a ball behind a locked door whose key is behind another locked door.",
    ),
    "MiniGrid-Unlock-v0": (_point(6, 1, 2, 8), "Open the locked door of the room."),
    "MiniGrid-UnlockPickup-v0": (
        _point(6, 1, 2, 8, pick_up=1, color_told=1),
        "Pick up a box behind a locked door.",
    ),
    "MiniGrid-BlockedUnlockPickup-v0": (
        _point(6, 1, 2, 16, pick_up=1, blocked=1, color_told=1),
        "Pick up a box behind a locked door that is blocked by a ball.",
    ),
}

GROUP = Group(
    "Unlock",
    "Open locked doors or pick up objects behind them. Includes most of BabyAI's Unlock group.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"room_size": (4, 6), "locks": 1, "distractors": 0, "pick_up": 0},
)
