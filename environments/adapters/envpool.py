"""MiniGrid and BabyAI environments of envpool (written in C++), with our observations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from didact.common.errors import SettingError
from didact.environments.language import vocabulary


class OfficialEnvpool:
    """n environments of the `envpool` package, stepped one after another.

    None of our own simulation is involved: envpool generates the levels, moves the agent and
    decides on success. Only the text of the mission is converted to token ids. Each environment is
    a pool of its own, because a pool can only step all of its environments at once.

    Args:
        name: the envpool id, such as "BabyAI-GoToLocal-v0".
        n: the number of environments.
        mission_length: the number of tokens of an instruction.
        seed: the seed of the first level of each environment; envpool chooses the following ones.

    Raises:
        SettingError: envpool is not installed, or does not know the id.
    """

    engine = "envpool"

    def __init__(
        self, name: str, n: int, mission_length: int = vocabulary.DEFAULT_LENGTH, seed: int = 0
    ):
        try:
            import envpool
        except ModuleNotFoundError:
            raise SettingError(
                "--engine", "envpool", "installed: pip install -e '.[envpool]'"
            ) from None
        known = [x for x in envpool.list_all_envs() if x.startswith(("BabyAI-", "MiniGrid-"))]
        if name not in known:
            allowed = "a BabyAI or MiniGrid environment of envpool, such as BabyAI-GoToLocal-v0"
            raise SettingError("--env", name, allowed)
        self.name, self.n, self.mission_length = name, n, mission_length
        self.worlds: list[Any] = [
            envpool.make(
                name, env_type="gymnasium", num_envs=1, num_threads=1, seed=(seed + i) % 2**31
            )
            for i in range(n)
        ]

    def reset(self, worlds: Sequence[int], seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """Start new episodes in some of the worlds and return their stacked first observations.

        The seeds are ignored, because envpool is seeded once, when a pool is created.
        """
        return self._stack([self.worlds[world].reset()[0] for world in worlds])

    def step(
        self, worlds: Sequence[int], actions: Sequence[int]
    ) -> tuple[
        dict[str, np.ndarray],
        Float[np.ndarray, " m"],
        Bool[np.ndarray, " m"],
        Bool[np.ndarray, " m"],
    ]:
        """Take one action in each of some worlds.

        Returns:
            Observation, reward, terminated and truncated.
        """
        rows = [
            self.worlds[world].step(np.array([action], np.int32))
            for world, action in zip(worlds, actions, strict=True)
        ]
        seen, rewards, terminated, truncated, _ = zip(*rows, strict=True)
        reward = np.concatenate(rewards).astype(np.float32)
        # In envpool, a success in the last step is only truncated; in minigrid it is both.
        ended = np.concatenate(terminated).astype(bool) | (reward > 0)
        return self._stack(seen), reward, ended, np.concatenate(truncated).astype(bool)

    def close(self) -> None:
        for world in self.worlds:
            world.close()

    def _stack(self, seen: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        missions = [bytes(one["mission"][0]).partition(b"\0")[0].decode() for one in seen]
        return {
            "image": np.concatenate([one["image"] for one in seen]).astype(np.uint8),
            "direction": np.concatenate([one["direction"] for one in seen]).astype(np.int32),
            "instruction": np.stack([vocabulary.encode(m, self.mission_length) for m in missions]),
        }
