"""Gymnasium environments: `gymnasium.make("didact/GoTo")` and `gymnasium.make_vec(...)`.

All environments are registered with gymnasium once `didact` and `gymnasium` are imported, see
`didact.common.gymnasium_ids`. Both classes run compiled code. The vector environment steps all
worlds in one call, which is much faster.
"""

from typing import Annotated, Any

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from didact.common.errors import SettingError
from didact.common.setting_types import Range, value_of
from didact.environments.adapters.stateful import StatefulEnvironments, key_from, needed
from didact.environments.base import Environment
from didact.environments.spaces import ActionSpace, ArraySpace, Continuous
from didact.environments.task_spaces import TaskSpace


def gymnasium_space(space: ArraySpace) -> gymnasium.Space:
    """Convert the space of one observation.

    Integer scalars from 0 become `Discrete`, and booleans `MultiBinary`.
    """
    dtype = np.dtype(space.dtype)
    if dtype.kind == "b":
        return gymnasium.spaces.MultiBinary(space.shape)
    if space.shape == () and np.issubdtype(dtype, np.integer) and space.low == 0:
        return gymnasium.spaces.Discrete(int(space.high) + 1)
    low, high = dtype.type(space.low), dtype.type(space.high)
    return gymnasium.spaces.Box(low, high, space.shape, dtype)  # type: ignore[arg-type]


def gymnasium_actions(space: ActionSpace) -> gymnasium.Space:
    """Convert the action space."""
    if isinstance(space, Continuous):
        return gymnasium.spaces.Box(space.lows, space.highs, dtype=np.float32)
    return gymnasium.spaces.Discrete(space.n)


def _spaces(environment: Environment) -> tuple[gymnasium.spaces.Dict, gymnasium.Space]:
    spaces = environment.observation_space.items()
    observations = {name: gymnasium_space(space) for name, space in spaces}
    return gymnasium.spaces.Dict(observations), gymnasium_actions(environment.action_space)


def _pictures(environment: Environment, render_mode: str | None) -> dict[str, Any]:
    """Return the rendering metadata of an environment, in gymnasium's format."""
    modes = list(environment.render_modes)
    if render_mode not in (None, *modes):
        allowed = f"None or one of {', '.join(modes)}" if modes else "None: it implements no render"
        raise SettingError("render_mode", render_mode, allowed)
    return {"render_modes": modes, "render_fps": environment.render_fps}


def _drawn(environment: Environment, render_mode: str, state: Any, index: int) -> Any:
    if render_mode == "ansi":
        return environment.render_ansi(state, index)
    return environment.render(state, index)


class SingleEnvironment(gymnasium.Env):
    """A gymnasium environment with a single world.

    `info` contains the instruction as text (`mission`), the feedback as text (`feedback`) if the
    environment has feedback and, after a step, `success`. A task can be passed to `reset` with
    `reset(options={"task": [...]})`, as numbers or as a JSON object; otherwise it is sampled from
    `tasks`. Continuous actions are clipped to their bounds, as in gymnasium's own environments; NaN
    raises a `SettingError`.

    Args:
        name: the registered name of an environment, or an environment.
        render_mode: "rgb_array"; "ansi" for text with color codes, if the environment supports it
            (grid worlds do); or None.
        tasks: the space that tasks are sampled from; by default the whole task space.
        settings: the settings of the environment, if it is given by name.

    Raises:
        SettingError: the environment does not support the render mode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 6}  # noqa: RUF012

    def __init__(
        self,
        name: str | Environment,
        render_mode: str | None = None,
        tasks: TaskSpace | None = None,
        **settings: Any,
    ):
        self._worlds = StatefulEnvironments(name, 1, tasks, settings)
        self.environment, self.render_mode = self._worlds.environment, render_mode
        self.metadata = self.metadata | _pictures(self.environment, render_mode)
        self.action_space: gymnasium.Space
        self.observation_space: gymnasium.spaces.Dict
        self.observation_space, self.action_space = _spaces(self.environment)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        tasks = (options or {}).get("task")
        observation = self._first(self._worlds.reset(key_from(self.np_random), tasks))
        return observation, self._words(observation)

    def step(self, action: Any):
        action, space = np.asarray(action), self.environment.action_space
        if action.shape != space.shape:
            raise SettingError("action", action.tolist(), needed(space))
        seen = jax.device_get(self._worlds.step_only(action[None]))
        observation = self._first(seen.observation)
        info = {**self._words(observation), "success": bool(seen.success[0])}
        ended = bool(seen.terminated[0]), bool(seen.truncated[0])
        return observation, float(seen.reward[0]), *ended, info

    def _first(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return the observation of the only world, without the batch axis."""
        seen = {name: x[0] for name, x in jax.device_get(observation).items()}
        return {
            name: np.int64(x)
            if isinstance(self.observation_space[name], gymnasium.spaces.Discrete)
            else np.asarray(x, self.observation_space[name].dtype)
            for name, x in seen.items()
        }

    def _words(self, observation: dict[str, Any]) -> dict[str, str]:
        """Return the instruction and the feedback of an observation as text."""
        texts = {"mission": self.environment.instruction_text(observation)}
        if "feedback" in observation:
            texts["feedback"] = self.environment.feedback_text(observation)
        return texts

    def render(self):
        if self.render_mode is None:
            return None
        state = jax.device_get(self._worlds.state)
        return _drawn(self.environment, self.render_mode, state, 0)


class VectorEnvironment(VectorEnv):
    """A gymnasium vector environment with n worlds, by default with autoreset in the same step.

    `info` contains `success` and, if episodes ended, `final_obs`: the last observation of each of
    them, in the format of gymnasium's own vector environments. As in gymnasium, `reset` with the
    option `reset_mask` resets only some worlds and returns the observations of all. The option
    `task` sets one task for all worlds or one for each. All worlds share one random generator, so
    a seed determines everything that follows.

    Args:
        name: the registered name of an environment, or an environment.
        num_envs: the number of worlds, n.
        render_mode: see `SingleEnvironment`.
        tasks: the space that tasks are sampled from; by default the whole task space.
        autoreset_mode: `SAME_STEP`; or `DISABLED`, if worlds that end are restarted by `reset` with
            the option `reset_mask`.
        settings: the settings of the environment, if it is given by name.

    Raises:
        SettingError: `num_envs` is below 1, or the environment does not support the render mode or
            the autoreset mode.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["rgb_array", "ansi"],
        "render_fps": 6,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        name: str | Environment,
        num_envs: int = 1,
        render_mode: str | None = None,
        tasks: TaskSpace | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        **settings: Any,
    ):
        num_envs = value_of("num_envs", num_envs, Annotated[int, Range(1, 2**24)])
        if autoreset_mode not in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
            allowed = "AutoresetMode.SAME_STEP or AutoresetMode.DISABLED"
            raise SettingError("autoreset_mode", autoreset_mode, allowed)
        self._worlds = StatefulEnvironments(name, num_envs, tasks, settings)
        self.environment, self.render_mode = self._worlds.environment, render_mode
        modes = {"autoreset_mode": AutoresetMode(autoreset_mode)}
        self.metadata = self.metadata | _pictures(self.environment, render_mode) | modes
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
        options = options or {}
        key, tasks = key_from(self.np_random), options.get("task")
        return self._batch(self._worlds.reset(key, tasks, options.get("reset_mask"))), {}

    def step(self, actions: Any):
        restarts = self.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        if restarts:
            seen, after = self._worlds.step(actions)
        else:
            seen = self._worlds.step_only(actions)
            after = seen.observation
        done = np.asarray(seen.done)
        info: dict[str, Any] = {"success": np.asarray(seen.success), "_success": done | True}
        if restarts and done.any():
            last = self._batch(seen.observation)
            final = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(done):
                final[i] = {name: x[i] for name, x in last.items()}
            info |= {"final_obs": final, "_final_obs": done}
        reward = np.asarray(seen.reward, np.float64)
        ended = np.asarray(seen.terminated), np.asarray(seen.truncated)
        return self._batch(after), reward, *ended, info

    def render(self):
        if self.render_mode is None:
            return None
        state, mode = jax.device_get(self._worlds.state), self.render_mode
        return tuple(_drawn(self.environment, mode, state, i) for i in range(self.num_envs))

    def _batch(self, observation: dict[str, jax.Array]) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(observation[name], space.dtype)
            for name, space in self._batched.items()
        }
