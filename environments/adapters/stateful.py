"""Worlds that keep their own state and randomness between calls, and check what they are given."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.error import ResetNeeded
from jaxtyping import Array, Bool, PRNGKeyArray

from didact.common.errors import SettingError
from didact.environments.base import Environment, Restart, Timestep
from didact.environments.registry import make
from didact.environments.spaces import ActionSpace, Continuous
from didact.environments.task_spaces import Box, TaskSpace


def key_from(generator: np.random.Generator) -> PRNGKeyArray:
    """A key of all the bits that a key has, drawn from NumPy's generator."""
    shape = jax.random.key_data(jax.random.key(0)).shape
    bits = generator.integers(2**32, size=shape, dtype=np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(bits))


def needed(space: ActionSpace) -> str:
    """What an action must be, as the end of a sentence."""
    if isinstance(space, Continuous):
        names = ", ".join(space.action_names)
        return f"an array of {space.size} (of {names}), clipped to the bounds, without NaN"
    return f"a whole number from 0 to {space.n - 1}"


class StatefulEnvironments:
    """n worlds of one environment and the randomness that goes on with them.

    Args:
        name: of the environment in our registry, or an environment.
        n: how many.
        tasks: where tasks are drawn from; the whole task space if None.
        settings: of the environment, if it is given by its name.
    """

    def __init__(
        self, name: str | Environment, n: int, tasks: TaskSpace | None, settings: dict[str, Any]
    ):
        self.environment = make(name, **settings) if isinstance(name, str) else name
        self.n, self.space = n, tasks or self.environment.task_space
        self._state: Any = None
        restart = Restart(self.environment)

        @jax.jit
        def start(key, tasks):
            return self.environment.reset(key, tasks)

        @functools.partial(jax.jit, donate_argnums=1)
        def step(key, state, actions, tasks):
            step_key, restart_key = jax.random.split(key)
            state, seen = self.environment.step(step_key, state, actions)
            keys = jax.random.split(restart_key, n)
            state, after = restart(keys, tasks, seen.done, state, seen)
            return state, seen, after.observation

        @functools.partial(jax.jit, donate_argnums=1)
        def step_only(key, state, actions):
            return self.environment.step(key, state, actions)

        @jax.jit
        def choose(mask, new, old):
            def rows(a, b):
                return jnp.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b)

            return jax.tree.map(rows, new, old)

        self._start, self._step, self._step_only, self._choose = start, step, step_only, choose
        self._sample = jax.jit(lambda key: self.space.sample(key, n))

    @property
    def state(self) -> Any:
        """The worlds as they are.

        Raises:
            ResetNeeded: they have not been reset yet.
        """
        if self._state is None:
            raise ResetNeeded("The worlds have not started yet: call reset first.")
        return self._state

    def reset(self, key: PRNGKeyArray, tasks: Any = None, mask: Any = None) -> dict[str, Array]:
        """Starts all worlds, or those of the mask, and gives the observation of all.

        Args:
            key: from which all goes on.
            tasks: one for each world or one for all, as numbers or JSON; drawn if None.
            mask: bool[n], NumPy.

        Raises:
            SettingError: the tasks or the mask are none.
            ResetNeeded: there is a mask, and the worlds have not been reset yet.
        """
        if mask is not None:
            old = self.state, self._seen
            self._check(mask)
        rows = None if tasks is None else self._rows(tasks)
        self._key = key
        state, seen = self._start(self._next(), self._draw() if rows is None else rows)
        new = state, seen.observation
        self._state, self._seen = new if mask is None else self._choose(mask, new, old)
        return self._seen

    def step(self, actions: Any) -> tuple[Timestep, dict[str, Array]]:
        """One step; worlds that ended start anew, and what they show then comes last.

        Raises:
            SettingError: these are not n actions.
            ResetNeeded: the worlds have not been reset yet.
        """
        state, actions = self.state, self._actions(actions)
        self._state, seen, self._seen = self._step(self._next(), state, actions, self._draw())
        return seen, self._seen

    def step_only(self, actions: Any) -> Timestep:
        """One step; worlds that ended stay as they are. It raises what `step` does."""
        state, actions = self.state, self._actions(actions)
        self._state, seen = self._step_only(self._next(), state, actions)
        return seen

    def _next(self) -> PRNGKeyArray:
        self._key, key = jax.random.split(self._key)
        return key

    def _draw(self) -> Array:
        return self._sample(self._next())

    def _actions(self, actions: Any) -> np.ndarray:
        """n actions as the environment takes them, checked."""
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
        if isinstance(space, Continuous):  # before it is float32, which has a smaller range
            given = np.clip(given, space.lows, space.highs)
        return given.astype(space.dtype)

    def _check(self, mask: Any) -> None:
        allowed = f"a NumPy array of {self.n} booleans, not all of them False"
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.n,):
            raise SettingError("reset_mask", mask, allowed)
        if not mask.any():
            raise SettingError("reset_mask", mask.tolist(), allowed)

    def _rows(self, tasks: Any) -> Array:
        """Tasks as rows of the environment's task space, one for each world, checked."""
        space = self.environment.task_space
        if isinstance(tasks, (str, bytes, Mapping)):
            tasks = space.from_json(tasks)
        allowed = f"{space.size} numbers, or {self.n} rows of so many"
        if isinstance(space, Box):
            allowed += f": {', '.join(space.names)}"
        try:
            given = np.asarray(tasks, np.float64)
        except (ValueError, TypeError):
            raise SettingError("task", tasks, allowed) from None
        if given.shape not in ((space.size,), (1, space.size), (self.n, space.size)):
            raise SettingError("shape of the task", given.shape, f"that of {allowed}")
        rows = jnp.asarray(np.broadcast_to(given, (self.n, space.size)), jnp.float32)
        inside: Bool[np.ndarray, " n"] = np.asarray(space.contains(rows))
        if not inside.all():
            outside = given.reshape(-1, space.size)[np.argmin(inside)]
            if isinstance(space, Box):
                for dimension, value in zip(space.dimensions, outside, strict=True):
                    dimension.parse(float(value))
            raise SettingError("task", outside.tolist(), "inside the task space")
        return rows
