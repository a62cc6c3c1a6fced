"""A task parameter that selects one of several named instructions.

In most worlds, instructions depend on many parameters of the task: weights of verbs, of
conjunctions, of kinds of objects. This wrapper replaces some of these parameters by a single one,
the number of an instruction in a list, so that teachers of finite sets (`magellan`, `rarity`,
`learning_progress`) and of boxes can choose among instructions.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError
from didact.environments.base import Environment, Timestep
from didact.environments.language import vocabulary
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.wrappers.wrapper import Wrapper

NAME = "instruction"


class WithInstructions(Wrapper[Any]):
    """An environment whose first task parameter is the number of an instruction.

    Create it by `with_instructions`.

    Attributes:
        texts: the instructions, in the order of their numbers.
    """

    task_space: Box

    def __init__(self, environment: Environment[Any], instructions: Mapping[str, Any]):
        super().__init__(environment)
        inner = environment.task_space
        if not isinstance(inner, Box) or NAME in inner.names:
            allowed = f"one whose tasks are named numbers, none of them called {NAME}"
            raise SettingError("environment", self.name, allowed)
        if not instructions:
            raise SettingError("instructions", {}, "at least one instruction")
        self.texts = tuple(instructions)
        names = set(next(iter(instructions.values())))
        for text, values in instructions.items():
            if set(values) != names or not names:
                allowed = "values of the same parameters as the other instructions, at least one"
                raise SettingError(f"instruction {text!r}", dict(values), allowed)
        self._fixed = np.array([inner.column(name) for name in inner.names if name in names])
        for name in names - set(inner.names):
            inner.column(name)  # raises the error
        dimensions = [inner.dimensions[i] for i in self._fixed]
        self._values = np.array(
            [[d.parse(values[d.name]) for d in dimensions] for values in instructions.values()],
            np.float32,
        )
        self._free = np.array([i for i in range(inner.size) if i not in self._fixed], int)
        shown = "; ".join(f"{i}: {text}" for i, text in enumerate(self.texts))
        number = Dimension(NAME, 0, len(self.texts) - 1, True, "", f"The instruction. {shown}")
        self.task_space = Box((number, *(inner.dimensions[i] for i in self._free)))

    @property
    def tokens(self) -> Int[np.ndarray, "m l"]:
        """The token ids of the instructions, 0 for padding.

        Raises:
            SettingError: a word is not in the vocabulary of Baby Language.
        """
        rows = [vocabulary.tokens(text) for text in self.texts]
        longest = max(map(len, rows))
        return np.array([row + [0] * (longest - len(row)) for row in rows])

    @property
    def easy_space(self) -> TaskSpace:
        """The tasks of all instructions whose other parameters are easy."""
        easy = self.environment.easy_space
        if not isinstance(easy, Box):
            return self.task_space
        bounds = {
            easy.names[i]: (easy.dimensions[i].low, easy.dimensions[i].high) for i in self._free
        }
        return self.task_space.restricted(**bounds)

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        """The evaluation tasks of the inner environment with one of the instructions."""
        inner = self.environment.evaluation_tasks
        return {
            name: self.outer_task(task) for name, task in inner.items() if self._number(task) >= 0
        }

    def single_task(self, space: TaskSpace) -> Float[np.ndarray, " d"] | None:
        own = self.task_space.single_task(space)
        inner = self.environment.single_task(space)
        known = own is None and inner is not None and self._number(inner) >= 0
        return self.outer_task(inner) if known and inner is not None else own

    def _number(self, task: Float[np.ndarray, " d"]) -> int:
        """Return the instruction of a task of the inner environment, or -1."""
        same = np.all(self._values == np.asarray(task, np.float32)[self._fixed], axis=1)
        return int(np.argmax(same)) if same.any() else -1

    def outer_task(self, task: Float[np.ndarray, " d"]) -> Float[np.ndarray, " e"]:
        """Convert a task of the inner environment.

        Raises:
            SettingError: it has none of the instructions.
        """
        number = self._number(task)
        if number < 0:
            shown = np.asarray(task)[self._fixed].tolist()
            raise SettingError("task", shown, "a task with one of the instructions")
        free = np.asarray(task, np.float32)[self._free]
        return np.concatenate([[np.float32(number)], free]).astype(np.float32)

    def inner_tasks(self, tasks: Float[Array, "n d"]) -> Float[Array, "n e"]:
        """Convert tasks to those of the inner environment."""
        number = jnp.clip(tasks[:, 0], 0, len(self.texts) - 1).astype(jnp.int32)
        size = self.environment.task_space.size
        inner = jnp.zeros((tasks.shape[0], size)).at[:, self._free].set(tasks[:, 1:])
        return inner.at[:, self._fixed].set(jnp.asarray(self._values)[number])

    def reset(self, key: PRNGKeyArray, tasks: Float[Array, "n d"]) -> tuple[Any, Timestep]:
        return self.environment.reset(key, self.inner_tasks(tasks))

    def step(
        self, key: PRNGKeyArray, state: Any, actions: Int[Array, " n"]
    ) -> tuple[Any, Timestep]:
        return self.environment.step(key, state, actions)


def with_instructions(
    environment: Environment[Any], instructions: Mapping[str, Mapping[str, float]]
) -> WithInstructions:
    """Replace task parameters by the number of an instruction.

    Args:
        environment: an environment whose task space is a `Box`.
        instructions: the instructions by their wording, each with its values of the replaced
            parameters, which must be the same ones for all.

    Returns:
        An environment with the parameter `instruction`, a whole number from 0, before the
        remaining parameters of the environment.

    Raises:
        SettingError: a parameter is unknown, a value is out of bounds, or instructions have values
            of different parameters.
    """
    return WithInstructions(environment, instructions)
