"""Levels in a single room: go to or pick up an object."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels import room_grid, single_room
from didact.environments.grid.levels.babyai_drafts import Draft, level_of, with_fallback_mission
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.levels.room_grid import Layout, Rooms
from didact.environments.language import grammar
from didact.environments.language.grammar import ANY, GO_TO, PICK_UP, STRICT, Sentence
from didact.environments.random_draws import UniformDraws, weighted_index
from didact.environments.task_spaces import Box, Dimension

SPACE = Box(
    (
        Dimension("room_size", 5, 20, True, "cells", "Side of the square room, including walls."),
        Dimension(
            "objects",
            *(1, 8, True, "objects"),
            "Number of keys, balls and boxes. Objects that would fill more than a third of the "
            "room are omitted.",
        ),
        Dimension("distinct", 0, 1, True, "", "1: all objects are different."),
        Dimension(
            "agent_last",
            *(0, 1, True, ""),
            "1: the agent is placed last, facing no object, and objects may block each other; "
            "0: it is placed first, no object is next to it, and nothing is blocked.",
        ),
        Dimension("ball", 0, 1, False, "probability", "Probability that the target is a ball."),
        Dimension(
            "red_or_blue",
            *(0, 1, False, "probability"),
            "Probability that the target is red or blue and the only object of its type in these "
            "colors.",
        ),
        Dimension("go_to", 0, 1, False, "weight", 'Weight of "go to" missions.'),
        Dimension("pick_up", 0, 1, False, "weight", 'Weight of "pick up" missions.'),
        Dimension("by_both", 0, 1, False, "weight", 'Weight of descriptions like "red ball".'),
        Dimension("by_type", 0, 1, False, "weight", 'Weight of descriptions like "ball".'),
        Dimension("by_color", 0, 1, False, "weight", 'Weight of descriptions like "red object".'),
        Dimension("strict", 0, 1, True, "", "1: picking up another object ends the episode."),
    )
)


class Task(NamedTuple):
    """A task, with its parameters by name."""

    room_size: Float[Array, "*n"]
    objects: Float[Array, "*n"]
    distinct: Float[Array, "*n"]
    agent_last: Float[Array, "*n"]
    ball: Float[Array, "*n"]
    red_or_blue: Float[Array, "*n"]
    go_to: Float[Array, "*n"]
    pick_up: Float[Array, "*n"]
    by_both: Float[Array, "*n"]
    by_type: Float[Array, "*n"]
    by_color: Float[Array, "*n"]
    strict: Float[Array, "*n"]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    The first object is the target. Levels are rejected if an object has no place, or if something
    is blocked although nothing may be.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    good, draft = rejection_sample(functools.partial(_attempt, space), keys, tasks)
    draft = with_fallback_mission(good, draft)
    return level_of(draft, Task(*tasks.T).room_size ** 2, mission_length)


def _layout(space: Box) -> Layout:
    return Layout(int(space.high[space.column("room_size")]), 1, 1)


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], Draft]:
    layout, named, one = _layout(space), Task(*task), jnp.int32(1)
    rooms = Rooms(named.room_size.astype(jnp.int32), one, one)
    most = int(space.high[space.column("objects")])
    draw = UniformDraws(key, single_room.num_draws(layout, most) + 5)
    objects = jnp.where(
        jnp.arange(most) < jnp.minimum(named.objects, single_room.max_objects(rooms, 3)),
        _objects(named, most, draw),
        0,
    ).astype(jnp.uint8)
    last = named.agent_last > 0
    walls, corner = room_grid.walls(layout, rooms), (one - 1, one - 1)
    inside = single_room.place_objects_and_agent(layout, rooms, corner, walls, objects, last, draw)
    good = inside.good
    if most > 1 and space.low[space.column("agent_last")] == 0:
        good &= last | room_grid.all_reachable(inside.map, inside.x, inside.y)
    sentence = _sentence(named, objects[0], draw)
    members = verifier.describe(objects, sentence.kind, sentence.color)
    return good, Draft(
        inside.map.reshape(-1),
        inside.y * layout.width + inside.x,
        inside.direction,
        jnp.uint8(cells.EMPTY),
        objects,
        inside.places.astype(jnp.int16),
        sentence,
        members & np.array([[True], [False]]),
    )


def _objects(task: Task, most: int, draw: UniformDraws) -> UInt8[Array, " k"]:
    """Sample all objects; the first one is the target."""
    look = jnp.arange(single_room.NUM_APPEARANCES)
    kind, color = cells.KEY + look // 6, look % 6
    special, ball, u = draw(3)
    special, ball = special < task.red_or_blue, ball < task.ball
    primary = (color == cells.RED) | (color == cells.BLUE)
    may_be = (~special | primary) & (~ball | (kind == cells.BALL))
    target = weighted_index(u, may_be.astype(jnp.float32))
    rival = special & primary & (kind == kind[target])
    twin = (task.distinct > 0) & (look == target)
    others = single_room.sample_appearances(most - 1, task.distinct > 0, ~rival & ~twin, draw)
    return single_room.cell_of_appearance(jnp.concatenate([target[None], others]))


def _sentence(task: Task, target: UInt8[Array, ""], draw: UniformDraws) -> Sentence:
    verbs = jnp.stack([task.go_to, task.pick_up])
    forms = jnp.stack([task.by_both, task.by_type, task.by_color])
    u = draw(2)
    picks = weighted_index(u[0], verbs.at[0].add(jnp.all(verbs == 0))) == 1
    how = weighted_index(u[1], forms.at[0].add(jnp.all(forms == 0)))
    clause = jnp.where(picks, jnp.where(task.strict > 0, PICK_UP | STRICT, PICK_UP), GO_TO)
    kind = jnp.where(how == 2, ANY, cells.kind_of(target)).astype(jnp.int32)
    color = jnp.where(how == 1, ANY, cells.color_of(target)).astype(jnp.int32)
    nowhere = jnp.full(2, grammar.NOWHERE)
    no = jnp.bool_(False)
    return Sentence(clause[None], jnp.stack([kind] * 2), jnp.stack([color] * 2), nowhere, no)


def _map_size(space: Box) -> tuple[int, int]:
    layout = _layout(space)
    return layout.width, layout.height


def _kinds(space: Box) -> tuple[int, ...]:
    return (GO_TO, PICK_UP) if space.high[space.column("pick_up")] > 0 else (GO_TO,)


def _max_steps(space: Box) -> int:
    return _layout(space).room_size ** 2


def _longest_mission(space: Box) -> int:
    return grammar.longest_clause(_kinds(space))


FAMILY = Family(_map_size, generate, _kinds, _max_steps, _longest_mission)


def _point(room_size: int, objects: int, **more: float) -> Box:
    usual: dict[str, float] = dict.fromkeys(SPACE.names[2:], 0)
    return SPACE.restricted(room_size=room_size, objects=objects, **(usual | more))


_ANY_WAY = {"pick_up": 1, "by_both": 1, "by_type": 1, "by_color": 1}


def _alone(room_size: int) -> tuple[Box, str]:
    space = _point(room_size, 1, agent_last=1, ball=1, pick_up=1, by_type=1)
    return space, f"Pick up the ball, the only object in a room of size {room_size}."


LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToRedBlueBall-v0": (
        _point(8, 8, ball=1, red_or_blue=1, go_to=1, by_both=1),
        "Go to the only red or blue ball among 7 objects.",
    ),
    "BabyAI-PickupDist-v0": (
        _point(7, 5, distinct=1, agent_last=1, **_ANY_WAY),
        "Pick up one of 5 different objects, described by type, color or both.",
    ),
    "BabyAI-PickupDistDebug-v0": (
        _point(7, 5, distinct=1, agent_last=1, strict=1, **_ANY_WAY),
        "Pick up one of 5 different objects, described by type, color or both, and no other.",
    ),
    "BabyAI-OneRoomS8-v0": _alone(8),
    "BabyAI-OneRoomS12-v0": _alone(12),
    "BabyAI-OneRoomS16-v0": _alone(16),
    "BabyAI-OneRoomS20-v0": _alone(20),
}

GROUP = Group(
    "OneRoom",
    "Go to or pick up an object in a single room of up to 20x20 cells.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"room_size": (5, 8), "pick_up": 0, "strict": 0},
)
