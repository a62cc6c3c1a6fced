"""Brax's environments: default backend, criterion of success, and counterpart in gymnasium.

This table is read without importing brax. It leaves out `fast`, a stub for brax's own tests.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.counterpart import Counterpart, Observation

BACKENDS = ("generalized", "spring", "positional", "mjx")
# Maps brax's state, the initial x of each body and the elapsed seconds to success.
Achieved = Callable[[Any, Float[Array, " n"], Float[Array, " n"]], Bool[Array, " n"]]


class Kind(NamedTuple):
    """One environment of brax.

    Attributes:
        description: one line.
        achieved: which episodes that last until the time limit are successes.
        backend: the default physics engine.
        backends: the engines that brax supports for it.
        idle: physical quantities with no or almost no effect, by backend (under "": in all of
            them); they are not part of the task.
        rewards: the average rewards per step of poor and of nearly perfect episodes that last until
            the time limit.
        above: whether pictures show it from above instead of from the side.
        official: the gymnasium environment of the same body.
    """

    description: str
    achieved: Achieved
    backend: str = "generalized"
    backends: tuple[str, ...] = BACKENDS
    idle: dict[str, tuple[str, ...]] = {}  # noqa: RUF012
    rewards: tuple[float, float] = (0, 1)
    above: bool = False
    official: Counterpart | None = None


def _lasted(state: Any, start: Array, seconds: Array) -> Array:
    """Succeed in every episode that lasts until the time limit."""
    return jnp.ones(start.shape, bool)


def _moved(speed: float) -> Achieved:
    """Succeed if the first body has moved forward at this average speed, in m/s."""

    def achieved(state, start, seconds):
        return (state.pipeline_state.x.pos[:, 0, 0] - start) >= speed * seconds

    return achieved


def _stands(height: float) -> Achieved:
    """Succeed if the torso is at least this high, in meters."""

    def achieved(state, start, seconds):
        return state.pipeline_state.x.pos[:, 0, 2] >= height

    return achieved


def _near(distance: float, difference: Callable[[Array], Array]) -> Achieved:
    """Succeed if two places in the observation are at most this far apart, in meters."""

    def achieved(state, start, seconds):
        return jnp.linalg.norm(difference(state.obs), axis=1) <= distance

    return achieved


def _mujoco(name: str, **conversions: Any) -> Counterpart:
    return Counterpart(name, task="original", extra="mujoco", **conversions)


def _first(count: int) -> Callable[[np.ndarray], Observation]:
    """Keep the first numbers of an observation; the rest are MuJoCo's contact forces."""
    return lambda observations: {"observation": observations[:, :count].astype(np.float32)}


def _reacher(observations: np.ndarray) -> Observation:
    """Convert the speeds of both joints to what brax calls the velocity of the tip.

    Brax computes the velocity of a point 0.11 m from the elbow along the world's x axis, not along
    the second link, as that link turns.
    """
    cosine, sine, target = observations[:, :2], observations[:, 2:4], observations[:, 4:6]
    first, second = np.cumsum(observations[:, 6:8], axis=1).T  # rad/s of both links
    along = -0.1 * sine[:, 0] * first
    across = 0.1 * cosine[:, 0] * first + 0.11 * second
    difference, height = observations[:, 8:10], np.zeros((len(observations), 1))
    parts = [cosine, sine, target, np.stack([along, across], axis=1), difference, height]
    return {"observation": np.concatenate(parts, axis=1).astype(np.float32)}


KINDS = {
    "ant": Kind(
        "an ant on four legs should run (brax)",
        _moved(1),
        "spring",
        rewards=(0, 6),
        official=_mujoco("Ant-v5", observation=_first(27)),
    ),
    "halfcheetah": Kind(
        "a cheetah in a plane should run (brax)",
        _moved(1),
        "spring",
        rewards=(0, 10),
        official=_mujoco("HalfCheetah-v5"),
    ),
    "hopper": Kind(
        "a leg in a plane should hop forward (brax)",
        _moved(1),
        rewards=(0, 3.5),
        official=_mujoco("Hopper-v5"),
    ),
    "humanoid": Kind("a humanoid should run (brax)", _moved(1), "spring", rewards=(0, 8)),
    "humanoidstandup": Kind(
        "a lying humanoid should stand up (brax)", _stands(1), "spring", rewards=(0, 90)
    ),
    "inverted_pendulum": Kind(
        "a cart should balance a pole (brax)",
        _lasted,
        official=_mujoco("InvertedPendulum-v5", action=lambda actions: 3 * actions),
    ),
    "inverted_double_pendulum": Kind(
        "a cart should balance two poles, one on the other (brax)",
        _lasted,
        rewards=(0, 10),
        official=_mujoco("InvertedDoublePendulum-v5", observation=_first(8)),
    ),
    "pusher": Kind(
        "an arm should push an object to within 5 cm of a goal (brax)",
        _near(0.05, lambda seen: seen[:, -6:-3] - seen[:, -3:]),
        rewards=(-1.6, 0),
        above=True,
    ),
    "reacher": Kind(
        "an arm of two links should hold its tip within 2 cm of a target (brax)",
        _near(0.02, lambda seen: seen[:, -3:]),
        # The rotors of its motors have thousands of times the inertia of its links.
        idle={"": ("gravity",), "generalized": ("mass",), "mjx": ("mass",)},
        rewards=(-1.2, 0),
        above=True,
        official=_mujoco("Reacher-v5", observation=_reacher),
    ),
    "swimmer": Kind(
        "a body of three links should swim (brax)",
        _moved(0.1),
        backends=("generalized",),
        # It moves in a horizontal plane, and almost all drag comes from the fluid's density.
        idle={"": ("gravity", "armature", "viscosity")},
        rewards=(0, 0.4),
        above=True,
        official=_mujoco("Swimmer-v5"),
    ),
    "walker2d": Kind(
        "two legs in a plane should walk (brax)",
        _moved(1),
        rewards=(0, 5),
        official=_mujoco("Walker2d-v5"),
    ),
}
