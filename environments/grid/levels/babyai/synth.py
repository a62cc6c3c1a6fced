"""Levels with the whole Baby Language: BabyAI's level generator, from Synth to BossLevel.

References:
    Chevalier-Boisvert et al., BabyAI: a platform to study the sample efficiency of grounded
    language learning, ICLR 2019, section 3.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels import object_descriptions, placement, room_grid
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, with_fallback_mission
from didact.environments.grid.levels.family import (
    Family,
    Group,
    Level,
    layout_of,
    map_size,
    max_steps_for,
)
from didact.environments.grid.levels.placement import FloorPlan
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.language import grammar, vocabulary
from didact.environments.language.grammar import (
    ANY,
    GO_TO,
    KINDS,
    NONE,
    OPEN,
    PICK_UP,
    PUT_NEXT,
    Sentence,
)
from didact.environments.random_draws import UniformDraws, weighted_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 5, 8, True, "cells", "Side of each square room, including walls."),
        Dimension("rows", 1, 3, True, "rooms", "Number of rows of rooms."),
        Dimension("columns", 1, 3, True, "rooms", "Number of columns of rooms."),
        Dimension(
            "objects",
            *(2, 18, True, "objects"),
            "Number of keys, balls and boxes, scattered over all rooms. Objects that would fill "
            "more than a third of the cells (a quarter if nothing may be blocked) are omitted.",
        ),
        Dimension(
            "locked_room",
            *(0, 1, False, "probability"),
            "Probability that one room is locked, with its key in another room.",
        ),
        Dimension(
            "locations", 0, 1, True, "", "1: descriptions may include locations (on your left)."
        ),
        Dimension(
            "unblocking", 0, 1, True, "", "1: objects may block others; 0: nothing is blocked."
        ),
        Dimension(
            "implicit_unlock",
            *(0, 1, True, ""),
            "1: all matching targets may be in the locked room; 0: at least one is outside.",
        ),
        Dimension("go_to", 0, 1, False, "weight", 'Weight of "go to" clauses.'),
        Dimension("open", 0, 1, False, "weight", 'Weight of "open" clauses.'),
        Dimension("pick_up", 0, 1, False, "weight", 'Weight of "pick up" clauses.'),
        Dimension("put_next", 0, 1, False, "weight", 'Weight of "put next to" clauses.'),
        Dimension("single", 0, 1, False, "weight", "Weight of missions with one clause."),
        Dimension("both", 0, 1, False, "weight", 'Weight of two clauses joined by "and".'),
        Dimension(
            "sequence",
            *(0, 1, False, "weight"),
            'Weight of "then" or "after you", with one or two clauses on either side.',
        ),
    )
)

_TYPES = (cells.DOOR, cells.KEY, cells.BALL, cells.BOX)  # the columns of type tables
# The possible types by kind of clause: of the target, and of the object to put it next to.
_MAY_BE = np.zeros((5, 2, 4), bool)
_MAY_BE[(NONE, GO_TO), 0] = True
_MAY_BE[OPEN, 0, 0] = True
_MAY_BE[PICK_UP, 0, 1:] = _MAY_BE[PUT_NEXT, 0, 1:] = True
_MAY_BE[:, 1] = True


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    rows: Float[Array, "*n"]
    columns: Float[Array, "*n"]
    objects: Float[Array, "*n"]
    locked_room: Float[Array, "*n"]
    locations: Float[Array, "*n"]
    unblocking: Float[Array, "*n"]
    implicit_unlock: Float[Array, "*n"]
    go_to: Float[Array, "*n"]
    open: Float[Array, "*n"]
    pick_up: Float[Array, "*n"]
    put_next: Float[Array, "*n"]
    single: Float[Array, "*n"]
    both: Float[Array, "*n"]
    sequence: Float[Array, "*n"]


def most_navigations(space: Box) -> int:
    """Return the maximum number of navigations in a mission."""
    return joined(space) * (2 if PUT_NEXT in kinds(space) else 1)


def joined(space: Box) -> int:
    """Return the maximum number of clauses in a mission: 1, 2 or 4."""
    highest = {d.name: d.high for d in space.dimensions}
    return 4 if highest["sequence"] > 0 else 2 if highest["both"] > 0 else 1


def kinds(space: Box) -> tuple[int, ...]:
    """Return the kinds of clauses that occur."""
    highest = {d.name: d.high for d in space.dimensions}
    names = dict(zip(KINDS, ("go_to", "open", "pick_up", "put_next"), strict=True))
    # "Go to" is the fallback if no other clause is possible.
    return tuple(kind for kind, name in names.items() if highest[name] > 0 or kind == GO_TO)


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    One room may be locked, with its key in another room. Doors are added between random rooms until
    all are connected, objects are scattered, and the agent is placed in a room that is not locked.
    The sentence is sampled to fit the objects. Levels that BabyAI rejects are sampled again:
    objects are unreachable although nothing may be blocked, objects to put next to each other
    already are or may be identical, or a clause involves a key that is needed for a door.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    attempt = functools.partial(_attempt, space)
    good, draft = rejection_sample(attempt, keys, tasks)
    named = Task(*tasks.T)
    longest = (named.room_size**2 * named.rows * named.columns).astype(jnp.int32)
    draft = with_fallback_mission(good, draft)
    return level_of(draft, grammar.navigations(draft.sentence.clauses) * longest, mission_length)


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], Draft]:
    layout, named = layout_of(space), Task(*task)
    rooms = Rooms(*(v.astype(jnp.int32) for v in named[:3]))
    most, m = int(space.high[space.column("objects")]), joined(space)
    numbers = UniformDraws(key, placement.num_draws(layout, most) + 4 + 3 * m)
    # In crowded rooms, everything is reachable only very rarely.
    most_free = (rooms.size - 2) ** 2 // 4 * rooms.rows * rooms.columns
    objects = jnp.where(
        named.unblocking > 0, named.objects, jnp.minimum(named.objects, jnp.maximum(most_free, 2))
    )
    floor = placement.place_doors_and_objects(
        layout, rooms, objects, named.locked_room, most, numbers
    )
    x, y, direction, room = placement.place_agent(layout, rooms, floor, numbers)
    position = y * layout.width + x
    where = object_descriptions.located(floor.places, position, direction, layout.width, rooms.size)
    sentence, members, meant = _sentence(layout, rooms, named, m, floor, where, numbers)
    reachable = (named.unblocking > 0) | room_grid.all_reachable(floor.map, x, y)
    good = floor.good & (room >= 0) & reachable & meant
    places = floor.places.astype(jnp.int16)
    map, hand = floor.map.reshape(-1), jnp.uint8(cells.EMPTY)
    return good, Draft(map, position, direction, hand, floor.objects, places, sentence, members)


def _sentence(
    layout: Layout,
    rooms: Rooms,
    task: Task,
    m: int,
    floor: FloorPlan,
    where: Bool[Array, "k 5"],
    draw: UniformDraws,
) -> tuple[Sentence, Bool[Array, "2m k"], Bool[Array, ""]]:
    """Return a sentence, the objects that match, and whether BabyAI would accept it."""
    clauses, after = _form(task, m, floor, draw)
    kind, color, location, possible = _describe(layout, rooms, task, clauses, floor, where, draw)
    members = verifier.describe(floor.objects, kind, color) & where[:, location].T
    used = jnp.stack([clauses != NONE, clauses == PUT_NEXT], axis=1).reshape(-1)

    x, y = floor.places % layout.width, floor.places // layout.width
    beside = jnp.abs(x[:, None] - x) + jnp.abs(y[:, None] - y) == 1
    moved, fixed = members[::2], members[1::2]
    next_to = jnp.any(moved[:, :, None] & fixed[:, None] & beside, axis=(1, 2))
    wrong = (clauses == PUT_NEXT) & (jnp.any(moved & fixed, axis=1) | next_to)
    needed = (task.unblocking > 0) & (floor.locked >= 0)
    needed &= (kind == cells.KEY) & (color == floor.lock_color)
    good = jnp.all(~used | (possible & ~needed)) & ~jnp.any(wrong)
    return Sentence(clauses, kind, color, location, after), members & used[:, None], good


def _form(
    task: Task, m: int, floor: FloorPlan, draw: UniformDraws
) -> tuple[Int32[Array, " m"], Bool[Array, ""]]:
    """Return the kinds of the clauses, and whether to use "after you" instead of "then"."""
    shape, one, other, after = draw(4)
    shapes = jnp.stack([task.single, task.both, task.sequence])[: {1: 1, 2: 2, 4: 3}[m]]
    shape = weighted_index(shape, shapes.at[0].add(jnp.all(shapes == 0)))
    has_doors = jnp.any(cells.is_door(cells.kind_of(floor.objects)))
    weights = jnp.stack([task.go_to, task.open * has_doors, task.pick_up, task.put_next])
    weights = weights.at[0].add(jnp.all(weights == 0))
    said = jnp.asarray(KINDS)[weighted_index(draw(m), weights)]
    sequence = shape == 2
    present = jnp.stack(
        [shape >= 0, (shape == 1) | (sequence & (one < 0.5)), sequence, sequence & (other < 0.5)]
    )
    return jnp.where(present[:m], said, NONE), sequence & (after < 0.5)


def _describe(
    layout: Layout,
    rooms: Rooms,
    task: Task,
    clauses: Int32[Array, " m"],
    floor: FloorPlan,
    where: Bool[Array, "k 5"],
    draw: UniformDraws,
) -> tuple[Int32[Array, " 2m"], Int32[Array, " 2m"], Int32[Array, " 2m"], Bool[Array, " 2m"]]:
    """Return type, color and location of each description, and whether any description fits.

    BabyAI draws any color or none, any type, and a location half of the time, until an object
    matches. Here, a description is drawn directly from all those that match an object.
    """
    types = object_descriptions.is_kind(floor.objects).astype(jnp.float32)
    color = cells.color_of(floor.objects)[:, None] == np.arange(6)
    colors = jnp.concatenate([jnp.ones((len(color), 1), bool), color], 1).astype(jnp.float32)
    spots = where.astype(jnp.float32)
    far = rooms.size - 1
    left, top = floor.locked % layout.columns * far, floor.locked // layout.columns * far
    x, y = floor.places % layout.width, floor.places // layout.width
    inside = (x >= left) & (x <= left + far) & (y >= top) & (y <= top + far)
    behind_lock = inside & (floor.locked >= 0)
    counts = ~behind_lock | (task.implicit_unlock > 0)
    exists = jnp.einsum("kt,kc,ks->tcs", types * counts[:, None], colors, spots) > 0
    place = jnp.where(
        task.locations > 0, jnp.array([4.0, 1, 1, 1, 1]), jnp.array([1.0, 0, 0, 0, 0])
    )
    weights = (exists * place).reshape(4, -1)

    may_be = jnp.asarray(_MAY_BE)[clauses].reshape(-1, 4)  # [2m, types]
    weights = (may_be[:, :, None] * weights).reshape(len(may_be), -1)
    chosen = weighted_index(draw(len(may_be)), weights)
    kind, rest = chosen // (7 * 5), chosen % (7 * 5)
    color, location = rest // 5 - 1, rest % 5
    possible = jnp.sum(weights, axis=1) > 0
    color = jnp.where(color < 0, ANY, color)
    return jnp.asarray(_TYPES)[kind], color, location, possible


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    return max_steps_for(space, most_navigations(space))


def longest_mission(space: Box) -> int:
    """Return the number of tokens in the longest mission."""
    place = grammar.PLACE_TOKENS if space.high[space.column("locations")] > 0 else 0
    clauses = joined(space)
    joiners = {1: 0, 2: 1, 4: 4}[clauses]  # "and" twice, plus ", then" or "after you"
    return clauses * grammar.longest_clause(kinds(space), 3 + place) + joiners


FAMILY = Family(map_size, generate, kinds, max_steps, longest_mission)


def _synth(room_size: int = 8, rows: int = 3, columns: int = 3, objects: int = 18, **more) -> Box:
    """Return a task space with the defaults of BabyAI's generator, which enable everything."""
    usual: dict[str, float] = {
        "locked_room": 0.5,
        "locations": 1,
        "unblocking": 1,
        "implicit_unlock": 1,
        **dict.fromkeys(("go_to", "open", "pick_up", "put_next"), 1),
        **dict.fromkeys(("single", "both", "sequence"), 1),
    }
    sizes = {"room_size": room_size, "rows": rows, "columns": columns, "objects": objects}
    return SPACE.restricted(**sizes, **(usual | more))


_ONE = {"both": 0, "sequence": 0}
_GO_TO_ONLY = {"open": 0, "pick_up": 0, "put_next": 0, "locked_room": 0, "locations": 0}
_GO_TO_ONLY["unblocking"] = 0
_PICK_UP_ONLY = {"go_to": 0, "open": 0, "put_next": 0, "locked_room": 0, "unblocking": 0}

LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToSeq-v0": (
        _synth(**_GO_TO_ONLY),
        'Up to four "go to" clauses in order, in 3x3 rooms.',
    ),
    "BabyAI-GoToSeqS5R2-v0": (
        _synth(5, 2, 2, 4, **_GO_TO_ONLY),
        'Up to four "go to" clauses in order, in 2x2 small rooms.',
    ),
    "BabyAI-PickupLoc-v0": (
        _synth(8, 1, 1, 8, **_PICK_UP_ONLY, **_ONE),
        "Pick up an object, which may be described by its location, in one room.",
    ),
    "BabyAI-Synth-v0": (
        _synth(locations=0, implicit_unlock=0, **_ONE),
        "One clause of any kind in 3x3 rooms.",
    ),
    "BabyAI-SynthS5R2-v0": (
        _synth(5, 2, locations=0, implicit_unlock=0, **_ONE),
        "One clause of any kind in 2x3 small rooms.",
    ),
    "BabyAI-SynthLoc-v0": (
        _synth(implicit_unlock=0, **_ONE),
        "One clause of any kind; descriptions may include locations.",
    ),
    "BabyAI-SynthSeq-v0": (
        _synth(implicit_unlock=0),
        "Up to four clauses of any kind, in order.",
    ),
    "BabyAI-MiniBossLevel-v0": (
        _synth(5, 2, 2, 7, locked_room=0.25),
        "The whole language in 2x2 small rooms.",
    ),
    "BabyAI-BossLevel-v0": (
        _synth(),
        "The whole language in 3x3 rooms, one of them possibly locked.",
    ),
    "BabyAI-BossLevelNoUnlock-v0": (
        _synth(locked_room=0, implicit_unlock=0),
        "The whole language in 3x3 rooms, none of them locked.",
    ),
}

SMALL = SPACE.restricted(room_size=5, rows=(1, 2), columns=(1, 2), objects=(2, 7))

GROUP = Group(
    "Synth",
    "Follow instructions of up to four clauses of any kind. Includes Synth to BossLevel.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={
        **dict.fromkeys(("rows", "columns"), 1),
        **dict.fromkeys(("locations", "unblocking", "put_next", "both", "sequence"), 0),
    },
    mission_length=vocabulary.MAX_LENGTH,
    parts={
        "MiniSynth": (
            SMALL,
            "Any instructions in up to four small rooms. Includes MiniBossLevel.",
        )
    },
)
