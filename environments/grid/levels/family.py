"""What a family of levels is: a way to make levels inside the compiled program."""

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
    "The most steps of an episode, in multiples of room_size squared.",
)


class Level(NamedTuple):
    """The start of an episode in n worlds."""

    world: World
    goal: Goal
    mission: UInt8[Array, "n l"]
    max_steps: Int32[Array, " n"]


# From keys (None where steps are not random), worlds, goals, actions, the width of maps and the
# kinds of clauses to the worlds and goals afterwards, and the verdict.
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
    """What an action does where instructions are of Baby Language; nothing is random."""
    world = rules.act(world, actions, width)
    return world, *verifier.verify(goal, world, actions, width, kinds, done_action)


class Family(NamedTuple):
    """A way to make levels, as functions of the part of its task space that tasks come from.

    That is a `Box`, but for mazes, which are `Levels`.
    """

    map_size: Callable[[Any], tuple[int, int]]  # width and height of the largest map, in cells
    generate: Callable[[Any, PRNGKeyArray, Float[Array, "n d"], int], Level]
    kinds: Callable[[Any], tuple[int, ...]]  # of clauses that occur
    max_steps: Callable[[Any], int]  # of any level
    longest_mission: Callable[[Any], int]  # its tokens; what stands in for others included
    play: Play = babyai_step  # what an action does
    actions: tuple[str, ...] = rules.ACTIONS
    see_through_walls: bool = False  # whether agents see all of their field of view
    random_steps: bool = False  # whether `play` needs keys


class Group(NamedTuple):
    """A family as users know it: the environment of its whole task space, and named levels."""

    name: str
    description: str
    space: Box
    family: Family
    levels: dict[str, tuple[Box, str]]  # official ids: the part of the space, and one line
    easy: dict[str, Any]  # bounds of the part where a beginner succeeds now and then
    mission_length: int = vocabulary.DEFAULT_LENGTH
    parts: Mapping[str, tuple[Box, str]] = MappingProxyType({})  # parts of the space with names
    evaluation: tuple[str, ...] = ()  # those of `levels` to test students on


def layout_of(space: Box) -> Layout:
    """The smallest layout that holds every task of a space with room_size, rows and columns."""
    most = {d.name: int(d.high) for d in space.dimensions}
    return Layout(most["room_size"], most["rows"], most["columns"])


def map_size(space: Box) -> tuple[int, int]:
    """Width and height of the largest map of a space with room_size, rows and columns."""
    layout = layout_of(space)
    return layout.width, layout.height


def max_steps_for(space: Box, navigations: int) -> int:
    """BabyAI's limit of steps of the largest level, for so many ways to go."""
    layout = layout_of(space)
    return navigations * layout.room_size**2 * layout.rooms


def max_steps_of(space: Box) -> int:
    """The limit of steps of the largest level of a space with room_size and `TIME_LIMIT`."""
    most = {d.name: int(d.high) for d in space.dimensions}
    return most["room_size"] ** 2 * most["time_limit"]


def step_limit(room_size: Float[Array, "*n"], time_limit: Float[Array, "*n"]) -> Int32[Array, "*n"]:
    """The limit of steps of tasks with a `TIME_LIMIT`."""
    return (room_size**2 * time_limit).astype(jnp.int32)
