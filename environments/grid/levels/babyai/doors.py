"""Levels about the doors of one room: BabyAI's Open and GoToDoor groups, and ActionObjDoor."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels import object_descriptions, room_grid, single_room
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, with_fallback_mission
from didact.environments.grid.levels.family import Family, Level, layout_of, map_size
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.levels.step_limits import TIME_LIMIT, max_steps_of, step_limit
from didact.environments.grid.rules import DIRECTION_VECTORS, GONE
from didact.environments.language import grammar
from didact.environments.language.grammar import ANY, GO_TO, NONE, OPEN, PICK_UP, STRICT, Sentence
from didact.environments.random_draws import UniformDraws, uniform_index, weighted_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 5, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms."),
        Dimension("columns", 2, 3, True, "rooms", "Number of columns of rooms."),
        Dimension(
            "doors",
            *(1, 4, True, "doors"),
            "Number of doors in the agent's room, at most one to each neighboring room.",
        ),
        Dimension(
            "objects",
            *(0, 8, True, "objects"),
            "Number of keys, balls and boxes in the agent's room. Objects that would fill more "
            "than a quarter of it are omitted.",
        ),
        Dimension("distinct_doors", 0, 1, True, "", "1: all doors have different colors."),
        Dimension("distinct_objects", 0, 1, True, "", "1: all objects are different."),
        Dimension(
            "locked_doors",
            *(0, 1, False, "probability"),
            "Probability that a door is locked, without a key, unless it is to be opened.",
        ),
        Dimension(
            "agent_last",
            *(0, 1, True, ""),
            "1: the agent is placed last, facing no object, and objects may block each other; "
            "0: it is placed first, no object is next to it, and nothing is blocked.",
        ),
        Dimension(
            "fixed_walls",
            *(0, 1, True, ""),
            "1: the target is the door in the right wall, and with two targets the first one is in "
            "the left wall; 0: any door.",
        ),
        Dimension(
            "red_blue",
            *(0, 1, False, "probability"),
            "Probability that the first target door is red and the second one blue.",
        ),
        Dimension("go_to", 0, 1, False, "weight", 'Weight of "go to" clauses.'),
        Dimension("open", 0, 1, False, "weight", 'Weight of "open" clauses for doors.'),
        Dimension("pick_up", 0, 1, False, "weight", 'Weight of "pick up" clauses for objects.'),
        Dimension(
            "by_location",
            *(0, 1, False, "probability"),
            "Probability that a target is described by its location (on your left), not its color.",
        ),
        Dimension("single", 0, 1, False, "weight", "Weight of missions with one clause."),
        Dimension("then", 0, 1, False, "weight", 'Weight of two clauses joined by "then".'),
        Dimension("after", 0, 1, False, "weight", 'Weight of two clauses joined by "after you".'),
        Dimension(
            "strict",
            *(0, 2, True, "clauses"),
            "Number of strict clauses, in order: opening another door or picking up another object "
            "ends the episode. The last action of the first clause also counts for the second, so "
            "opening two doors strictly never succeeds.",
        ),
        TIME_LIMIT,
    )
)

MISSION_LENGTH = 18  # "pick up the key in front of you after you go to the door in front of you"
DOORS = 4
_VERBS = (GO_TO, OPEN, PICK_UP)
_RIGHT, _LEFT = 0, 2  # as directions
_LOCATIONS = (grammar.LEFT, grammar.RIGHT, grammar.FRONT, grammar.BEHIND)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    rows: Float[Array, "*n"]
    columns: Float[Array, "*n"]
    doors: Float[Array, "*n"]
    objects: Float[Array, "*n"]
    distinct_doors: Float[Array, "*n"]
    distinct_objects: Float[Array, "*n"]
    locked_doors: Float[Array, "*n"]
    agent_last: Float[Array, "*n"]
    fixed_walls: Float[Array, "*n"]
    red_blue: Float[Array, "*n"]
    go_to: Float[Array, "*n"]
    open: Float[Array, "*n"]
    pick_up: Float[Array, "*n"]
    by_location: Float[Array, "*n"]
    single: Float[Array, "*n"]
    then: Float[Array, "*n"]
    after: Float[Array, "*n"]
    strict: Float[Array, "*n"]
    time_limit: Float[Array, "*n"]


class _Asked(NamedTuple):
    """The targets of one or two clauses (t), in the order in which they must be done."""

    row: Int32[Array, " t"]  # in the table of objects, where doors come first
    verb: Int32[Array, " t"]  # NONE if there is no second clause
    after: Bool[Array, ""]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    One room, in the middle of the map, contains doors in random walls, objects and the agent. The
    targets are one or two of the doors and objects. Levels are rejected if an object has no place,
    or if something is blocked although nothing may be.

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


def targets(space: Box) -> int:
    """Return the maximum number of targets in a level, 1 or 2."""
    highest = {d.name: d.high for d in space.dimensions}
    return 2 if max(highest["then"], highest["after"]) > 0 else 1


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], Draft]:
    layout, named, t = layout_of(space), Task(*task), targets(space)
    rooms = Rooms(*(v.astype(jnp.int32) for v in named[:3]))
    most = int(space.high[space.column("objects")])
    draw = UniformDraws(key, single_room.num_draws(layout, most) + 2 + 4 * t + 5 * DOORS + 6)
    home = (rooms.rows - 1) // 2, (rooms.columns - 1) // 2
    has = _neighbours(rooms, home)
    doors = jnp.minimum(named.doors, jnp.sum(has))
    objects = jnp.arange(most) < jnp.minimum(named.objects, single_room.max_objects(rooms, 4))
    asked = _ask(named, t, doors, objects, draw)
    map, door, door_place = _doors(layout, rooms, home, has, named, doors, asked, draw)

    every = jnp.ones(single_room.NUM_APPEARANCES, bool)
    looks = single_room.sample_appearances(most, named.distinct_objects > 0, every, draw)
    things = jnp.where(objects, single_room.cell_of_appearance(looks), 0).astype(jnp.uint8)
    last = named.agent_last > 0
    inside = single_room.place_objects_and_agent(layout, rooms, home, map, things, last, draw)
    good = inside.good
    if most and space.low[space.column("agent_last")] == 0:
        good &= last | room_grid.all_reachable(inside.map, inside.x, inside.y)

    table = jnp.concatenate([door, things])
    places = jnp.concatenate([door_place, inside.places])
    position = inside.y * layout.width + inside.x
    where = object_descriptions.located(
        places, position, inside.direction, layout.width, rooms.size
    )
    sentence, members = _say(named, asked, table, where, draw)
    return good, Draft(
        inside.map.reshape(-1),
        position,
        inside.direction,
        jnp.uint8(cells.EMPTY),
        table,
        places.astype(jnp.int16),
        sentence,
        members,
    )


def _neighbours(rooms: Rooms, home: tuple[Int32[Array, ""], Int32[Array, ""]]) -> Bool[Array, " 4"]:
    """Return in which directions there is another room."""
    row, column = home[0] + DIRECTION_VECTORS[:, 1], home[1] + DIRECTION_VECTORS[:, 0]
    return (row >= 0) & (row < rooms.rows) & (column >= 0) & (column < rooms.columns)


def _ask(
    task: Task, t: int, doors: Float[Array, ""], objects: Bool[Array, " k"], draw: UniformDraws
) -> _Asked:
    """Sample one or two targets among the doors and objects, and a verb for each.

    Doors are in random order, so the first target door is always the first door of the table.
    """
    door_weight = (task.go_to + task.open > 0).astype(jnp.float32)
    object_weight = objects * (task.go_to + task.pick_up > 0)
    nothing = (door_weight == 0) & ~jnp.any(object_weight > 0)
    door_weight = jnp.where(nothing, 1.0, door_weight)
    weights = jnp.concatenate([(door_weight * doors)[None], object_weight])
    u = draw(t + 1)
    first = weighted_index(u[0], weights)
    chosen, present, after = [first], [jnp.bool_(True)], jnp.bool_(False)
    if t == 2:
        forms = jnp.stack([task.single, task.then, task.after])
        form = weighted_index(u[2], forms.at[0].add(jnp.all(forms == 0)))
        once_more = weights - jnp.where(first == 0, door_weight, 1) * (
            jnp.arange(len(weights)) == first
        )
        chosen.append(weighted_index(u[1], once_more))
        present.append((form > 0) & jnp.any(once_more > 0))
        after = (form == 2) & present[1]
    target, present = jnp.stack(chosen), jnp.stack(present)
    is_door = target == 0
    said_before = jnp.concatenate([jnp.zeros(1, bool), is_door[:-1]])
    row = jnp.where(is_door, said_before, target + DOORS - 1).astype(jnp.int32)
    rest = jnp.where(is_door, task.open, task.pick_up)
    weights = jnp.stack([jnp.full(t, task.go_to), rest], axis=1)
    other = weighted_index(draw(t), weights.at[:, 0].add(jnp.all(weights == 0, axis=1))) == 1
    verb = jnp.where(other, jnp.where(is_door, OPEN, PICK_UP), GO_TO)
    return _Asked(row, jnp.where(present, verb, NONE).astype(jnp.int32), after)


def _doors(
    layout: Layout,
    rooms: Rooms,
    home: tuple[Int32[Array, ""], Int32[Array, ""]],
    has: Bool[Array, " 4"],
    task: Task,
    doors: Float[Array, ""],
    asked: _Asked,
    draw: UniformDraws,
) -> tuple[UInt8[Array, "h w"], UInt8[Array, " 4"], Int32[Array, " 4"]]:
    """Return the map with doors in the walls of one room, the doors, and their places."""
    row, column = home
    two = jnp.sum(asked.verb != NONE) > 1
    fixed = task.fixed_walls > 0
    order = draw(DOORS)
    order = order.at[_RIGHT].set(jnp.where(fixed, -1, order[_RIGHT]))
    order = order.at[_LEFT].set(jnp.where(fixed & two, -2, order[_LEFT]))
    wall = jnp.argsort(jnp.where(has, order, 2))
    far, near = rooms.size - 1, 1 + uniform_index(draw(DOORS), rooms.size - 2)
    ahead = jnp.asarray(DIRECTION_VECTORS)[wall]  # [door, (x, y)]
    along = jnp.where(ahead == 0, near[:, None], jnp.where(ahead > 0, far, 0))
    x, y = column * far + along[:, 0], row * far + along[:, 1]

    u, any_color, colors = draw(), uniform_index(draw(DOORS), 6), draw(6)
    red_blue = u < task.red_blue
    forced = np.array([cells.RED, cells.BLUE])
    colors = colors.at[forced].add(jnp.where(red_blue, jnp.array([-2.0, -1.0]), 0))
    any_color = any_color.at[:2].set(jnp.where(red_blue, forced, any_color[:2]))
    color = jnp.where(task.distinct_doors > 0, jnp.argsort(colors)[:DOORS], any_color)

    index = jnp.arange(DOORS)
    opened = jnp.any((asked.row == index[:, None]) & (asked.verb == OPEN), axis=1)
    locked = (draw(DOORS) < task.locked_doors) & ~opened
    kind = jnp.where(locked, cells.LOCKED_DOOR, cells.CLOSED_DOOR)
    there = index < doors
    door = jnp.where(there, cells.code(kind, color), 0).astype(jnp.uint8)
    map = room_grid.walls(layout, rooms)
    map = map.at[jnp.where(there, y, layout.height), x].set(door, mode="drop")
    return map, door, jnp.where(there, y * layout.width + x, GONE)


def _say(
    task: Task,
    asked: _Asked,
    table: UInt8[Array, " k"],
    where: Bool[Array, "k 5"],
    draw: UniformDraws,
) -> tuple[Sentence, Bool[Array, "2m k"]]:
    """Return the sentence for the targets, and the objects that match its descriptions."""
    t = len(asked.row)
    target = table[asked.row]
    types = object_descriptions.is_kind(table)
    same_type = types[asked.row] @ types.T  # [t, k]
    kind = cells.kind_of(target)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    shut = (asked.verb == OPEN)[:, None] & (cells.kind_of(table) == cells.LOCKED_DOOR)
    could = same_type & ~shut
    fits = jnp.any(could[:, :, None] & where[:, _LOCATIONS], axis=1)  # [t, 4]
    location = jnp.asarray(_LOCATIONS)[weighted_index(draw(t), fits.astype(jnp.float32))]
    by_location = draw(t) < task.by_location
    location = jnp.where(by_location, location, grammar.NOWHERE)
    color = jnp.where(by_location, ANY, cells.color_of(target))

    # Only clauses 0 and 2 of m are used, and only the first of their two descriptions.
    m = 1 if t == 1 else 4
    said = np.arange(t) * 4

    def spread(values, other):
        return jnp.full(2 * m, other).at[said].set(values.astype(jnp.int32))

    strict = jnp.where(np.arange(t) < task.strict, STRICT, 0)
    verbs = jnp.where(asked.verb == NONE, NONE, asked.verb | strict)
    clauses = spread(verbs, NONE)[::2]
    sentence = Sentence(
        clauses,
        spread(kind, ANY),
        spread(color, ANY),
        spread(location, grammar.NOWHERE),
        asked.after,
    )
    meant = verifier.describe(table, sentence.kind, sentence.color)
    meant &= where[:, sentence.location].T
    used = jnp.stack([clauses != NONE, clauses < 0], axis=1).reshape(-1)
    return sentence, meant & used[:, None]


def kinds(space: Box) -> tuple[int, ...]:
    """Return the kinds of clauses that occur; "go to" is the fallback for other missions."""
    highest = {d.name: d.high for d in space.dimensions}
    names = dict(zip(_VERBS, ("go_to", "open", "pick_up"), strict=True))
    return tuple(kind for kind, name in names.items() if highest[name] > 0 or kind == GO_TO)


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    return max_steps_of(space, targets(space))


def longest_mission(space: Box) -> int:
    """Return the number of tokens in the longest mission."""
    least, most = Task(*space.low), Task(*space.high)
    said = {kind for kind in kinds(space) if kind != GO_TO}
    # Without its own weight, "go to" is still used where no other verb fits the target.
    if most.go_to > 0 or least.open == 0:
        said.add(GO_TO)
    described = 2 + grammar.PLACE_TOKENS if most.by_location > 0 else 3
    clause = grammar.longest_clause(said, described)
    # If no level is accepted, the fallback is "go to" with a color.
    return max(grammar.longest_clause([GO_TO]), targets(space) * (clause + 2) - 2)


FAMILY = Family(map_size, generate, kinds, max_steps, longest_mission)
