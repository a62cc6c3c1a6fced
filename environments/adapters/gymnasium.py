"""Our worlds as gymnasium's: `gymnasium.make("didact/GoTo")` and `gymnasium.make_vec(...)`.

They are registered when `didact.environments` is imported. Both run the compiled worlds; the
vector environment steps all of them in one call, which is where the speed is.
"""

import functools
from typing import Any, ClassVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from didact.environments.base import Environment, Restart, Timestep
from didact.environments.errors import SettingError
from didact.environments.registry import make, registered
from didact.environments.spaces import ArraySpace, TaskSpace

NAMESPACE = "didact"


def register_all() -> None:
    """Makes every registered environment known to gymnasium as `didact/NAME`.

    Call it again for environments that were registered after `didact.environments` was imported.
    """
    here = f"{__name__}:"
    for entry in registered():
        name = f"{NAMESPACE}/{entry.name}"
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point=here + "SingleWorld",
                vector_entry_point=here + "ManyWorlds",
                kwargs={"name": entry.name},
            )


def gymnasium_space(space: ArraySpace) -> gymnasium.Space:
    """The space of one observation; whole numbers without axes are `Discrete`."""
    dtype = np.dtype(space.dtype)
    if space.shape == () and np.issubdtype(dtype, np.integer) and space.low == 0:
        return gymnasium.spaces.Discrete(int(space.high) + 1)
    low, high = dtype.type(space.low), dtype.type(space.high)
    return gymnasium.spaces.Box(low, high, space.shape, dtype)  # type: ignore[arg-type]


def _spaces(environment: Environment) -> tuple[gymnasium.spaces.Dict, gymnasium.spaces.Discrete]:
    spaces = environment.observation_space.items()
    observations = {name: gymnasium_space(space) for name, space in spaces}
    return gymnasium.spaces.Dict(observations), gymnasium.spaces.Discrete(
        environment.action_space.n
    )


class _Worlds:
    """n worlds and the randomness that goes on with them."""

    def __init__(self, name: str, n: int, tasks: TaskSpace | None, settings: dict[str, Any]):
        self.environment = make(name, **settings)
        self.n, self.space = n, tasks or self.environment.task_space
        self.key = jax.random.key(0)
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

        self._start, self._step, self._step_only = start, step, step_only
        self._sample = jax.jit(lambda key: self.space.sample(key, n))

    def seed(self, seed: int) -> None:
        self.key = jax.random.key(seed)

    def draw(self, tasks: Any = None) -> jax.Array:
        """The tasks given, checked, or new ones."""
        if tasks is None:
            return self._sample(self._next())
        rows = jnp.asarray(
            np.broadcast_to(np.asarray(tasks, np.float32), (self.n, self.space.size))
        )
        if not bool(self.environment.task_space.contains(rows).all()):
            raise SettingError("task", np.asarray(tasks).tolist(), "inside the task space")
        return rows

    def reset(self, tasks: Any = None) -> Timestep:
        self.state, seen = self._start(self._next(), self.draw(tasks))
        return seen

    def step(self, actions: Any) -> tuple[Timestep, dict[str, jax.Array]]:
        """One step; worlds that ended start anew, and what they show then comes last."""
        arguments = self._next(), self.state, jnp.asarray(actions), self.draw()
        self.state, seen, after = self._step(*arguments)
        return seen, after

    def step_only(self, actions: Any) -> Timestep:
        self.state, seen = self._step_only(self._next(), self.state, jnp.asarray(actions))
        return seen

    def _next(self) -> jax.Array:
        self.key, key = jax.random.split(self.key)
        return key


class SingleWorld(gymnasium.Env):
    """One world.

    `info` has the instruction in words (`mission`) and, after a step, `success`. A task may be
    given with `reset(options={"task": [...]})`; else it is drawn from `tasks`.

    Args:
        name: of the environment in our registry.
        render_mode: "rgb_array"; "ansi", for lines of text with codes for colours, where worlds
            can be drawn so (grid worlds can); or None.
        tasks: where tasks are drawn from; the whole task space if None.
        settings: of the environment.

    Raises:
        SettingError: the world cannot be drawn in this mode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 6}  # noqa: RUF012

    def __init__(
        self,
        name: str,
        render_mode: str | None = None,
        tasks: TaskSpace | None = None,
        **settings: Any,
    ):
        self._worlds = _Worlds(name, 1, tasks, settings)
        self.environment, self.render_mode = self._worlds.environment, render_mode
        if not hasattr(self.environment, "render_ansi"):
            self.metadata = self.metadata | {"render_modes": ["rgb_array"]}
        modes = self.metadata["render_modes"]
        if render_mode not in (None, *modes):
            raise SettingError("render_mode", render_mode, f"None or one of {', '.join(modes)}")
        self.observation_space, self.action_space = _spaces(self.environment)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if seed is not None:
            self._worlds.seed(seed)
        observation = _first(self._worlds.reset((options or {}).get("task")))
        return observation, {"mission": self.environment.instruction_text(observation)}

    def step(self, action: Any):
        seen = jax.device_get(self._worlds.step_only(np.asarray(action, np.int32)[None]))
        observation = _first(seen)
        info = {
            "mission": self.environment.instruction_text(observation),
            "success": bool(seen.success[0]),
        }
        ended = bool(seen.terminated[0]), bool(seen.truncated[0])
        return observation, float(seen.reward[0]), *ended, info

    def render(self):
        if self.render_mode is None:
            return None
        state = jax.device_get(self._worlds.state)
        if self.render_mode == "ansi":
            return self.environment.render_ansi(state, 0)  # type: ignore[attr-defined]
        return self.environment.render(state, 0)


class ManyWorlds(VectorEnv):
    """n worlds, stepped together; one that ends starts anew in the same step.

    `info` has `success` and, where worlds ended, `final_obs`: the last observation of each of
    them, as gymnasium's own vector environments give it.

    Args:
        name: of the environment in our registry.
        num_envs: n.
        render_mode: "rgb_array" or None.
        tasks: where tasks are drawn from; the whole task space if None.
        settings: of the environment.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 6,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        name: str,
        num_envs: int = 1,
        render_mode: str | None = None,
        tasks: TaskSpace | None = None,
        **settings: Any,
    ):
        if num_envs < 1:
            raise SettingError("num_envs", num_envs, "at least 1")
        self._worlds = _Worlds(name, num_envs, tasks, settings)
        self.environment, self.render_mode = self._worlds.environment, render_mode
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = _spaces(self.environment)
        self._batched = {
            name: batch_space(space, num_envs)
            for name, space in self.single_observation_space.items()
        }
        self.observation_space = gymnasium.spaces.Dict(self._batched)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if seed is not None:
            self._worlds.seed(seed)
        seen = self._worlds.reset((options or {}).get("task"))
        return self._batch(seen.observation), {}

    def step(self, actions: Any):
        seen, after = self._worlds.step(np.asarray(actions, np.int32))
        done = np.asarray(seen.done)
        info: dict[str, Any] = {"success": np.asarray(seen.success), "_success": done | True}
        if done.any():
            last = self._batch(seen.observation)
            final = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(done):
                final[i] = {name: x[i] for name, x in last.items()}
            info |= {"final_obs": final, "_final_obs": done}
        reward = np.asarray(seen.reward, np.float64)
        ended = np.asarray(seen.terminated), np.asarray(seen.truncated)
        return self._batch(after), reward, *ended, info

    def render(self):
        if self.render_mode != "rgb_array":
            return None
        state = jax.device_get(self._worlds.state)
        return tuple(self.environment.render(state, i) for i in range(self.num_envs))

    def _batch(self, observation: dict[str, jax.Array]) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(observation[name], space.dtype)
            for name, space in self._batched.items()
        }


def _first(seen: Timestep) -> dict[str, Any]:
    """The observation of the first world."""
    return {
        name: np.int64(x[0]) if np.ndim(x) == 1 and x.dtype.kind == "i" else np.asarray(x[0])
        for name, x in jax.device_get(seen.observation).items()
    }
