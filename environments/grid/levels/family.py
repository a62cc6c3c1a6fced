"""Families of levels: generators that run inside the compiled program."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import rules, verifier
from didact.environments.grid.levels.room_grid import Layout
from didact.environments.grid.rules import World
from didact.environments.grid.verifier import Goal, Verdict
from didact.environments.language import vocabulary
from didact.environments.task_spaces import Box, Dimension

TIME_LIMIT = Dimension(
    "time_limit",
    *(2, 30, True, "room areas"),
    "Step limit of an episode, in multiples of room_size squared.",
)


class Level(NamedTuple):
    """The start of an episode in n worlds."""

    world: World
    goal: Goal
    mission: UInt8[Array, "n l"]
    max_steps: Int32[Array, " n"]


# A step function: takes keys (None if steps are not random), worlds, goals, actions, the width of
# maps and the kinds of clauses, and returns the next worlds and goals, and the verdict.
Play = Callable[
    [PRNGKeyArray | None, World, Goal, Int[Array, " n"], int, tuple[int, ...]],
    tuple[World, Goal, Verdict],
]


def babyai_step(
    keys: PRNGKeyArray | None,
    world: World,
    goal: Goal,
    actions: Int[Array, " n"],
    width: int,
    kinds: tuple[int, ...],
    done_action: bool = False,
) -> tuple[World, Goal, Verdict]:
    """Apply one action per world in levels with Baby Language missions; deterministic."""
    world = rules.act(world, actions, width)
    return world, *verifier.verify(goal, world, actions, width, kinds, done_action)


class Family(NamedTuple):
    """A generator of levels, as functions of the part of its task space that contains the tasks.

    The space is a `Box`, except for mazes, where it is `Levels`.
    """

    map_size: Callable[[Any], tuple[int, int]]  # width and height of the largest map, in cells
    generate: Callable[[Any, PRNGKeyArray, Float[Array, "n d"], int], Level]
    kinds: Callable[[Any], tuple[int, ...]]  # of clauses that occur
    max_steps: Callable[[Any], int]  # of any level
    longest_mission: Callable[[Any], int]  # in tokens, fallback missions included
    play: Play = babyai_step  # the step function
    actions: tuple[str, ...] = rules.ACTIONS
    see_through_walls: bool = False  # whether agents see their whole field of view
    random_steps: bool = False  # whether `play` needs keys


class Group(NamedTuple):
    """A family as registered: an environment with its whole task space, and named levels."""

    name: str
    description: str
    space: Box
    family: Family
    levels: dict[str, tuple[Box, str]]  # official ids: their task space and description
    easy: dict[str, Any]  # bounds where an untrained agent occasionally succeeds
    mission_length: int = vocabulary.DEFAULT_LENGTH
    parts: Mapping[str, tuple[Box, str]] = MappingProxyType({})  # named parts of the space
    evaluation: tuple[str, ...] = ()  # the `levels` to evaluate on


def layout_of(space: Box) -> Layout:
    """Return the smallest layout for all tasks of a space with room_size, rows and columns."""
    most = {d.name: int(d.high) for d in space.dimensions}
    return Layout(most["room_size"], most["rows"], most["columns"])


def map_size(space: Box) -> tuple[int, int]:
    """Return the size of the largest map of a space with room_size, rows and columns."""
    layout = layout_of(space)
    return layout.width, layout.height


def max_steps_for(space: Box, navigations: int) -> int:
    """Return BabyAI's step limit for the largest level and a number of navigations."""
    layout = layout_of(space)
    return navigations * layout.room_size**2 * layout.rooms


def max_steps_of(space: Box) -> int:
    """Return the step limit of the largest level of a space with room_size and `TIME_LIMIT`."""
    most = {d.name: int(d.high) for d in space.dimensions}
    return most["room_size"] ** 2 * most["time_limit"]


def step_limit(room_size: Float[Array, "*n"], time_limit: Float[Array, "*n"]) -> Int32[Array, "*n"]:
    """Return the step limits of tasks with a `TIME_LIMIT`."""
    return (room_size**2 * time_limit).astype(jnp.int32)
