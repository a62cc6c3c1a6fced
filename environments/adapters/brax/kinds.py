"""Each of brax's environments: its backend, what a success is, and its counterpart in gymnasium.

Known without importing brax. `brax.envs.fast`, a stub for brax's own tests, is left out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.counterpart import Counterpart, Observation

BACKENDS = ("generalized", "spring", "positional", "mjx")
# From brax's state, the x where each body began and the seconds since then.
Achieved = Callable[[Any, Float[Array, " n"], Float[Array, " n"]], Bool[Array, " n"]]


class Kind(NamedTuple):
    """One environment of brax.

    Attributes:
        description: one line.
        achieved: whether an episode that lasted until the time limit is a success.
        backend: the default.
        backends: those that brax has for it.
        idle: physical quantities that have no effect, or hardly any, and are no part of the task,
            by backend; those under "" in all of them.
        above: whether it is drawn from above, instead of from the side.
        official: gymnasium's environment of the same body.
    """

    description: str
    achieved: Achieved
    backend: str = "generalized"
    backends: tuple[str, ...] = BACKENDS
    idle: dict[str, tuple[str, ...]] = {}  # noqa: RUF012
    above: bool = False
    official: Counterpart | None = None


def _lasted(state: Any, start: Array, seconds: Array) -> Array:
    """It has not fallen."""
    return jnp.ones(start.shape, bool)


def _moved(speed: float) -> Achieved:
    """It has moved forward at so many m/s on average, and has not fallen."""

    def achieved(state, start, seconds):
        return (state.pipeline_state.x.pos[:, 0, 0] - start) >= speed * seconds

    return achieved


def _stands(height: float) -> Achieved:
    """Its torso is so many metres above the ground."""

    def achieved(state, start, seconds):
        return state.pipeline_state.x.pos[:, 0, 2] >= height

    return achieved


def _near(distance: float, difference: Callable[[Array], Array]) -> Achieved:
    """A part of the observation, a difference of places, is at most so many metres long."""

    def achieved(state, start, seconds):
        return jnp.linalg.norm(difference(state.obs), axis=1) <= distance

    return achieved


def _mujoco(name: str, **conversions: Any) -> Counterpart:
    return Counterpart(name, task="original", extra="mujoco", **conversions)


def _first(count: int) -> Callable[[np.ndarray], Observation]:
    """The first numbers of an observation; MuJoCo's forces of contacts follow."""
    return lambda observations: {"observation": observations[:, :count].astype(np.float32)}


def _reacher(observations: np.ndarray) -> Observation:
    """Where gymnasium has the speeds of both joints, brax has what it calls the tip's velocity.

    That is the velocity of the elbow and 0.11 m, along the world's x axis, turned by the second
    link's speed.
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
        official=_mujoco("Ant-v5", observation=_first(27)),
    ),
    "halfcheetah": Kind(
        "a cheetah in a plane should run (brax)",
        _moved(1),
        "spring",
        official=_mujoco("HalfCheetah-v5"),
    ),
    "hopper": Kind(
        "a leg in a plane should hop forward (brax)", _moved(1), official=_mujoco("Hopper-v5")
    ),
    "humanoid": Kind("a humanoid should run (brax)", _moved(1), "spring"),
    "humanoidstandup": Kind("a lying humanoid should stand up (brax)", _stands(1), "spring"),
    "inverted_pendulum": Kind(
        "a cart should balance a pole (brax)",
        _lasted,
        official=_mujoco("InvertedPendulum-v5", action=lambda actions: 3 * actions),
    ),
    "inverted_double_pendulum": Kind(
        "a cart should balance two poles, one on the other (brax)",
        _lasted,
        official=_mujoco("InvertedDoublePendulum-v5", observation=_first(8)),
    ),
    "pusher": Kind(
        "an arm should push an object to within 5 cm of a goal (brax)",
        _near(0.05, lambda seen: seen[:, -6:-3] - seen[:, -3:]),
        above=True,
    ),
    "reacher": Kind(
        "an arm of two links should hold its tip within 2 cm of a target (brax)",
        _near(0.02, lambda seen: seen[:, -3:]),
        # The inertia of its rotors is thousands of times that of its links.
        idle={"": ("gravity",), "generalized": ("mass",), "mjx": ("mass",)},
        above=True,
        official=_mujoco("Reacher-v5", observation=_reacher),
    ),
    "swimmer": Kind(
        "a body of three links should swim (brax)",
        _moved(0.1),
        backends=("generalized",),
        # It swims in a plane, and nearly all of the drag is from the density of the fluid.
        idle={"": ("gravity", "armature", "viscosity")},
        above=True,
        official=_mujoco("Swimmer-v5"),
    ),
    "walker2d": Kind(
        "two legs in a plane should walk (brax)", _moved(1), official=_mujoco("Walker2d-v5")
    ),
}
