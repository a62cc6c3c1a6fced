"""Any gymnasium environment with vector observations, for policies trained in ours."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Float

from didact.common.errors import SettingError
from didact.common.gymnasium_ids import NAMESPACE
from didact.environments.base import Environment
from didact.environments.counterpart import Counterpart
from didact.environments.spaces import Continuous


class OfficialGymnasium:
    """n gymnasium environments, stepped one after another, with our observations and actions.

    None of our own simulation is involved. If `environment.official` has this id, its conversions
    are applied; otherwise observations and actions are passed on unchanged, so their shapes must be
    the same. Actions are clipped to gymnasium's bounds.

    Attributes:
        labels: the propositions that hold after the last step, bool[m, p], if `info["labels"]` of
            the environments contains them.

    Args:
        name: the gymnasium id, such as "Pendulum-v1" or "InvertedPendulum-v5".
        n: the number of environments.
        environment: the environment of the policy, which defines observations and actions.
        seed: unused; each episode has its own seed.

    Raises:
        SettingError: gymnasium does not know the id or cannot make it, or the spaces do not fit.
    """

    engine = "gymnasium"

    def __init__(self, name: str, n: int, environment: Environment, seed: int = 0):
        allowed = "an environment of gymnasium, such as Pendulum-v1"
        try:
            spec = gymnasium.spec(name)
        except gymnasium.error.Error:
            raise SettingError("--env", name, allowed) from None
        if spec.namespace == NAMESPACE:
            raise SettingError("--env", name, f"{allowed}, not a didact environment")
        self.name, self.n, self.environment = name, n, environment
        self.labels: np.ndarray | None = None
        self._same = _counterpart(environment, name)
        # An environment without a time limit gets ours.
        limit = spec.max_episode_steps or environment.max_steps
        try:
            self.worlds = [
                gymnasium.make(name, max_episode_steps=limit, disable_env_checker=True)
                for _ in range(n)
            ]
        except gymnasium.error.DependencyNotInstalled as error:
            extra = self._same.extra or "mujoco"
            allowed = f"one whose packages are installed: pip install -e '.[{extra}]' ({error})"
            raise SettingError("--env", name, allowed) from None
        self._check()

    def reset(self, worlds: Sequence[int], seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """Start new episodes in some of the worlds and return their stacked first observations."""
        return self._seen(
            [
                self.worlds[world].reset(seed=int(seed))[0]
                for world, seed in zip(worlds, seeds, strict=True)
            ]
        )

    def step(
        self, worlds: Sequence[int], actions: Any
    ) -> tuple[
        dict[str, np.ndarray],
        Float[np.ndarray, " m"],
        Bool[np.ndarray, " m"],
        Bool[np.ndarray, " m"],
    ]:
        """Take one action in each of some worlds.

        Args:
            worlds: the indices of m worlds.
            actions: m of our actions: integers, or floats [m, k].

        Returns:
            Observation, reward, terminated and truncated.
        """
        rows = [
            self.worlds[world].step(action)
            for world, action in zip(worlds, self._taken(np.asarray(actions)), strict=True)
        ]
        seen, reward, terminated, truncated, info = zip(*rows, strict=True)
        known = all("labels" in one for one in info)
        self.labels = np.stack([one["labels"] for one in info]) if known else None
        return (
            self._seen(seen),
            np.array(reward, np.float32),
            np.array(terminated, bool),
            np.array(truncated, bool),
        )

    def close(self) -> None:
        for world in self.worlds:
            world.close()

    def _taken(self, actions: np.ndarray) -> list[Any]:
        """Convert our actions to those of gymnasium, one for each world."""
        theirs: Any = self.worlds[0].action_space
        if isinstance(theirs, spaces.Discrete):
            return [int(action) + int(theirs.start) for action in self._same.action(actions)]
        converted = np.clip(self._same.action(actions), theirs.low, theirs.high)
        return list(converted.astype(theirs.dtype))

    def _seen(self, observations: Sequence[Any]) -> dict[str, np.ndarray]:
        """Convert and stack the observations of gymnasium."""
        ours = self.environment.observation_space
        if isinstance(observations[0], dict):
            stacked = {name: np.stack([one[name] for one in observations]) for name in ours}
        else:
            stacked = self._same.observation(np.stack([np.asarray(x) for x in observations]))
        return {name: np.asarray(x, ours[name].dtype) for name, x in stacked.items()}

    def _check(self) -> None:
        """Check that observations and actions fit those of our environment."""
        name, ours = self.name, self.environment.observation_space
        theirs: Any = self.worlds[0].observation_space
        if isinstance(theirs, spaces.Dict) and not set(ours) <= set(theirs.spaces):
            raise SettingError("--env", name, f"one with the observations {', '.join(ours)}")
        found = {part: x.shape[1:] for part, x in self._seen([theirs.sample()]).items()}
        shapes = {part: space.shape for part, space in ours.items()}
        if found != shapes:
            allowed = f"one with observations of the shapes {shapes} (it has {found})"
            raise SettingError("--env", name, allowed)
        space, action = self.environment.action_space, self.worlds[0].action_space
        if isinstance(space, Continuous):
            middle = np.asarray((space.lows + space.highs) / 2)[None]
            fits = isinstance(action, spaces.Box) and (
                self._same.action(middle).shape[1:] == action.shape
            )
        else:
            fits = isinstance(action, spaces.Discrete) and action.n == space.n
        if not fits:
            allowed = f"one with the actions {', '.join(space.action_names)} (it has {action})"
            raise SettingError("--env", name, allowed)


def _counterpart(environment: Environment, name: str) -> Counterpart:
    """Return the conversions between gymnasium's environment and ours."""
    if environment.official is not None and environment.official.name == name:
        return environment.official
    part = next(iter(environment.observation_space))
    return Counterpart(name, task="", observation=lambda observations: {part: observations})
