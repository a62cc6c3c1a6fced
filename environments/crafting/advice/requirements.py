"""What is missing for a goal: the next requirement in the technology tree."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from didact.environments.crafting.advice.remarks import NEEDS, THING
from didact.environments.crafting.layout import (
    ACHIEVEMENT,
    ACHIEVEMENTS,
    COLLECTS,
    ITEM,
    MAKES,
    MATERIALS,
    PLACES,
)

NONE = -1


def _thing(name: str) -> int:
    """Return the thing that an item, a station or the object of an achievement is."""
    name = {"drink": "water", "plant": "sapling"}.get(name, name).replace("_", " ")
    return next(THING[text] for text in (name, f"a {name}", f"an {name}") if text in THING)


# What each achievement is about; waking up is about nothing.
GOALS = np.array(
    [
        THING["a ripe plant"]
        if name == "eat_plant"
        else NONE
        if name == "wake_up"
        else _thing(name.partition("_")[2])
        for name in ACHIEVEMENTS
    ],
    np.int32,
)
_NEEDS = tuple(NEEDS)
_OF_NEED = np.array([_thing(name) for name in _NEEDS], np.int32)


class Missing(NamedTuple):
    """The next requirement in n worlds."""

    need: Int32[Array, " n"]  # an index into `NEEDS`, or NONE
    thing: Int32[Array, " n"]  # the index of the thing that requires it, or of the goal


def _rules() -> dict[int, list[tuple[str, int]]]:
    """Return the requirements of things: items with their numbers, and stations with 0."""
    found: dict[int, list[tuple[str, int]]] = {THING["a ripe plant"]: [("sapling", 1)]}
    for rule in COLLECTS:
        if rule.needs:
            found[_thing(rule.gives)] = [(rule.needs, 1)]
    for rule in PLACES:
        if rule.name in ("table", "furnace"):
            found[_thing(rule.name)] = [rule.uses]
    for rule in MAKES:
        stations = [(MATERIALS[station], 0) for station in rule.stations]
        found[_thing(rule.tool)] = [*rule.uses, *stations]
    return found


RULES = _rules()


def _depth(thing: int) -> int:
    """Return the number of steps of the longest chain of requirements of a thing."""
    return max((1 + _depth(_thing(name)) for name, _ in RULES.get(thing, [])), default=0)


_LONGEST = max(_depth(thing) for thing in THING.values())


def thing_of(wanted: Bool[Array, "n 22"], inventory: Int32[Array, "n 16"]) -> Int32[Array, " n"]:
    """Return the thing that a wanted achievement is about, or NONE.

    Placing a stone or a sapling is about obtaining one, and about nothing once the player has it.
    """
    about = jnp.asarray(GOALS)[jnp.argmax(wanted, 1)]
    silent = ~jnp.any(wanted, 1)
    for item, achievement in (("stone", "place_stone"), ("sapling", "place_plant")):
        silent |= wanted[:, ACHIEVEMENT[achievement]] & (inventory[:, ITEM[item]] > 0)
    return jnp.where(silent, NONE, about)


def missing(
    goal: Int32[Array, " n"],
    inventory: Int32[Array, "n 16"],
    stations: dict[str, Bool[Array, " n"]],
) -> Missing:
    """Return what is missing first for a goal, and for what it is required.

    Args:
        goal: the index of a thing, or NONE.
        inventory: in the order of `layout.ITEMS`.
        stations: whether a table and a furnace are near.
    """
    n = goal.shape[0]
    lacks = []
    for thing in range(len(THING)):
        first = jnp.full(n, NONE, jnp.int32)
        for name, amount in reversed(RULES.get(thing, [])):
            have = inventory[:, ITEM[name]] >= amount if amount else stations[name]
            first = jnp.where(have, first, _NEEDS.index(name))
        lacks.append(first)
    by_thing = jnp.stack(lacks)
    need, thing = jnp.full(n, NONE, jnp.int32), goal
    current = goal
    for _ in range(_LONGEST):
        index = jnp.maximum(current, 0)[None]
        found = jnp.take_along_axis(by_thing, index, 0, mode="promise_in_bounds")[0]
        found = jnp.where(current >= 0, found, NONE)
        further = found >= 0
        need, thing = jnp.where(further, found, need), jnp.where(further, current, thing)
        current = jnp.where(further, jnp.asarray(_OF_NEED)[found], NONE)
    return Missing(need, thing)
