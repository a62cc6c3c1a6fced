"""The instruction that a step achieved, such as "open the red door", for hindsight relabeling.

Any instruction that a step fulfills could have been the one given. The instructions here have a
single clause with color and kind, and the verifier accepts each as fulfilled by that step.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt8

from didact.common.errors import SettingError
from didact.environments.capabilities import AchievedInstructions
from didact.environments.grid import cells, rules, verifier
from didact.environments.grid.env import GridState, GridWorld
from didact.environments.language import grammar
from didact.environments.language.grammar import GO_TO, NONE, OPEN, PICK_UP, PUT_NEXT


class Scene(NamedTuple):
    """The relevant part of n worlds: the agent, what it carries, and the cells around its front."""

    there: Bool[Array, " n"]  # False before the first step of an episode
    position: Int32[Array, " n"]
    direction: Int32[Array, " n"]
    carried: UInt8[Array, " n"]
    ahead: UInt8[Array, " n"]
    beside: UInt8[Array, " n"]  # an object next to the cell ahead, or EMPTY
    known: Bool[Array, " n"]  # whether the verifier knows the object ahead to be there
    several: Bool[Array, "n 3"]  # whether others look like the carried, ahead, beside one


def describer(world: GridWorld) -> AchievedInstructions:
    """Return functions that describe the instructions which steps in this environment achieved.

    If a step achieves several instructions, "put next to" takes precedence over "pick up", then
    "open", then "go to".

    Raises:
        SettingError: the missions of the environment are not Baby Language or must be claimed with
            "done", or instructions have too few tokens for the descriptions.
    """
    if not world.baby_language:
        raise SettingError("environment", world.name, "one with Baby Language instructions")
    if world.done_action:
        raise SettingError(
            "done_action", True, "False, because achievements by chance are not claimed"
        )
    length = world.observation_space["instruction"].shape[0]
    least = grammar.longest_clause(grammar.KINDS)
    if length < least:
        raise SettingError(
            "mission_length", length, f"{least} or more to describe achieved instructions"
        )

    def reveal(state):
        return _scene(state, world.width)

    def initial(n):
        nothing = jnp.full(n, cells.EMPTY, jnp.uint8)
        zero, no = jnp.zeros(n, jnp.int32), jnp.zeros(n, bool)
        return Scene(no, zero, zero, nothing, nothing, nothing, no, jnp.zeros((n, 3), bool))

    def describe(before, now):
        kind, (one, other), several = _event(before, now)
        sentence = grammar.Sentence(
            kind[:, None],
            _columns(_kind(one), _kind(other)),
            _columns(cells.color_of(one), cells.color_of(other)).astype(jnp.int32),
            jnp.zeros((kind.shape[0], 2), jnp.int32),
            jnp.zeros(kind.shape[0], bool),
        )
        return grammar.words(sentence, several, length), before.there & (kind != NONE)

    return AchievedInstructions(reveal, initial, describe)


def _columns(*values: Array) -> Array:
    return jnp.stack(values, axis=-1)


def _kind(thing: UInt8[Array, "*n"]) -> Int32[Array, "*n"]:
    """Return the kind of an object as named in instructions: a door in any state is a door."""
    kind = cells.kind_of(thing)
    return jnp.where(cells.is_door(kind), cells.DOOR, kind).astype(jnp.int32)


def _is_thing(cell: UInt8[Array, "*n"]) -> Bool[Array, "*n"]:
    kind = cells.kind_of(cell)
    return cells.is_door(kind) | cells.is_portable(kind)


def _scene(state: GridState, width: int) -> Scene:
    world = state.world
    front = rules.cell_in_front(world.position, world.direction, width)
    size = world.cells.shape[1]

    def at(place):
        inside = (place >= 0) & (place < size)
        found = jnp.take_along_axis(world.cells, jnp.clip(place, 0, size - 1)[:, None], 1)[:, 0]
        return jnp.where(inside, found, cells.WALL)

    here = front[:, None].astype(jnp.int16)
    ahead, beside = at(front), jnp.full(front.shape, cells.EMPTY, jnp.uint8)
    for step in (1, -1, width, -width):
        # Neighbors of a wall may lie off the map, where nothing can be put.
        found = at(front + step)
        beside = jnp.where(_is_thing(found) & ~_is_thing(beside), found, beside)

    def several(thing):
        same = verifier.describe(world.objects, _kind(thing), cells.color_of(thing))
        return jnp.sum(same, axis=1) > 1

    return Scene(
        jnp.ones(front.shape, bool),
        world.position,
        world.direction,
        world.carried,
        ahead,
        beside,
        # The verifier does not know the contents of an opened box before the next drop.
        jnp.any((world.places == here) & (state.goal.known == here), axis=1),
        _columns(several(world.carried), several(ahead), several(beside)),
    )


def _event(before: Scene, now: Scene):
    """Return the kind of event (NONE if none), its two objects, and whether each has lookalikes."""
    stayed = (before.position == now.position) & (before.direction == now.direction)
    empty_before, empty_now = before.carried == cells.EMPTY, now.carried == cells.EMPTY
    dropped = ~empty_before & empty_now
    put = dropped & _is_thing(now.beside)
    picked = empty_before & ~empty_now
    swung = cells.kind_of(now.ahead) == cells.DOOR
    opened = stayed & swung & (cells.kind_of(before.ahead) != cells.DOOR)
    arrived = _is_thing(now.ahead) & now.known
    arrived &= ~(stayed & before.known & (before.ahead == now.ahead))
    kind = jnp.where(arrived, GO_TO, NONE)
    for done, what in ((opened, OPEN), (picked, PICK_UP), (put, PUT_NEXT)):
        kind = jnp.where(done, what, kind)
    one = jnp.where(kind == PICK_UP, now.carried, now.ahead)
    first = jnp.where(kind == PICK_UP, now.several[:, 0], now.several[:, 1])
    return kind, (one, now.beside), _columns(first, now.several[:, 2])
