"""Grid worlds with a 5x5 view, as in most of the literature on mazes."""

import dataclasses
from typing import Any

import jax
import numpy as np

from didact.common.errors import SettingError
from didact.environments.grid import view
from didact.environments.grid.env import GridState, GridWorld, Symbols
from didact.environments.grid.rules import World
from didact.environments.task_spaces import TaskSpace

SIZE = 5
_ASIDE, _FAR = (view.SIZE - SIZE) // 2, view.SIZE - SIZE  # what is cropped from a 7x7 view
_SHOWN = slice(_ASIDE, view.SIZE - _ASIDE), slice(_FAR, None)  # columns and rows [i, j] that remain


class NarrowWorld(GridWorld):
    """A `GridWorld` whose `image` is cropped to the 5x5 cells in front of the agent.

    If agents see through walls, this is exactly MiniGrid's view of size 5.

    Args:
        space: see `GridWorld`.
        settings: see `GridWorld`. The family must see through walls, and `text` must be False.

    Raises:
        SettingError: the family does not see through walls, or `text` is True.
    """

    def __init__(self, space: TaskSpace, **settings: Any):
        if settings.get("text"):
            raise SettingError("text", True, "False for a 5x5 view")
        super().__init__(space, **settings)
        if not self.family.see_through_walls:
            raise SettingError("see_through_walls", False, "True for a 5x5 view")
        image = self.observation_space["image"]
        shape = (SIZE, SIZE, *image.shape[2:])
        image = dataclasses.replace(image, shape=shape)
        self.observation_space = {**self.observation_space, "image": image}

    def _timestep(self, state, reward, terminated, truncated, success):
        seen = super()._timestep(state, reward, terminated, truncated, success)
        image = seen.observation["image"][:, *_SHOWN]
        return seen._replace(observation=seen.observation | {"image": image})

    def symbols(self, state: GridState, index: int) -> Symbols:
        symbols = super().symbols(state, index)
        world = World(*(np.asarray(x)[index][None] for x in state.world))
        x, y = (at[..., 0].T[_SHOWN] for at in jax.device_get(self._sight(world))[1])
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        near = np.zeros_like(symbols.visible)
        near[x[inside], y[inside]] = True
        return symbols._replace(visible=symbols.visible & near)
