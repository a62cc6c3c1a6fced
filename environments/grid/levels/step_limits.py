"""The limit of steps of levels, where it is not always BabyAI's usual one."""

from typing import Any, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from didact.environments.grid.levels.family import layout_of, max_steps_for
from didact.environments.task_spaces import Box, Dimension

TIME_LIMIT = Dimension(
    "time_limit",
    *(0, 20, True, "room areas"),
    "Limit of steps, in squares of the room's size; 0: BabyAI's usual limit, one for each room and "
    "each way to go.",
)


class _Sizes(Protocol):
    """A task with a time limit, by name."""

    @property
    def room_size(self) -> Any: ...
    @property
    def rows(self) -> Any: ...
    @property
    def columns(self) -> Any: ...
    @property
    def time_limit(self) -> Any: ...


def step_limit(task: _Sizes, navigations: Int32[Array, " n"]) -> Float[Array, " n"]:
    """The limit of each of n tasks, for so many ways to go."""
    usual = navigations * task.rows * task.columns
    return task.room_size**2 * jnp.where(task.time_limit > 0, task.time_limit, usual)


def max_steps_of(space: Box, navigations: int) -> int:
    """The limit of the longest level of a space with a time limit."""
    limits = space.dimensions[space.column(TIME_LIMIT.name)]
    told = int(limits.high) * layout_of(space).room_size ** 2
    return max(told, max_steps_for(space, navigations) if limits.low == 0 else 0)
