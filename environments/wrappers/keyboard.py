"""Discrete actions for environments with continuous ones, so that a person can play them by keys.

One action moves the actuators for a tenth of a second or so; see `Environment.controls`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, UInt8

from didact.common.errors import SettingError
from didact.environments.base import Environment, Timestep
from didact.environments.capabilities import TextStatus
from didact.environments.spaces import Continuous, Discrete
from didact.environments.wrappers.wrapper import Wrapper

SHADES = " .:-=+*#%@"  # from dark to light, where no colors are wanted


class KeyboardControls(Wrapper[Any]):
    """An environment whose actions are its controls by name, each repeated for several steps.

    Pictures are drawn as text: two pixels to a character.

    Args:
        environment: an environment with continuous actions and `controls`.
        repeat: the number of steps that an action takes.

    Raises:
        SettingError: the environment has no controls.
    """

    render_modes = ("rgb_array", "ansi")

    def __init__(self, environment: Environment[Any], repeat: int = 5):
        super().__init__(environment)
        self.render_modes = ("rgb_array", "ansi")
        if not isinstance(environment.action_space, Continuous) or not environment.controls:
            raise SettingError("env", self.name, "an environment with controls for the keyboard")
        if repeat < 1:
            raise SettingError("repeat", repeat, "at least 1")
        self.repeat = repeat
        names = tuple(environment.controls)
        self.action_space = Discrete(len(names), names)
        self.max_steps = -(-environment.max_steps // repeat)
        self.controls = {}
        self._actions = np.array([environment.controls[name] for name in names], np.float32)

    def expert(self) -> None:
        """No expert uses the keyboard."""
        return None

    def reset(self, key: PRNGKeyArray, tasks: Array) -> tuple[Any, Timestep]:
        return self.environment.reset(key, tasks)

    def step(self, key: PRNGKeyArray, state: Any, actions: Array) -> tuple[Any, Timestep]:
        chosen = jnp.asarray(self._actions)[self.action_space.clip(actions)]
        fold = jax.random.fold_in if jnp.ndim(key) == 0 else jax.vmap(jax.random.fold_in, (0, None))

        def one_step(number, state):
            return self.environment.step(fold(key, number), state, chosen)

        first = one_step(0, state)

        def again(carry, number):
            state, seen = carry
            new, after = one_step(number, state)
            after = after._replace(reward=seen.reward + after.reward)

            def kept(new, old):
                over = seen.done.reshape(-1, *[1] * (new.ndim - 1))
                return jnp.where(over, old, new)

            return jax.tree.map(kept, (new, after), (state, seen)), None

        (state, seen), _ = jax.lax.scan(again, first, jnp.arange(1, self.repeat))
        return state, seen

    def text_status(self, state: Any, index: int) -> TextStatus:
        inner = self.environment.text_status(state, index)
        return inner._replace(step_limit=self.max_steps)

    def render_ansi(
        self,
        state: Any,
        index: int,
        color: bool = True,
        window: tuple[int, int] | None = None,
    ) -> str:
        """Draw the picture of world `index` as text.

        Args:
            state: the worlds.
            index: the world to draw.
            color: whether to add color codes; otherwise, shades are characters.
            window: the maximum line width in characters and the maximum number of lines.
        """
        picture = np.asarray(self.environment.render(state, index))
        return as_text(picture, color, window or (100, 33))


def as_text(picture: UInt8[np.ndarray, "h w 3"], color: bool, window: tuple[int, int]) -> str:
    """Return a picture as lines of text, two pixels to a character, within a window."""
    height, width = picture.shape[:2]
    columns = max(1, min(window[0], 2 * window[1] * width // height))
    rows = max(1, min(window[1], columns * height // width // 2))
    smaller = _resized(picture, 2 * rows, columns)
    upper, lower = smaller[0::2], smaller[1::2]
    if not color:
        light = (upper.mean(2) + lower.mean(2)) / 2
        which = np.minimum(light / 256 * len(SHADES), len(SHADES) - 1).astype(int)
        return "\n".join("".join(SHADES[i] for i in line) for line in which)
    lines = []
    for above, below in zip(upper, lower, strict=True):
        cells = [
            f"\x1b[38;2;{r};{g};{b};48;2;{x};{y};{z}m▀"
            for (r, g, b), (x, y, z) in zip(above.tolist(), below.tolist(), strict=True)
        ]
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _resized(picture: UInt8[np.ndarray, "h w 3"], height: int, width: int) -> np.ndarray:
    """Return the mean colors of the cells of a lattice."""
    for axis, cells in enumerate((height, width)):  # each cell needs a pixel
        picture = np.repeat(picture, -(-cells // picture.shape[axis]), axis)
    rows = np.linspace(0, picture.shape[0], height + 1).astype(int)
    columns = np.linspace(0, picture.shape[1], width + 1).astype(int)
    sums = np.add.reduceat(picture.astype(float), rows[:-1], axis=0)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    areas = np.diff(rows)[:, None] * np.diff(columns)
    return (sums / areas[..., None]).astype(np.uint8)
