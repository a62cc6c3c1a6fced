"""Levels in which a target must be found in rooms connected by doors.

These are BabyAI's Open, Pickup and FindObj levels, and levels with the target behind a locked door.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels import placement, room_grid, single_room
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, with_fallback_mission
from didact.environments.grid.levels.family import Family, Group, Level, layout_of, map_size
from didact.environments.grid.levels.placement import Doors
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.levels.step_limits import TIME_LIMIT, max_steps_of, step_limit
from didact.environments.grid.rules import GONE
from didact.environments.language import grammar
from didact.environments.language.grammar import ANY, GO_TO, OPEN, PICK_UP, Sentence
from didact.environments.random_draws import UniformDraws, uniform_index, weighted_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 5, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms."),
        Dimension("columns", 1, 3, True, "rooms", "Number of columns of rooms."),
        Dimension(
            "objects",
            *(1, 20, True, "objects"),
            "Number of keys, balls and boxes. Objects that would fill more than a sixth of the "
            "cells are omitted.",
        ),
        Dimension(
            "evenly",
            *(0, 1, True, ""),
            "1: objects other than the target are distributed evenly over the rooms; 0: each is in "
            "a random room.",
        ),
        Dimension(
            "blocked",
            *(0, 2, True, ""),
            "0: nothing is blocked; 1: objects may block others; 2: something is blocked, if there "
            "are several rooms and at least 3 objects.",
        ),
        Dimension(
            "locked_room",
            *(0, 1, False, "probability"),
            "Probability that one room is locked and contains the target object; the key is in "
            "another room.",
        ),
        Dimension(
            "central",
            0,
            1,
            True,
            "",
            "1: the agent starts in the middle room; 0: in a random room.",
        ),
        Dimension(
            "above",
            *(0, 1, True, ""),
            "1: the target object is in the room above the middle one, with a door between them; "
            "0: in a random room.",
        ),
        Dimension(
            "agent_last",
            *(0, 1, True, ""),
            "1: the agent is placed last, facing no object; 0: it is placed first, and no object "
            "is next to it.",
        ),
        Dimension("go_to", 0, 1, False, "weight", 'Weight of "go to" missions.'),
        Dimension("open", 0, 1, False, "weight", 'Weight of "open" missions, for any door.'),
        Dimension("pick_up", 0, 1, False, "weight", 'Weight of "pick up" missions.'),
        Dimension("by_type", 0, 1, False, "probability", "Probability that no color is named."),
        TIME_LIMIT,
    )
)

_VERBS = (GO_TO, OPEN, PICK_UP)
_CROWD = 3  # with this many objects, something is blocked often enough to sample for it


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    rows: Float[Array, "*n"]
    columns: Float[Array, "*n"]
    objects: Float[Array, "*n"]
    evenly: Float[Array, "*n"]
    blocked: Float[Array, "*n"]
    locked_room: Float[Array, "*n"]
    central: Float[Array, "*n"]
    above: Float[Array, "*n"]
    agent_last: Float[Array, "*n"]
    go_to: Float[Array, "*n"]
    open: Float[Array, "*n"]
    pick_up: Float[Array, "*n"]
    by_type: Float[Array, "*n"]
    time_limit: Float[Array, "*n"]


class _Plan(NamedTuple):
    """Rooms with doors, and the rooms of the agent and objects, as numbered in the layout."""

    doors: Doors
    above: Bool[Array, " e"]  # the door that exists before the agent is placed
    locked: Int32[Array, ""]  # the locked room, or -1
    lock_color: Int32[Array, ""]
    agent: Int32[Array, ""]
    target: Int32[Array, ""]
    key: Int32[Array, ""]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    Doors are added between random rooms until all are connected, then objects and the agent are
    placed. The target is the first object or any door. Levels are rejected if something has no
    place, or if blocking does not match the task.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    good, draft = rejection_sample(functools.partial(_attempt, space), keys, tasks)
    draft = with_fallback_mission(good, draft)
    limit = step_limit(Task(*tasks.T), grammar.navigations(draft.sentence.clauses))
    return level_of(draft, limit.astype(jnp.int32), mission_length)


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], Draft]:
    layout, named = layout_of(space), Task(*task)
    rooms = Rooms(*(v.astype(jnp.int32) for v in named[:3]))
    most = int(space.high[space.column("objects")])
    per_room = layout.inside + 4
    count = 5 * len(layout.edges) + layout.rooms * per_room + 5 * layout.inside + 4 * most + 12
    draw = UniformDraws(key, count)
    plan = _plan(layout, rooms, named, draw)
    last = named.agent_last > 0
    row, column = plan.agent // layout.columns, plan.agent % layout.columns
    first_x, first_y, first_direction = single_room.random_position(rooms, row, column, draw(3))
    middle = single_room.room_centre(rooms)
    near = jnp.where(last, middle[0], first_x), jnp.where(last, middle[1], first_y)
    map, objects, places, good = _scatter(layout, rooms, named, plan, most, near, draw)

    # An agent in the middle room is placed before most doors, so it may face one of these.
    kind = cells.kind_of(map)
    early = jnp.where(plan.above, plan.doors.places, GONE)
    cell = jnp.arange(map.size).reshape(map.shape)
    later = cells.is_door(kind) & ~jnp.any(cell == early[:, None, None], axis=0)
    seen = jnp.where(later & (named.central > 0), cells.GREY_WALL, map)
    x, y, direction, found = placement.place_agent_in_room(layout, rooms, seen, plan.agent, draw)
    good &= found | ~last
    x, y = jnp.where(last, x, first_x), jnp.where(last, y, first_y)
    direction = jnp.where(last, direction, first_direction)

    reachable = room_grid.all_reachable(map, x, y)
    map, hidden, fits = _hide(layout, rooms, plan, map, objects[0], draw)
    places = places.at[0].set(jnp.where(plan.locked >= 0, hidden, places[0]))
    good &= fits
    crowded = (named.objects >= _CROWD) & (rooms.rows * rooms.columns > 1)
    good &= jnp.where(reachable, (named.blocked < 2) | ~crowded, named.blocked > 0)

    table = jnp.concatenate([objects, plan.doors.objects])
    sentence = _sentence(named, table, len(objects), draw)
    members = verifier.describe(table, sentence.kind, sentence.color)
    return good & plan.doors.good, Draft(
        map.reshape(-1),
        y * layout.width + x,
        direction,
        jnp.uint8(cells.EMPTY),
        table,
        jnp.concatenate([places, plan.doors.places]).astype(jnp.int16),
        sentence,
        members & np.array([[True], [False]]),
    )


def _plan(layout: Layout, rooms: Rooms, task: Task, draw: UniformDraws) -> _Plan:
    index, edges, e = jnp.arange(layout.rooms), layout.edges, len(layout.edges)
    there = room_grid.exists(layout, rooms, np.arange(layout.rooms))

    def any_of(allowed):
        return jnp.argmax(jnp.where(allowed, draw(layout.rooms), -1)).astype(jnp.int32)

    home = rooms.rows // 2 * layout.columns + rooms.columns // 2
    locks = (draw() < task.locked_room) & (rooms.rows * rooms.columns > 1)
    locked = jnp.where(locks, any_of(there), -1)
    above = (task.above > 0) & ~locks & (rooms.rows > 1)
    lock = surely = jnp.zeros(e, bool)
    chosen = 0
    if e:
        walls = jnp.any(jnp.asarray(edges) == locked, axis=1)
        walls &= room_grid.exists(layout, rooms, edges[:, 1])
        chosen = jnp.argmax(jnp.where(walls, draw(e), -1))
        lock = (jnp.arange(e) == chosen) & locks
        up = np.array([-layout.columns, 0])
        surely = jnp.all(jnp.asarray(edges) == home + up, axis=1) & above
    doors = placement.place_doors(layout, rooms, lock, locked, draw, surely)
    open_ = there & (index != locked)
    agent = jnp.where((task.central > 0) & (home != locked), home, any_of(open_))
    target = jnp.where(above, home - layout.columns, any_of(there))
    target = jnp.where(locks, locked, target)
    lock_color = doors.color[chosen] if e else jnp.int32(0)
    return _Plan(doors, surely, locked, lock_color, agent, target, any_of(open_))


def _scatter(
    layout: Layout,
    rooms: Rooms,
    task: Task,
    plan: _Plan,
    most: int,
    near: tuple[Int32[Array, ""], Int32[Array, ""]],
    draw: UniformDraws,
) -> tuple[UInt8[Array, "h w"], UInt8[Array, " k"], Int32[Array, " k"], Bool[Array, ""]]:
    """Return the map with objects, the objects, their places, and whether all have one.

    The target is the first of k = most + 1 objects, and the key to the locked room is the last. A
    target in a locked room is placed by `_hide`.
    """
    k = most + 1
    index = jnp.arange(k)
    row, column = uniform_index(draw(k), rooms.rows), uniform_index(draw(k), rooms.columns)
    number = (index + uniform_index(draw(), rooms.rows * rooms.columns)) % (
        rooms.rows * rooms.columns
    )
    row = jnp.where(task.evenly > 0, number // rooms.columns, row)
    column = jnp.where(task.evenly > 0, number % rooms.columns, column)
    room = row * layout.columns + column
    room = room.at[0].set(plan.target).at[most].set(plan.key)
    row, column = room // layout.columns, room % layout.columns

    looks = uniform_index(draw(k), single_room.NUM_APPEARANCES)
    objects = single_room.cell_of_appearance(looks)
    objects = objects.at[most].set(cells.code(cells.KEY, plan.lock_color).astype(jnp.uint8))
    room_for = single_room.max_objects(rooms, 6) * rooms.rows * rooms.columns
    wanted = index < jnp.minimum(task.objects, room_for)
    wanted = wanted.at[most].set(plan.locked >= 0)
    dealt = min(layout.inside, k)
    priority = draw(layout.rooms, layout.inside)
    now = wanted & ((index > 0) | (plan.locked < 0))
    x, y, rank, available = room_grid.place_in_rooms(
        layout, rooms, priority, row, column, now, near, dealt
    )
    good = jnp.all(~now | (rank < jnp.minimum(available, dealt)))
    objects = jnp.where(wanted, objects, 0).astype(jnp.uint8)
    places = jnp.where(now, y * layout.width + x, GONE)
    map = plan.doors.map.at[jnp.where(now, y, layout.height), x].set(objects, mode="drop")
    return map, objects, places, good


def _hide(
    layout: Layout,
    rooms: Rooms,
    plan: _Plan,
    map: UInt8[Array, "h w"],
    target: UInt8[Array, ""],
    draw: UniformDraws,
) -> tuple[UInt8[Array, "h w"], Int32[Array, ""], Bool[Array, ""]]:
    """Place the target on a free cell of the locked room, if any; also return whether it fits.

    The target is placed last: it may be in the middle of the map and may be blocked by others.
    """
    row, column = plan.target // layout.columns, plan.target % layout.columns
    x, y = room_grid.cell_in_room(layout, rooms, row, column, np.arange(layout.inside))
    free = room_grid.inner_cells(layout, rooms) & (map[y, x] == cells.EMPTY)
    score = jnp.where(free, draw(layout.inside), -1)
    best = jnp.argmax(score)
    locks = plan.locked >= 0
    map = map.at[jnp.where(locks, y[best], layout.height), x[best]].set(target, mode="drop")
    return map, y[best] * layout.width + x[best], ~locks | (score[best] >= 0)


def _sentence(task: Task, table: UInt8[Array, " k"], things: int, draw: UniformDraws) -> Sentence:
    """Return the sentence; its target is the first object, or any door (after the objects)."""
    is_door = cells.is_door(cells.kind_of(table)) & (table != 0)
    weights = jnp.stack([task.go_to, task.open * jnp.any(is_door), task.pick_up])
    u = draw(2)
    verb = jnp.asarray(_VERBS)[weighted_index(u[0], weights.at[0].add(jnp.all(weights == 0)))]
    target = table[0]
    if len(table) > things:
        door = weighted_index(draw(), is_door.astype(jnp.float32))
        target = jnp.where(verb == OPEN, table[door], target)
    kind = cells.kind_of(target).astype(jnp.int32)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    color = jnp.where(u[1] < task.by_type, ANY, cells.color_of(target)).astype(jnp.int32)
    nowhere = jnp.full(2, grammar.NOWHERE)
    no = jnp.bool_(False)
    return Sentence(verb[None], jnp.stack([kind] * 2), jnp.stack([color] * 2), nowhere, no)


def _kinds(space: Box) -> tuple[int, ...]:
    highest = {d.name: d.high for d in space.dimensions}
    names = dict(zip(_VERBS, ("go_to", "open", "pick_up"), strict=True))
    return tuple(kind for kind, name in names.items() if highest[name] > 0 or kind == GO_TO)


def _longest_mission(space: Box) -> int:
    return grammar.longest_clause(_kinds(space))


FAMILY = Family(
    map_size, generate, _kinds, functools.partial(max_steps_of, navigations=1), _longest_mission
)


def _point(room_size: int, objects: int, **more: float) -> Box:
    usual: dict[str, float] = dict.fromkeys(SPACE.names[4:], 0)
    sizes = {"room_size": room_size, "rows": 3, "columns": 3, "objects": objects}
    return SPACE.restricted(**sizes, **(usual | more))


def _find(room_size: int) -> tuple[Box, str]:
    space = _point(
        room_size, 1, central=1, blocked=1, agent_last=1, pick_up=1, by_type=1, time_limit=20
    )
    return (
        space,
        f"Pick up the only object in 3x3 rooms of size {room_size}, described by type.",
    )


LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToImpUnlock-v0": (
        _point(8, 19, evenly=1, locked_room=1, agent_last=1, go_to=1),
        "Go to an object in a locked room; each of the 3x3 rooms has two more objects.",
    ),
    "BabyAI-Open-v0": (_point(8, 18, open=1), "Open a door in 3x3 rooms with 18 objects."),
    "BabyAI-Pickup-v0": (_point(8, 18, pick_up=1), "Pick up one of 18 objects in 3x3 rooms."),
    "BabyAI-UnblockPickup-v0": (
        _point(8, 20, blocked=2, pick_up=1),
        "Pick up one of 20 objects in 3x3 rooms, where some objects block the way.",
    ),
    "BabyAI-PickupAbove-v0": (
        _point(6, 1, central=1, above=1, blocked=1, agent_last=1, pick_up=1, time_limit=8),
        "Pick up the only object, which is in the room above.",
    ),
    "BabyAI-FindObjS5-v0": _find(5),
    "BabyAI-FindObjS6-v0": _find(6),
    "BabyAI-FindObjS7-v0": _find(7),
}

GROUP = Group(
    "Search",
    "Find an object or a door in up to 3x3 rooms, possibly behind a locked door.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={
        **dict.fromkeys(("rows", "columns"), 1),
        **dict.fromkeys(("blocked", "locked_room", "open", "pick_up"), 0),
    },
)
