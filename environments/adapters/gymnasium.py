"""Our worlds as gymnasium's: `gymnasium.make("didact/GoTo")` and `gymnasium.make_vec(...)`.

They are registered when `didact.environments` is imported. Both run the compiled worlds; the
vector environment steps all of them in one call, which is where the speed is.
"""

from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from didact.common.errors import SettingError
from didact.environments.adapters.stateful import StatefulEnvironments, key_from, needed
from didact.environments.base import Environment
from didact.environments.registry import ENVIRONMENTS
from didact.environments.spaces import ActionSpace, ArraySpace, Continuous
from didact.environments.task_spaces import TaskSpace

NAMESPACE = "didact"


def register_all(plugins: bool = True) -> None:
    """Makes every registered environment known to gymnasium as `didact/NAME`.

    Call it again for environments that were registered after `didact.environments` was imported.

    Args:
        plugins: whether those of other packages (entry points) are loaded for it.
    """
    here = f"{__name__}:"
    for entry in ENVIRONMENTS.entries() if plugins else ENVIRONMENTS.loaded():
        name = gymnasium_name(entry.name)
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point=here + "SingleEnvironment",
                vector_entry_point=here + "VectorEnvironment",
                kwargs={"name": entry.name},
            )


def gymnasium_name(name: str) -> str:
    """The id of one of our environments; `brax/ant` is `didact/brax-ant`, with one slash."""
    return f"{NAMESPACE}/{name.replace('/', '-')}"


def gymnasium_space(space: ArraySpace) -> gymnasium.Space:
    """The space of one observation.

    Whole numbers without axes are `Discrete`, and truth values `MultiBinary`.
    """
    dtype = np.dtype(space.dtype)
    if dtype.kind == "b":
        return gymnasium.spaces.MultiBinary(space.shape)
    if space.shape == () and np.issubdtype(dtype, np.integer) and space.low == 0:
        return gymnasium.spaces.Discrete(int(space.high) + 1)
    low, high = dtype.type(space.low), dtype.type(space.high)
    return gymnasium.spaces.Box(low, high, space.shape, dtype)  # type: ignore[arg-type]


def gymnasium_actions(space: ActionSpace) -> gymnasium.Space:
    """The space of one action."""
    if isinstance(space, Continuous):
        return gymnasium.spaces.Box(space.lows, space.highs, dtype=np.float32)
    return gymnasium.spaces.Discrete(space.n)


def _spaces(environment: Environment) -> tuple[gymnasium.spaces.Dict, gymnasium.Space]:
    spaces = environment.observation_space.items()
    observations = {name: gymnasium_space(space) for name, space in spaces}
    return gymnasium.spaces.Dict(observations), gymnasium_actions(environment.action_space)


def _pictures(environment: Environment, render_mode: str | None) -> dict[str, Any]:
    """How these worlds can be drawn, as gymnasium's metadata have it."""
    modes = list(environment.render_modes)
    if render_mode not in (None, *modes):
        raise SettingError("render_mode", render_mode, f"None or one of {', '.join(modes)}")
    return {"render_modes": modes, "render_fps": environment.render_fps}


def _drawn(environment: Environment, render_mode: str, state: Any, index: int) -> Any:
    if render_mode == "ansi":
        return environment.render_ansi(state, index)
    return environment.render(state, index)


class SingleEnvironment(gymnasium.Env):
    """One world.

    `info` has the instruction in words (`mission`), feedback (`feedback`) where the environment
    gives any and, after a step, `success`. A task may be
    given with `reset(options={"task": [...]})`, as numbers or as a JSON object; else it is drawn
    from `tasks`. Continuous actions are clipped to their bounds, as in gymnasium's own
    environments; NaN raises a `SettingError`.

    Args:
        name: of the environment in our registry, or an environment.
        render_mode: "rgb_array"; "ansi", for lines of text with codes for colours, where worlds
            can be drawn so (grid worlds can); or None.
        tasks: where tasks are drawn from; the whole task space if None.
        settings: of the environment, if it is given by its name.

    Raises:
        SettingError: the world cannot be drawn in this mode.
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
        """The observation of the only world."""
        seen = {name: x[0] for name, x in jax.device_get(observation).items()}
        return {
            name: np.int64(x)
            if isinstance(self.observation_space[name], gymnasium.spaces.Discrete)
            else np.asarray(x, self.observation_space[name].dtype)
            for name, x in seen.items()
        }

    def _words(self, observation: dict[str, Any]) -> dict[str, str]:
        """What is said in an observation."""
        told = {"mission": self.environment.instruction_text(observation)}
        if "feedback" in observation:
            told["feedback"] = self.environment.feedback_text(observation)
        return told

    def render(self):
        if self.render_mode is None:
            return None
        state = jax.device_get(self._worlds.state)
        return _drawn(self.environment, self.render_mode, state, 0)


class VectorEnvironment(VectorEnv):
    """n worlds, stepped together; one that ends starts anew in the same step.

    `info` has `success` and, where worlds ended, `final_obs`: the last observation of each of
    them, as gymnasium's own vector environments give it. As there, `reset` with the option
    `reset_mask` starts some worlds only and shows all; the option `task` gives one task for all
    worlds or one for each. All worlds draw from one generator, so a seed is for all that follows.

    Args:
        name: of the environment in our registry, or an environment.
        num_envs: n.
        render_mode: as `SingleEnvironment` has it.
        tasks: where tasks are drawn from; the whole task space if None.
        settings: of the environment, if it is given by its name.

    Raises:
        SettingError: there is no world, or it cannot be drawn in this mode.
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
        **settings: Any,
    ):
        if num_envs < 1:
            raise SettingError("num_envs", num_envs, "at least 1")
        self._worlds = StatefulEnvironments(name, num_envs, tasks, settings)
        self.environment, self.render_mode = self._worlds.environment, render_mode
        self.metadata = self.metadata | _pictures(self.environment, render_mode)
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
        told = options or {}
        key, tasks = key_from(self.np_random), told.get("task")
        return self._batch(self._worlds.reset(key, tasks, told.get("reset_mask"))), {}

    def step(self, actions: Any):
        seen, after = self._worlds.step(actions)
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
        if self.render_mode is None:
            return None
        state, mode = jax.device_get(self._worlds.state), self.render_mode
        return tuple(_drawn(self.environment, mode, state, i) for i in range(self.num_envs))

    def _batch(self, observation: dict[str, jax.Array]) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(observation[name], space.dtype)
            for name, space in self._batched.items()
        }
