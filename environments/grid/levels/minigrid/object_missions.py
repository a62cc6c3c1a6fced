"""MiniGrid's object missions in one room: fetch an object, go to an object or door, put one near.

Unlike with Baby Language instructions, the first mistake ends the episode, and agents see through
walls.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells, missions, verifier
from didact.environments.grid.levels import minigrid_drafts
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.rules import GONE, World
from didact.environments.language.templates import Templates
from didact.environments.random_draws import UniformDraws, uniform_index, weighted_index
from didact.environments.task_spaces import Box, Dimension

_SMALLEST = 5

SPACE = Box(
    (
        Dimension(
            "size",
            *(_SMALLEST, 16, True, "cells"),
            "Side of the square room, including walls; rooms with doors have random sides up to "
            "this size.",
        ),
        Dimension(
            "objects",
            *(0, 8, True, "objects"),
            "Number of keys, balls and boxes (no boxes in fetch missions); at least as many as the "
            "mission needs.",
        ),
        Dimension("fetch", 0, 1, False, "weight", 'Weight of "fetch a red ball" missions.'),
        Dimension("go_to", 0, 1, False, "weight", 'Weight of "go to the red ball" missions.'),
        Dimension("go_to_door", 0, 1, False, "weight", 'Weight of "go to the red door" missions.'),
        Dimension(
            "put_near",
            *(0, 1, False, "weight"),
            'Weight of "put the red ball near the blue key" missions.',
        ),
    )
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    size: Float[Array, "*n"]
    objects: Float[Array, "*n"]
    fetch: Float[Array, "*n"]
    go_to: Float[Array, "*n"]
    go_to_door: Float[Array, "*n"]
    put_near: Float[Array, "*n"]


FETCH, GO_TO, GO_TO_DOOR, PUT_NEAR = range(4)  # missions
_WEIGHTS = ("fetch", "go_to", "go_to_door", "put_near")
_KINDS = np.array([missions.FETCH, missions.STOP_AT, missions.STOP_AT, missions.PUT_NEAR])
_NEEDED = np.array([1, 1, 0, 2])  # objects per mission
# The step limit, in multiples of the area of the room or of its side.
_STEPS_PER_CELL, _STEPS_PER_SIDE = np.array([5, 5, 4, 0]), np.array([0, 0, 0, 5])
_FETCHES = ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")
_SENTENCES = Templates(
    [
        *(f"{fetch} {{color0}} {{type0}}" for fetch in _FETCHES),
        "go to the {color0} {type0}",
        "put the {color0} {type0} near the {color1} {type1}",
    ]
)


class _Draft(NamedTuple):
    """One level, without the text of its mission."""

    map: UInt8[Array, " c"]
    position: Int32[Array, ""]
    direction: Int32[Array, ""]
    objects: UInt8[Array, " k"]  # 0 in unused rows
    places: Int32[Array, " k"]
    mission_kind: Int32[Array, ""]
    sentence: Int32[Array, ""]
    meant: Int32[Array, " 2"]  # the rows of the objects in the sentence


def missions_of(space: Box) -> list[int]:
    """Return the missions in a part of `SPACE`; tasks whose weights are all 0 use the first."""
    found = [i for i, name in enumerate(_WEIGHTS) if space.high[space.column(name)] > 0]
    return found or [FETCH]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    Objects are placed on random cells, then the agent. Objects may look alike in fetch missions
    only. In "put near" missions, no two objects are within one cell of each other at the start. In
    "go to door" missions, each wall has a door, and the sides of the room are random.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    draft = jax.vmap(functools.partial(_draft, space))(keys, tasks)
    index = jnp.arange(draft.objects.shape[1])
    first, second = (draft.objects[jnp.arange(len(tasks)), row] for row in draft.meant.T)
    kind = cells.kind_of(jnp.stack([first, second], axis=1))
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    color = cells.color_of(jnp.stack([first, second], axis=1))
    mission = _SENTENCES.fill(draft.sentence, color, kind, mission_length)

    alike = verifier.describe(draft.objects, kind[:, 0], color[:, 0])
    one = jnp.where((draft.mission_kind == FETCH)[:, None], alike, index == draft.meant[:, :1])
    other = (draft.mission_kind == PUT_NEAR)[:, None] & (index == draft.meant[:, 1:])
    members = (one + 2 * other).astype(jnp.uint8)
    places = draft.places.astype(jnp.int16)
    clauses = jnp.asarray(_KINDS, jnp.uint8)[draft.mission_kind][:, None]
    size = Task(*tasks.T).size.astype(jnp.int32)
    per_cell, per_side = (
        jnp.asarray(x)[draft.mission_kind] for x in (_STEPS_PER_CELL, _STEPS_PER_SIDE)
    )
    world = World(
        cells=draft.map,
        position=draft.position,
        direction=draft.direction,
        carried=jnp.full(len(tasks), cells.EMPTY, jnp.uint8),
        objects=draft.objects,
        places=places,
    )
    goal = missions.start(clauses, members, places)
    return Level(world, goal, mission, (per_cell * size + per_side) * size)


def _draft(space: Box, key: PRNGKeyArray, task: Float[Array, " d"]) -> _Draft:
    named, possible, (side, _) = Task(*task), missions_of(space), map_size(space)
    most = max(int(space.high[space.column("objects")]), *_NEEDED[possible], 1)
    draw = UniformDraws(key, side**2 + most + 36)
    weights = jnp.stack(named[2:])[np.array(possible)]
    weights = weights.at[0].add(jnp.all(weights == 0))
    mission_kind = jnp.asarray(possible)[weighted_index(draw(), weights)]
    to_door = mission_kind == GO_TO_DOOR
    size = named.size.astype(jnp.int32)
    width, height = jnp.where(
        to_door, _SMALLEST + uniform_index(draw(2), size - _SMALLEST + 1), size
    )

    y, x = (at.reshape(-1) for at in np.divmod(np.arange(side**2), side))
    across, down = (x == 0) | (x == width - 1), (y == 0) | (y == height - 1)
    wall = (across & (y < height)) | (down & (x < width)) | (x >= size) | (y >= size)
    map = jnp.where(wall, cells.GREY_WALL, cells.EMPTY).astype(jnp.uint8)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)

    wanted = jnp.maximum(named.objects, jnp.asarray(_NEEDED)[mission_kind])
    apart = mission_kind == PUT_NEAR
    # In the smallest room, an object in the middle would leave no cell apart from it.
    middle = apart & (size == _SMALLEST) & jnp.asarray((x == 2) & (y == 2))
    places, count = _scatter(inside & ~middle, x, y, wanted, most, apart, draw)
    free = inside & jnp.all(jnp.arange(side**2)[:, None] != places, axis=1)
    agent_x, agent_y = minigrid_drafts.random_free_cell(draw(), free.reshape(side, side))
    position = agent_y * side + agent_x
    objects = jnp.where(places == GONE, 0, _looks(mission_kind == FETCH, most, draw))
    target, other = draw(2)
    first = uniform_index(target, count)
    meant = jnp.stack(
        [first, (first + 1 + uniform_index(other, count - 1)) % jnp.maximum(count, 1)]
    )
    sentence = jnp.where(mission_kind == FETCH, uniform_index(draw(), len(_FETCHES)), len(_FETCHES))
    sentence += mission_kind == PUT_NEAR
    if GO_TO_DOOR in possible:
        doors, door_places = _doors(to_door, width, height, side, draw)
        objects, places = jnp.concatenate([objects, doors]), jnp.concatenate([places, door_places])
        meant = jnp.where(to_door, most + uniform_index(target, 4), meant)
    objects = objects.astype(jnp.uint8)
    map = map.at[jnp.where(places >= 0, places, map.size)].set(objects, mode="drop")
    return _Draft(
        map, position, uniform_index(draw(), 4), objects, places, mission_kind, sentence, meant
    )


def _scatter(
    inside: Bool[Array, " c"],
    x: np.ndarray,
    y: np.ndarray,
    wanted: Float[Array, ""],
    most: int,
    apart: Bool[Array, ""],
    draw: UniformDraws,
) -> tuple[Int32[Array, " k"], Int32[Array, ""]]:
    """Return random cells for objects, GONE in unused rows, and the number of placed objects.

    Args:
        inside: the available cells.
        x, y: the coordinates of all cells.
        wanted: the desired number of objects.
        most: the maximum number of objects.
        apart: whether objects must not touch, not even at a corner.
        draw: the source of random numbers.
    """
    priority = draw(len(x))
    at = jnp.asarray(np.stack([x, y]))

    def place(free, row):
        chosen = jnp.argmax(jnp.where(free, priority, -1))
        fits = free[chosen] & (row < wanted)
        distance = jnp.max(jnp.abs(at - at[:, chosen, None]), axis=0)
        return free & ~(fits & (distance <= apart)), jnp.where(fits, chosen, GONE)

    _, places = jax.lax.scan(place, inside, jnp.arange(most))
    return places, jnp.sum(places != GONE)


def _looks(fetch: Bool[Array, ""], most: int, draw: UniformDraws) -> Int32[Array, " k"]:
    """Sample keys and balls for fetch missions, otherwise distinct keys, balls and boxes."""
    any_ = uniform_index(draw(most), 12)
    unlike = jax.lax.top_k(draw(18), most)[1]
    looks = jnp.where(fetch, any_, unlike)
    return cells.code(cells.KEY + looks // 6, looks % 6)


def _doors(
    exist: Bool[Array, ""],
    width: Int32[Array, ""],
    height: Int32[Array, ""],
    side: int,
    draw: UniformDraws,
) -> tuple[Int32[Array, " 4"], Int32[Array, " 4"]]:
    """Return a closed door in each wall, all of different colors, and their places."""
    along_x, along_y = 2 + uniform_index(draw(2), width - 4), 2 + uniform_index(draw(2), height - 4)
    x = jnp.stack([along_x[0], along_x[1], jnp.int32(0), width - 1])
    y = jnp.stack([jnp.int32(0), height - 1, along_y[0], along_y[1]])
    color = jnp.argsort(draw(6))[:4]
    doors = cells.code(cells.CLOSED_DOOR, color)
    return jnp.where(exist, doors, 0), jnp.where(exist, y * side + x, GONE)


def map_size(space: Box) -> tuple[int, int]:
    """Return the width and height of the largest map of a space, in cells."""
    size = int(space.high[space.column("size")])
    return size, size


def kinds(space: Box) -> tuple[int, ...]:
    """Return the kinds of clauses that occur."""
    return tuple(sorted({int(_KINDS[mission_kind]) for mission_kind in missions_of(space)}))


def max_steps(space: Box) -> int:
    """Return the maximum number of steps in any episode."""
    size, _ = map_size(space)
    return int(
        max(_STEPS_PER_CELL[e] * size**2 + _STEPS_PER_SIDE[e] * size for e in missions_of(space))
    )


FAMILY = Family(
    map_size,
    generate,
    kinds,
    max_steps,
    longest_mission=lambda space: _SENTENCES.longest,
    play=missions.play,
    see_through_walls=True,
)


def _point(mission_kind: str, size: int, objects: int) -> Box:
    weights = {name: float(name == mission_kind) for name in _WEIGHTS}
    return SPACE.restricted(size=size, objects=objects, **weights)


def _fetch(size: int, objects: int) -> tuple[Box, str]:
    text = f"Fetch one of {objects} keys and balls, and no other, in a room of size {size}."
    return _point("fetch", size, objects), text


def _go_to_door(size: int) -> tuple[Box, str]:
    sides = "5" if size == 5 else f"5 to {size}"
    return _point("go_to_door", size, 0), f"Stop at one of four doors in a room of size {sides}."


def _go_to(size: int, objects: int) -> tuple[Box, str]:
    text = f"Stop at one of {objects} objects in a room of size {size}."
    return _point("go_to", size, objects), text


def _put_near(size: int, objects: int) -> tuple[Box, str]:
    text = f"Put one of {objects} objects near another in a room of size {size}."
    return _point("put_near", size, objects), text


LEVELS: dict[str, tuple[Box, str]] = {
    "MiniGrid-Fetch-5x5-N2-v0": _fetch(5, 2),
    "MiniGrid-Fetch-6x6-N2-v0": _fetch(6, 2),
    "MiniGrid-Fetch-8x8-N3-v0": _fetch(8, 3),
    "MiniGrid-GoToDoor-5x5-v0": _go_to_door(5),
    "MiniGrid-GoToDoor-6x6-v0": _go_to_door(6),
    "MiniGrid-GoToDoor-8x8-v0": _go_to_door(8),
    "MiniGrid-GoToObject-6x6-N2-v0": _go_to(6, 2),
    "MiniGrid-GoToObject-8x8-N2-v0": _go_to(8, 2),
    "MiniGrid-PutNear-6x6-N2-v0": _put_near(6, 2),
    "MiniGrid-PutNear-8x8-N3-v0": _put_near(8, 3),
}

GROUP = Group(
    "ObjectMissions",
    "Fetch an object, go to an object or a door, or put one object near another, in one room. "
    "Includes MiniGrid's Fetch, GoToObject, GoToDoor and PutNear.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"size": (5, 6), "objects": (0, 2)},
)
