"""Stateful environments, which keep state and random key between calls and validate arguments."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.error import ResetNeeded
from jaxtyping import Array, Bool, PRNGKeyArray

from didact.common.errors import SettingError
from didact.common.setting_types import shown
from didact.environments.base import Environment, Restart, Timestep, map_in_groups
from didact.environments.registry import make
from didact.environments.spaces import ActionSpace, Continuous
from didact.environments.task_spaces import Box, TaskSpace


def key_from(generator: np.random.Generator) -> PRNGKeyArray:
    """Create a JAX key from a NumPy generator, with as many random bits as a key holds."""
    shape = jax.random.key_data(jax.random.key(0)).shape
    bits = generator.integers(2**32, size=shape, dtype=np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(bits))


def needed(space: ActionSpace) -> str:
    """Describe the valid actions of a space, for errors."""
    if isinstance(space, Continuous):
        names = ", ".join(space.action_names)
        return f"an array of {space.size} (of {names}), clipped to the bounds, without NaN"
    return f"a whole number from 0 to {space.n - 1}"


class StatefulEnvironments:
    """n worlds of one environment, with their state and random key.

    Args:
        name: the registered name of an environment, or an environment.
        n: the number of worlds.
        tasks: the space that tasks are sampled from; by default the whole task space.
        settings: the settings of the environment, if it is given by name.
    """

    def __init__(
        self, name: str | Environment, n: int, tasks: TaskSpace | None, settings: dict[str, Any]
    ):
        if not isinstance(name, str | Environment):
            allowed = "the name of an environment, or an environment"
            raise SettingError("env", shown(name), allowed)
        self.environment = make(name, **settings) if isinstance(name, str) else name
        self.n, self.space = n, tasks or self.environment.task_space
        self._state: Any = None
        restart = Restart(self.environment)

        @jax.jit
        def start(key, tasks):
            return self.environment.reset(key, tasks)

        # Keys and tasks are drawn in the same program, as each call from the host takes time.
        @functools.partial(jax.jit, donate_argnums=1)
        def step(key, state, actions):
            key, own_key = jax.random.split(key)
            key, task_key = jax.random.split(key)
            tasks = self.space.sample(task_key, n)
            step_key, restart_key = jax.random.split(own_key)
            state, seen = self.environment.step(step_key, state, actions)
            keys = jax.random.split(restart_key, n)
            state, after = restart(keys, tasks, seen.done, state, seen)
            return key, state, seen, after.observation

        @functools.partial(jax.jit, donate_argnums=1)
        def step_only(key, state, actions):
            return self.environment.step(key, state, actions)

        @jax.jit
        def start_some(key, tasks, mask, state, observation):
            keys = jax.random.split(key, n)

            def fresh(worlds):
                new, first = self.environment.reset(keys[worlds], tasks[worlds])
                return new, first.observation

            size = self.environment.restart_group_size
            return map_in_groups(fresh, mask, (state, observation), size)

        self._start, self._start_some = start, start_some
        self._step, self._step_only = step, step_only
        self._sample = jax.jit(lambda key: self.space.sample(key, n))
        self._contains = jax.jit(self.environment.task_space.contains)

    @property
    def state(self) -> Any:
        """The current state of the worlds.

        Raises:
            ResetNeeded: the worlds have not been reset yet.
        """
        if self._state is None:
            raise ResetNeeded("The worlds have not started yet: call reset first.")
        return self._state

    def reset(self, key: PRNGKeyArray, tasks: Any = None, mask: Any = None) -> dict[str, Array]:
        """Reset all worlds, or those of the mask, and return the observations of all worlds.

        Args:
            key: the key for this reset and all following calls.
            tasks: one task for all worlds, as numbers or JSON, or one for each world, as rows of
                numbers; by default sampled.
            mask: the worlds to reset, as a NumPy array bool[n]; by default all.

        Raises:
            SettingError: the tasks or the mask are invalid.
            ResetNeeded: a mask is given before the first full reset.
        """
        if mask is not None:
            old = self.state, self._seen
            self._check(mask)
        rows = None if tasks is None else self._rows(tasks)
        self._key = key
        start_key, rows = self._next(), self._draw() if rows is None else rows
        if mask is not None:
            self._state, self._seen = self._start_some(start_key, rows, mask, *old)
            return self._seen
        self._state, first = self._start(start_key, rows)
        self._seen = first.observation
        return self._seen

    def step(self, actions: Any) -> tuple[Timestep, dict[str, Array]]:
        """Take a step and restart the worlds whose episodes ended.

        Returns:
            The timestep, and the observations after the restart.

        Raises:
            SettingError: the actions are invalid.
            ResetNeeded: the worlds have not been reset yet.
        """
        state, actions = self.state, self._actions(actions)
        self._key, self._state, seen, self._seen = self._step(self._key, state, actions)
        return seen, self._seen

    def step_only(self, actions: Any) -> Timestep:
        """Take a step without restarting worlds. Raises the same errors as `step`."""
        state, actions = self.state, self._actions(actions)
        self._state, seen = self._step_only(self._next(), state, actions)
        self._seen = seen.observation
        return seen

    def _next(self) -> PRNGKeyArray:
        self._key, key = jax.random.split(self._key)
        return key

    def _draw(self) -> Array:
        return self._sample(self._next())

    def _actions(self, actions: Any) -> np.ndarray:
        """Validate n actions and convert them to the dtype of the action space."""
        given, space = np.asarray(actions), self.environment.action_space
        shape = (self.n, *space.shape)
        if given.shape != shape:
            worlds = f"{self.n} worlds" if self.n > 1 else "one world"
            raise SettingError("shape of the actions", given.shape, f"{shape} for {worlds}")
        if isinstance(space, Continuous):
            real = given.dtype.kind in "fiu"
            wrong = np.isnan(given).any(axis=1) if real else np.ones(self.n, bool)
        else:
            whole = np.issubdtype(given.dtype, np.integer)
            wrong = (given < 0) | (given >= space.n) if whole else np.ones(self.n, bool)
        if wrong.any():
            world = int(np.argmax(wrong))
            setting = f"action of world {world}" if self.n > 1 else "action"
            raise SettingError(setting, given.tolist()[world], needed(space))
        if isinstance(space, Continuous):  # clip first, because float32 has a smaller range
            given = np.clip(given, space.lows, space.highs)
        return given.astype(space.dtype)

    def _check(self, mask: Any) -> None:
        allowed = f"a NumPy array of {self.n} booleans, not all of them False"
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.n,):
            raise SettingError("reset_mask", mask, allowed)
        if not mask.any():
            raise SettingError("reset_mask", mask.tolist(), allowed)

    def _rows(self, tasks: Any) -> Array:
        """Validate tasks and convert them to rows of the task space, one for each world."""
        space = self.environment.task_space
        if isinstance(tasks, (str, bytes, Mapping)):
            tasks = space.from_json(tasks)
        allowed = f"{space.size} numbers, or {self.n} such rows"
        if isinstance(space, Box):
            allowed += f": {', '.join(space.names)}"
        try:
            given = np.asarray(tasks, np.float64)
        except (ValueError, TypeError):
            raise SettingError("task", tasks, allowed) from None
        if given.shape not in ((space.size,), (1, space.size), (self.n, space.size)):
            raise SettingError("shape of the task", given.shape, f"that of {allowed}")
        rows = jnp.asarray(np.broadcast_to(given, (self.n, space.size)), jnp.float32)
        inside: Bool[np.ndarray, " n"] = np.asarray(self._contains(rows))
        if not inside.all():
            outside = given.reshape(-1, space.size)[np.argmin(inside)]
            if isinstance(space, Box):
                for dimension, value in zip(space.dimensions, outside, strict=True):
                    dimension.parse(float(value))
            raise SettingError("task", outside.tolist(), "inside the task space")
        return rows
