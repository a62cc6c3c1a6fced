"""Levels about putting objects next to others: BabyAI's PutNext group and MoveTwoAcross."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int16, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels import placement, room_grid
from didact.environments.grid.levels.babyai_drafts import Draft, level_of
from didact.environments.grid.levels.family import (
    TIME_LIMIT,
    Family,
    Group,
    Level,
    step_limit,
)
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.grid.rules import CARRIED, GONE
from didact.environments.language import grammar
from didact.environments.language.grammar import NONE, PUT_NEXT, Sentence
from didact.environments.random_draws import UniformDraws
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension(
            "room_size",
            *(4, 8, True, "cells"),
            "Side of each square half, including walls; 4 is increased to 5 if a half must hold "
            "two objects.",
        ),
        Dimension(
            "halves",
            *(1, 2, True, "rooms"),
            "Number of square halves side by side, without a wall between them. With two, objects "
            "are moved from one half to the other. The agent starts in the left one.",
        ),
        Dimension(
            "objects",
            *(1, 9, True, "objects per half"),
            "Number of different keys, balls and boxes; at least as many as the mission names, and "
            "at most a third of the cells.",
        ),
        Dimension(
            "moves",
            *(1, 2, True, "objects"),
            "1: put one object next to another; 2: then also put one in the opposite direction, if "
            "there are two halves.",
        ),
        Dimension(
            "carrying",
            *(0, 1, False, "probability"),
            "Probability that the agent carries the first object at the start.",
        ),
        TIME_LIMIT,
    )
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    halves: Float[Array, "*n"]
    objects: Float[Array, "*n"]
    moves: Float[Array, "*n"]
    carrying: Float[Array, "*n"]
    time_limit: Float[Array, "*n"]


def layout_of(space: Box) -> Layout:
    """Return the smallest layout that fits every task of a part of `SPACE`."""
    least = {d.name: int(d.low) for d in space.dimensions}
    most = {d.name: int(d.high) for d in space.dimensions}
    small = least["halves"] > 1 and most["moves"] < 2
    return Layout(max(most["room_size"], 4 if small else 5), 1, most["halves"])


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map, in cells."""
    layout = layout_of(space)
    return layout.width, layout.height


def _needs_two(task: Task) -> Bool[Array, "*n"]:
    """Return whether a half must hold two objects."""
    return (task.halves < 2) | (task.moves > 1)


def _room_size(task: Task) -> Float[Array, "*n"]:
    return jnp.maximum(task.room_size, jnp.where(_needs_two(task), 5, 4))


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The agent is in the left half, and different objects are on random cells that are not next to
    it. In a single half, all objects must be reachable, and the two named objects must not be next
    to each other. As in BabyAI, levels are sampled until they satisfy this.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    _, (draft, known) = rejection_sample(functools.partial(_attempt, space), keys, tasks)
    task = Task(*tasks.T)
    level = level_of(draft, step_limit(_room_size(task), task.time_limit), mission_length)
    # BabyAI lets the agent pick up the object only after it has set up the instruction.
    return level._replace(goal=level.goal._replace(known=known))


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], tuple[Draft, Int16[Array, " k"]]]:
    layout, named = layout_of(space), Task(*task)
    size = _room_size(named).astype(jnp.int32)
    halves, one = named.halves.astype(jnp.int32), jnp.int32(1)
    rooms = Rooms(size, one, halves)
    most = max(int(space.high[space.column("objects")]), 2)
    draw = UniformDraws(key, 18 + 3 + layout.columns * (most + layout.inside) + 4 * layout.inside)
    beside, _ = room_grid.shared_walls(layout, rooms)
    map = jnp.where(beside, cells.EMPTY, room_grid.walls(layout, rooms)).astype(jnp.uint8)
    x, y, direction, _ = placement.place_agent_in_room(layout, rooms, map, jnp.int32(0), draw)

    things, places, fits = _objects(layout, rooms, named, most, (x, y), draw)
    complete = placement.put_on_map(map, things, places)
    sentence, members, rows = _sentence(layout, named, _clauses(space), things, draw)
    target = places[rows[0]], places[rows[1]]
    apart = jnp.abs(target[0] % layout.width - target[1] % layout.width)
    apart += jnp.abs(target[0] // layout.width - target[1] // layout.width)
    alone = halves < 2
    good = fits & (~alone | ((apart > 1) & room_grid.all_reachable(complete, x, y)))

    carries = draw() < named.carrying
    in_hand = carries & (jnp.arange(len(things)) == rows[0])
    map = placement.put_on_map(map, things, jnp.where(in_hand, GONE, places))
    hand = jnp.where(carries, things[rows[0]], cells.EMPTY).astype(jnp.uint8)
    known = places.astype(jnp.int16)
    held = jnp.where(in_hand, CARRIED, known).astype(jnp.int16)
    position = y * layout.width + x
    draft = Draft(map.reshape(-1), position, direction, hand, things, held, sentence, members)
    return good, (draft, known)


def _clauses(space: Box) -> int:
    """Return the number of clauses in the arrays of sentences."""
    most = {d.name: d.high for d in space.dimensions}
    return 4 if most["moves"] > 1 and most["halves"] > 1 else 1


def _objects(
    layout: Layout,
    rooms: Rooms,
    task: Task,
    most: int,
    agent: tuple[Int32[Array, ""], Int32[Array, ""]],
    draw: UniformDraws,
) -> tuple[UInt8[Array, " k"], Int32[Array, " k"], Bool[Array, ""]]:
    """Return the objects of each half in turn, their places, and whether all have one."""
    third = (rooms.size - 2) ** 2 // 3
    each = jnp.clip(task.objects, jnp.where(_needs_two(task), 2, 1), jnp.maximum(third, 1))
    half = jnp.asarray(np.repeat(np.arange(layout.columns), most))
    wanted = (jnp.tile(jnp.arange(most), layout.columns) < each) & (half < rooms.columns)
    _, looks = jax.lax.top_k(draw(18), len(half))
    things = cells.code(cells.KEY + looks // 6, looks % 6)
    x, y, rank, available = room_grid.place_in_rooms(
        layout,
        rooms,
        draw(layout.columns, layout.inside),
        *(jnp.zeros_like(half), half, wanted),
        agent,
        min(layout.inside, most),
    )
    places = jnp.where(wanted, y * layout.width + x, GONE)
    fits = jnp.all(~wanted | (rank < jnp.minimum(available, layout.inside)))
    return jnp.where(wanted, things, 0).astype(jnp.uint8), places, fits


def _sentence(
    layout: Layout, task: Task, m: int, things: UInt8[Array, " k"], draw: UniformDraws
) -> tuple[Sentence, Bool[Array, "2m k"], Int32[Array, " 2"]]:
    """Return the sentence, the objects it refers to, and the moved and fixed row of clause 0."""
    k = len(things)
    half, score = np.arange(k) // (k // layout.columns), draw(k)
    score = jnp.where(things > 0, score, -1)
    _, left = jax.lax.top_k(jnp.where(half == 0, score, -2), 2)
    a, b, c, d = left[0], left[1], left[0], left[1]
    two = jnp.bool_(False)
    if layout.columns > 1:
        _, right = jax.lax.top_k(jnp.where(half == 1, score, -2), 2)
        across = task.halves > 1
        two = across & (task.moves > 1)
        # In BabyAI, two moves start with an object on the left, and a single move on either side.
        flip = across & ~two & (draw() < 0.5)
        b = jnp.where(across, right[0], b)
        a, b, c = jnp.where(flip, b, a), jnp.where(flip, a, b), right[1]
    rows = jnp.stack([a, b, a, b, c, d, c, d])[: 2 * m]
    clauses = jnp.stack([jnp.where(c == 0, PUT_NEXT, NONE) for c in range(m)])
    if m > 2:
        clauses = clauses.at[2].set(jnp.where(two, PUT_NEXT, NONE))
    kind, color = (of(things[rows]).astype(jnp.int32) for of in (cells.kind_of, cells.color_of))
    sentence = Sentence(clauses, kind, color, jnp.full(2 * m, grammar.NOWHERE), jnp.bool_(False))
    members = verifier.describe(things, kind, color) & (jnp.repeat(clauses, 2) != NONE)[:, None]
    return sentence, members, rows[:2]


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    return layout_of(space).room_size ** 2 * int(space.high[space.column("time_limit")])


def longest_mission(space: Box) -> int:
    """Return the number of tokens in the longest mission; ", then" joins two clauses."""
    clause = grammar.longest_clause([PUT_NEXT])
    return 2 * clause + 2 if _clauses(space) > 1 else clause


FAMILY = Family(map_size, generate, lambda space: (PUT_NEXT,), max_steps, longest_mission)


def _one(room_size: int, objects: int) -> tuple[Box, str]:
    return (
        _point(room_size, 1, objects, time_limit=2),
        f"Put one of {objects} objects next to another, in one {room_size - 2}x{room_size - 2} "
        "room.",
    )


def _point(
    room_size: int, halves: int, objects: int, moves: int = 1, carrying: int = 0, time_limit=8
) -> Box:
    return SPACE.restricted(
        room_size=room_size,
        halves=halves,
        objects=objects,
        moves=moves,
        carrying=carrying,
        time_limit=time_limit,
    )


def _across(room_size: int, objects: int, carrying: int = 0) -> tuple[Box, str]:
    start = "Bring the carried object" if carrying else "Bring an object"
    return (
        _point(room_size, 2, objects, carrying=carrying),
        f"{start} next to one in the other half of a room; {objects} in each.",
    )


def _two(room_size: int, objects: int) -> tuple[Box, str]:
    return (
        _point(room_size, 2, objects, moves=2, time_limit=16),
        f"Bring an object next to one in the other half, then one back; {objects} in each.",
    )


LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-PutNextLocal-v0": _one(8, 8),
    "BabyAI-PutNextLocalS5N3-v0": _one(5, 3),
    "BabyAI-PutNextLocalS6N4-v0": _one(6, 4),
    "BabyAI-PutNextS4N1-v0": _across(4, 1),
    "BabyAI-PutNextS5N1-v0": _across(5, 1),
    "BabyAI-PutNextS5N2-v0": _across(5, 2),
    "BabyAI-PutNextS6N3-v0": _across(6, 3),
    "BabyAI-PutNextS7N4-v0": _across(7, 4),
    "BabyAI-PutNextS5N2Carrying-v0": _across(5, 2, carrying=1),
    "BabyAI-PutNextS6N3Carrying-v0": _across(6, 3, carrying=1),
    "BabyAI-PutNextS7N4Carrying-v0": _across(7, 4, carrying=1),
    "BabyAI-MoveTwoAcrossS5N2-v0": _two(5, 2),
    "BabyAI-MoveTwoAcrossS8N9-v0": _two(8, 9),
}

GROUP = Group(
    "PutNext",
    "Put objects next to others. Includes BabyAI's PutNext group and MoveTwoAcross.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"room_size": (4, 5), "moves": 1, "objects": (1, 2)},
    mission_length=20,
)
