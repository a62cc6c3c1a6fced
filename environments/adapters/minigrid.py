"""The official MiniGrid and BabyAI environments, through gymnasium, with our observations."""

import contextlib
import io
from collections.abc import Sequence

import gymnasium
import numpy as np
from jaxtyping import Bool, Float

from didact.common.errors import SettingError
from didact.environments.language import vocabulary


class OfficialMinigrid:
    """n environments of the `minigrid` package, stepped one after another.

    None of our own simulation is involved: the package generates the levels, moves the agent and
    decides on success. Only the text of the mission is converted to token ids.

    Args:
        name: the gymnasium id, such as "BabyAI-GoToLocal-v0".
        n: the number of environments.
        mission_length: the number of tokens of an instruction.
        seed: unused; each episode has its own seed.

    Raises:
        SettingError: gymnasium does not know the id, or it does not belong to the package.
    """

    engine = "minigrid"

    def __init__(
        self, name: str, n: int, mission_length: int = vocabulary.DEFAULT_LENGTH, seed: int = 0
    ):
        import minigrid  # noqa: F401  (registers its environments)

        allowed = "an environment of the minigrid package, such as BabyAI-GoToLocal-v0"
        try:
            spec = gymnasium.spec(name)
        except gymnasium.error.Error:
            raise SettingError("--env", name, allowed) from None
        if not str(spec.entry_point).startswith("minigrid."):
            raise SettingError("--env", name, allowed)
        self.name, self.n, self.mission_length = name, n, mission_length
        with _quiet():
            self.worlds = [gymnasium.make(name) for _ in range(n)]

    def reset(self, worlds: Sequence[int], seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """Start new episodes in some of the worlds and return their stacked first observations."""
        with _quiet():
            seen = [
                self.worlds[world].reset(seed=int(seed))[0]
                for world, seed in zip(worlds, seeds, strict=True)
            ]
        return self._stack(seen)

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
        with _quiet():
            rows = [
                self.worlds[world].step(int(action))
                for world, action in zip(worlds, actions, strict=True)
            ]
        seen, reward, terminated, truncated, _ = zip(*rows, strict=True)
        return (
            self._stack(seen),
            np.array(reward, np.float32),
            np.array(terminated, bool),
            np.array(truncated, bool),
        )

    def render(self, world: int) -> np.ndarray:
        """Draw a world with the package's own renderer, uint8[height, width, 3]."""
        return self.worlds[world].unwrapped.get_frame(highlight=True, tile_size=32)  # type: ignore

    def close(self) -> None:
        for world in self.worlds:
            world.close()

    def _stack(self, seen: Sequence[dict]) -> dict[str, np.ndarray]:
        missions = [vocabulary.encode(one["mission"], self.mission_length) for one in seen]
        return {
            "image": np.stack([one["image"] for one in seen]).astype(np.uint8),
            "direction": np.array([one["direction"] for one in seen], np.int32),
            "instruction": np.stack(missions),
        }


def _quiet() -> contextlib.redirect_stdout:
    """Suppress the messages that the package prints while it generates levels."""
    return contextlib.redirect_stdout(io.StringIO())
