"""The original package as a gymnasium environment with our observations.

None of our rules is involved: the package steps, and its state is converted to what its picture
shows, without the noise of the night. This is how policies that read symbols are evaluated in the
original game.
"""

import importlib
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium import spaces

from didact.environments.counterpart import Counterpart
from didact.environments.crafting import layout, view
from didact.environments.crafting.original import state_of

ID = "crafter/Crafter-v1"
EXTRA = "benchmark"  # the extra of didact that installs the package

COUNTERPART = Counterpart(ID, task="original", extra=EXTRA)


class OriginalCrafter(gymnasium.Env[dict[str, np.ndarray], int]):
    """`crafter.Env`, without its picture, and with the observations of `Crafter`.

    `info["labels"]` tells which achievements a step unlocked or repeated, bool[22].

    Raises:
        gymnasium.error.DependencyNotInstalled: the package is not installed.
    """

    def __init__(self):
        try:
            crafter = importlib.import_module("crafter")
        except ImportError as error:
            raise gymnasium.error.DependencyNotInstalled("crafter is not installed") from error
        self.original: Any = crafter.Env()
        self.original.render = lambda size=None: None  # saves most of the time of a step
        self.action_space: Any = spaces.Discrete(len(layout.ACTIONS))
        self.observation_space: Any = spaces.Dict(
            {
                name: spaces.Box(space.low, space.high, space.shape, np.dtype(space.dtype).type)
                for name, space in layout.OBSERVATION_SPACE.items()
            }
        )
        self._symbols = jax.jit(view.symbols)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode; equal seeds give equal worlds."""
        super().reset(seed=seed)
        self.original._seed = int(self.np_random.integers(2**31 - 1))
        self.original._episode = 0
        self.original.reset()
        return self._seen(), {}

    def step(self, action: int):
        """Take a step of the original game."""
        before = self._counts()
        _, reward, done, info = self.original.step(int(action))
        dead = info["discount"] == 0
        labels = {"labels": self._counts() > before}
        return self._seen(), float(reward), bool(dead), bool(done and not dead), labels

    def _counts(self) -> np.ndarray:
        counts = self.original._player.achievements
        return np.array([counts[name] for name in layout.ACHIEVEMENTS])

    def _seen(self) -> dict[str, np.ndarray]:
        seen = self._symbols(state_of(self.original))
        return {name: np.asarray(x)[0] for name, x in seen.items()}


def register() -> None:
    """Register the environment with gymnasium as `crafter/Crafter-v1`."""
    if ID not in gymnasium.registry:
        gymnasium.register(ID, entry_point=f"{__name__}:{OriginalCrafter.__name__}")
