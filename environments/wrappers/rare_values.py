"""Task parameters whose low values are rare, for benchmarks of curricula.

It is the setting `rare` of all environments: with `--env-settings rare=size:2`, the task space has
a parameter `size` from 0 to 1 in place of the size itself. Its values are ranks: sizes up to a
certain one have the probability ((size + 1 - low) / n)^2, where n is the number of sizes, so small
sizes are rare. For real numbers, it is ((size - low) / (high - low))^2. Where small sizes are easy,
uniform sampling then rarely proposes a task in which a beginner succeeds.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.common.errors import SettingError
from didact.environments.base import Environment
from didact.environments.registry import register_wrapper_setting
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.wrappers.wrapper import Wrapper

LEAST, MOST = 0.01, 100.0  # powers; of others, float32 has no ranks between 0 and 1
MARGIN = 1e-4  # keeps the bounds of a value apart from those of the next one


class WithRareValues(Wrapper[Any]):
    """An environment with some parameters replaced by ranks from 0 to 1.

    Args:
        environment: an environment whose task space is a `Box`.
        rare: for each parameter to replace, the power of its distribution function: above 1, low
            values are rare.

    Raises:
        SettingError: the task space is not a `Box`, a parameter is unknown, or a power is out of
            bounds.
    """

    task_space: Box

    def __init__(self, environment: Environment[Any], rare: Mapping[str, float]):
        super().__init__(environment)
        space = environment.task_space
        if not isinstance(space, Box):
            raise SettingError("environment", self.name, "one whose tasks are named numbers")
        for name, power in rare.items():
            space.column(name)  # raises the error
            if not LEAST <= power <= MOST:
                raise SettingError(f"rare {name}", power, f"a power from {LEAST:g} to {MOST:g}")
        self.inner_space = space
        self.powers = np.array([rare.get(name, 0.0) for name in space.names], np.float32)
        self.task_space = Box(
            tuple(
                Dimension(d.name, 0, 1, description=f"rank of: {d.description or d.name}")
                if d.name in rare
                else d
                for d in space.dimensions
            )
        )

    def reset(self, key, tasks):
        return self.environment.reset(key, self.inner_tasks(tasks))

    def step(self, key, state, actions):
        return self.environment.step(key, state, actions)

    def inner_tasks(self, tasks: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Convert tasks to those of the inner environment."""
        columns = []
        for column, (dimension, power) in enumerate(
            zip(self.inner_space.dimensions, self.powers.tolist(), strict=True)
        ):
            rank = tasks[:, column]
            if not power:
                columns.append(rank)
                continue
            place = jnp.clip(rank, 0, 1) ** (1 / power)
            width = dimension.high - dimension.low
            if dimension.integer:
                place = jnp.minimum(jnp.floor(place * (width + 1)), width)
                columns.append(dimension.low + place)
            else:
                columns.append(dimension.low + place * width)
        return jnp.stack(columns, axis=1)

    def outer_bounds(self, name: str, low: float, high: float) -> tuple[float, float]:
        """Return the ranks of the values from `low` to `high` of a parameter."""
        column = self.inner_space.column(name)
        power, dimension = float(self.powers[column]), self.inner_space.dimensions[column]
        if not power:
            return low, high
        size = dimension.high - dimension.low + dimension.integer
        first = ((low - dimension.low) / size) ** power
        last = ((high + dimension.integer - dimension.low) / size) ** power
        margin = min(MARGIN, (last - first) / 4)
        first += margin if low > dimension.low else 0
        last -= margin if dimension.integer and high < dimension.high else 0
        return first, last

    def outer_task(self, task: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        """Convert a task of the inner environment: the middle of the ranks of each value."""
        return np.array(
            [
                np.mean(self.outer_bounds(name, float(x), float(x))) if power else x
                for name, power, x in zip(
                    self.inner_space.names, self.powers.tolist(), task, strict=True
                )
            ],
            np.float32,
        )

    @property
    def easy_space(self) -> TaskSpace:
        """The ranks of the easy tasks of the inner environment."""
        return self.outer_space(self.environment.easy_space)

    def outer_space(self, space: TaskSpace) -> TaskSpace:
        """Convert a part of the inner task space."""
        if not isinstance(space, Box):
            return self.task_space
        bounds = {d.name: self.outer_bounds(d.name, d.low, d.high) for d in space.dimensions}
        return self.task_space.restricted(**bounds)


def _from_text(environment: Environment[Any], text: str) -> WithRareValues:
    rare = {}
    for part in text.split(","):
        name, _, power = part.partition(":")
        try:
            if name.strip() in rare:
                raise ValueError("a repeated name")
            rare[name.strip()] = float(power)
        except ValueError:
            allowed = "NAME:POWER for different task parameters, separated by commas"
            raise SettingError("rare", text, allowed) from None
    return WithRareValues(environment, rare)


register_wrapper_setting(
    "rare", _from_text, lambda environment: isinstance(environment.task_space, Box)
)
