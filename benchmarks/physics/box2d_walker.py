"""Gymnasium's walker in Box2D, with access to the motion of its bodies and to its iterations."""

import functools
from typing import Any

import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError


@functools.cache
def box2d_walker() -> Any:
    """Return the class of walkers; it needs the package box2d.

    Raises:
        SettingError: Box2D is not installed.
    """
    try:
        from gymnasium.envs.box2d.bipedal_walker import BipedalWalker
    except Exception as error:  # gymnasium raises an error of its own
        allowed = f"installed: pip install -e '.[box2d]' ({error})"
        raise SettingError("Box2D", None, allowed) from None

    class Box2DWalker(BipedalWalker):
        """The official walker; `motion` is [5, 6]: x, y, angle and their velocities."""

        iterations = (180, 60)

        def __init__(self, hardcore: bool = False):
            super().__init__(hardcore=hardcore)
            self.world = _World(self.world, self)

        @property
        def parts(self):
            return [self.hull, *self.legs]

        def motion(self) -> Float[np.ndarray, "5 6"]:
            return np.array(
                [
                    [*part.worldCenter, part.angle, *part.linearVelocity, part.angularVelocity]
                    for part in self.parts
                ]
            )

        def place(self, motion: Float[np.ndarray, "5 6"]) -> None:
            for part, (x, y, angle, vx, vy, spin) in zip(self.parts, motion, strict=True):
                cx, cy = part.localCenter
                c, s = np.cos(angle), np.sin(angle)
                part.angle = float(angle)
                part.position = float(x - c * cx + s * cy), float(y - s * cx - c * cy)
                part.linearVelocity = float(vx), float(vy)
                part.angularVelocity = float(spin)
            self.game_over = False

        def boxes(self) -> Float[np.ndarray, "b 4"]:
            """Return the obstacles, sorted by x: left, bottom, right, top."""
            found = []
            for body in self.terrain:
                corners = np.array(body.fixtures[0].shape.vertices)
                if len(corners) == 4:
                    found.append((*corners.min(0), *corners.max(0)))
            return np.array(sorted(found)).reshape(-1, 4)

    return Box2DWalker


class _World:
    """A world of Box2D that is stepped with other numbers of iterations."""

    def __init__(self, world: Any, walker: Any):
        object.__setattr__(self, "_world", world)
        object.__setattr__(self, "_walker", walker)

    def __getattr__(self, name):
        return getattr(self._world, name)

    def __setattr__(self, name, value):
        setattr(self._world, name, value)

    def Step(self, seconds, *_):
        return self._world.Step(seconds, *self._walker.iterations)
