"""Step limits of levels that do not always use BabyAI's default."""

from typing import Any, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from didact.environments.grid.levels.family import layout_of, max_steps_for
from didact.environments.task_spaces import Box, Dimension

TIME_LIMIT = Dimension(
    "time_limit",
    *(0, 20, True, "room areas"),
    "Step limit of an episode, in multiples of room_size squared. 0: BabyAI's default, one "
    "multiple per room and navigation.",
)


class _Sizes(Protocol):
    """The parameters of a task that set its step limit."""

    @property
    def room_size(self) -> Any: ...
    @property
    def rows(self) -> Any: ...
    @property
    def columns(self) -> Any: ...
    @property
    def time_limit(self) -> Any: ...


def step_limit(task: _Sizes, navigations: Int32[Array, " n"]) -> Float[Array, " n"]:
    """Return the step limits of n tasks, given their numbers of navigations."""
    usual = navigations * task.rows * task.columns
    return task.room_size**2 * jnp.where(task.time_limit > 0, task.time_limit, usual)


def max_steps_of(space: Box, navigations: int) -> int:
    """Return the highest step limit in a space with a `TIME_LIMIT`."""
    limits = space.dimensions[space.column(TIME_LIMIT.name)]
    highest = int(limits.high) * layout_of(space).room_size ** 2
    return max(highest, max_steps_for(space, navigations) if limits.low == 0 else 0)
