"""Gymnasium's vector environments as those of Stable-Baselines3, which has a format of its own.

Requires stable-baselines3; nothing else imports this module.
"""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv  # type: ignore[import-not-found]

from didact.common.errors import SettingError


class SB3VecEnv(VecEnv):
    """A `VecEnv` of Stable-Baselines3 that steps a vector environment of gymnasium.

    Infos contain `is_success`, and `episode` if the environment provides it, so that
    Stable-Baselines3 logs success rates and returns.

    Args:
        envs: a vector environment with autoreset in the same step, such as those of
            `didact.make_vec` and `didact.with_teacher`.

    Raises:
        SettingError: the environment has another autoreset mode.
    """

    def __init__(self, envs: VectorEnv):
        mode = envs.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise SettingError("autoreset_mode", mode, "AutoresetMode.SAME_STEP")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Any:
        """Start all environments and return their observations."""
        seed = self._seeds[0] if self._seeds else None
        observations, _ = self.envs.reset(seed=seed)
        self._reset_seeds()
        return _writable(observations)

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        """Return observations, rewards, dones and a list of infos."""
        observations, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        done, rows = np.logical_or(terminated, truncated), [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            rows[i] = {
                "terminal_observation": infos["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
            }
            if "success" in infos:
                rows[i]["is_success"] = bool(infos["success"][i])
            if "episode" in infos:
                episode = infos["episode"]
                rows[i]["episode"] = {"r": float(episode["r"][i]), "l": int(episode["l"][i])}
                if "t" in episode:
                    rows[i]["episode"]["t"] = float(episode["t"][i])
                if "s" in episode:
                    rows[i]["is_success"] = bool(episode["s"][i])
        return _writable(observations), np.asarray(rewards, np.float32), done, rows

    def close(self) -> None:
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the vector environment, once for each index."""
        value = getattr(self.envs, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector environment, which all its environments share."""
        setattr(self.envs, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment once and return its result for each index."""
        result = getattr(self.envs, method_name)(*method_args, **method_kwargs)
        return [result for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Any:
        """Return the pictures of all environments."""
        return self.envs.render() or [None] * self.num_envs


def _writable(observations: Any) -> Any:
    """Copy observations, because torch requires arrays that it can write to."""
    if isinstance(observations, dict):
        return {name: np.array(x) for name, x in observations.items()}
    return np.array(observations)
