"""The pendulum: swing a rod up and balance it with a motor that is too weak to lift it.

The task is its physics. The evaluation task "gymnasium" is gymnasium's Pendulum-v1, step for step.

References:
    Gymnasium, Pendulum-v1 (gymnasium/envs/classic_control/pendulum.py).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from didact.environments.base import Environment, Timestep, split_keys
from didact.environments.canvas import Canvas
from didact.environments.counterpart import Counterpart
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace, Continuous
from didact.environments.task_spaces import Box, Dimension, TaskSpace

TIMESTEP = 0.05  # s
MAX_SPEED = 8.0  # rad/s
FULL_ACTION = 2.0  # the action at which the motor gives its full torque
UPRIGHT = 0.3  # rad: within it the rod counts as upright
BALANCED = 20  # the steps for which it must be upright at the end of a successful episode


class PendulumState(NamedTuple):
    """n pendulums."""

    angle: Float[Array, " n"]  # rad, 0 upright, anticlockwise; grows beyond a turn
    speed: Float[Array, " n"]  # rad/s
    torque: Float[Array, " n"]  # N m, of the last step
    upright: Int32[Array, " n"]  # consecutive steps in which it has been upright
    steps: Int32[Array, " n"]  # taken so far
    tasks: Float[Array, "n 4"]


class Pendulum(Environment[PendulumState]):
    """A rod on a motor that starts at a random angle and should be balanced upright.

    A task sets gravity, length, mass and the maximum torque. The bounds of actions do not depend on
    the task: actions are clipped to [-2, 2], and 2 stands for the task's maximum torque. In the
    task "gymnasium" the action is therefore the torque in N m. Where `gravity / length` exceeds
    10.7 / s^2, the speed limit (8 rad/s, as in gymnasium) prevents a rod from rising by its swing
    alone, and a weak motor may need more than one episode. The hardest tasks cannot be solved.

    The reward is `-(angle^2 + 0.1 speed^2 + 0.001 torque^2)` with the angle, in [-pi, pi), and
    speed before the step. An episode always takes 200 steps of 0.05 s. It is a success if the rod
    has been within 0.3 rad of upright for the last 20 steps.

    Observations: `observation`, float32[n, 3]: cos(angle), sin(angle), speed.
    """

    action_space = Continuous((1,), -FULL_ACTION, FULL_ACTION, names=("torque",))
    max_steps, success_at_limit = 200, True
    return_range = (-1600.0, 0.0)
    render_fps = round(1 / TIMESTEP)
    task_space = Box(
        (
            Dimension("gravity", 2, 12, unit="m/s^2", description="acceleration of free fall"),
            Dimension("length", 0.8, 2, unit="m", description="length of the rod"),
            Dimension("mass", 0.5, 2, unit="kg", description="mass of the rod"),
            Dimension("max_torque", 1, 4, unit="N m", description="largest torque of the motor"),
        )
    )
    observation_space = {  # noqa: RUF012
        "observation": ArraySpace((3,), np.dtype(np.float32), -MAX_SPEED, MAX_SPEED, kind="vector")
    }
    official = Counterpart("Pendulum-v1", task="gymnasium")

    def __init__(self):
        self.name = "Pendulum"

    @property
    def easy_space(self) -> TaskSpace:
        """Pendulums that the motor can lift without swinging."""
        return self.task_space.restricted(
            gravity=(2, 4), length=(0.8, 1.2), mass=(0.5, 1), max_torque=(3, 4)
        )

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Named tasks: "gymnasium" is the pendulum of Pendulum-v1."""
        return {"gymnasium": np.array([10, 1, 1, 2], np.float32)}

    def reset(self, key, tasks):
        n = tasks.shape[0]
        bounds = jnp.array([jnp.pi, 1.0])
        drawn = jax.vmap(lambda key: jax.random.uniform(key, (2,), minval=-1, maxval=1))
        angle, speed = (drawn(split_keys(key, n)) * bounds).T
        zero = jnp.zeros(n, jnp.int32)
        state = PendulumState(angle, speed, jnp.zeros(n), zero, zero, tasks.astype(jnp.float32))
        return state, _timestep(state, jnp.zeros(n), self.max_steps)

    def step(self, key, state, actions):
        gravity, length, mass, max_torque = state.tasks.T
        torque = self.action_space.clip(actions)[:, 0] * (max_torque / FULL_ACTION)
        cost = _normalised(state.angle) ** 2 + 0.1 * state.speed**2 + 0.001 * torque**2
        falling = 3 * gravity / (2 * length) * jnp.sin(state.angle)
        speed = state.speed + (falling + 3 / (mass * length**2) * torque) * TIMESTEP
        speed = jnp.clip(speed, -MAX_SPEED, MAX_SPEED)
        angle = state.angle + speed * TIMESTEP
        upright = jnp.where(jnp.abs(_normalised(angle)) < UPRIGHT, state.upright + 1, 0)
        state = PendulumState(angle, speed, torque, upright, state.steps + 1, state.tasks)
        return state, _timestep(state, -cost, self.max_steps)

    def render(self, state, index):
        """Draw the rod, thicker for larger masses, and the torque as an arc; uint8[256, 256, 3]."""
        angle, torque = float(state.angle[index]), float(state.torque[index])
        _, length, mass, max_torque = (float(x) for x in state.tasks[index])
        canvas = Canvas((256, 256), (0, 0), 256 / 4.8, (250, 250, 247))
        canvas.arc((0, 0), length, 0, 2 * np.pi, 0.02, (226, 226, 220))
        tip = length * np.array([-np.sin(angle), np.cos(angle)])
        canvas.rod((0, 0), tip, 0.1 * np.sqrt(mass), (204, 92, 77))
        canvas.disc(tip, 0.1 * np.sqrt(mass), (166, 60, 52))
        turn = np.pi * torque / max_torque  # half a circle at full torque
        if abs(turn) > 0.05:
            canvas.arc((0, 0), 0.42, np.pi / 2, np.pi / 2 + turn, 0.06, (66, 122, 176))
        canvas.disc((0, 0), 0.06, (40, 40, 44))
        return canvas.pixels()


def _normalised(angle: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return the angle in [-pi, pi)."""
    return (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi


def _timestep(state: PendulumState, reward: Float[Array, " n"], max_steps: int) -> Timestep:
    angle, speed = state.angle, state.speed
    over = state.steps >= max_steps
    return Timestep(
        observation={"observation": jnp.stack([jnp.cos(angle), jnp.sin(angle), speed], axis=1)},
        reward=reward,
        terminated=jnp.zeros(angle.shape, bool),
        truncated=over,
        success=over & (state.upright >= BALANCED),
        labels=jnp.zeros((*angle.shape, 0), bool),
    )


register("Pendulum", Pendulum, "swing a pendulum up and balance it; the task is its physics")
