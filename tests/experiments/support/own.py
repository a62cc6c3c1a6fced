"""An environment, a teacher and a student of a user's own, as a file outside the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from didact.environments import ArraySpace, Box, Dimension, Discrete, Environment, Timestep
from didact.environments import register as register_environment
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.students import register as register_student
from didact.teachers import Teacher, uniform
from didact.teachers import register as register_teacher

if TYPE_CHECKING:
    from didact.environments import TaskSpace

WAYS = 4


class Signs(Environment):
    """Shows one of four signs; the action that is shown pays and ends the episode."""

    task_space = Box((Dimension("sign", 0, WAYS - 1, integer=True),))
    observation_space = {"sign": ArraySpace((WAYS,), np.float32, 0, 1)}  # noqa: RUF012
    action_space = Discrete(WAYS)

    def __init__(self, pay: float = 1.0, length: int = 5):
        self.pay, self.max_steps = pay, length

    def reset(self, key, tasks):
        n = tasks.shape[0]
        no = jnp.zeros(n, bool)
        state = tasks, jnp.zeros(n, jnp.int32)
        return state, Timestep(see(state), jnp.zeros(n), no, no, no, jnp.zeros((n, 0), bool))

    def step(self, key, state, actions):
        tasks, time = state
        right = actions == tasks[:, 0].astype(jnp.int32)
        late = ~right & (time + 1 >= self.max_steps)
        state = tasks, time + 1
        labels = jnp.zeros((tasks.shape[0], 0), bool)
        return state, Timestep(see(state), self.pay * right, right, late, right, labels)

    def render(self, state, index):
        return np.full((32, 32, 3), 60 * int(state[0][index, 0]), np.uint8)


def see(state):
    return {"sign": (state[0] == jnp.arange(WAYS)).astype(jnp.float32)}


def part(space: TaskSpace, *, share: float = 0.5) -> Teacher:
    """The lower part of the first dimension."""
    first = space.dimensions[0]
    high = round(first.low + share * (first.high - first.low))
    return uniform(space.restricted(**{first.name: (first.low, high)}))


def shy(
    observation_space,
    action_space,
    *,
    num_updates: int,
    axes=(),
    seeds_axis=None,
    pace: float = 1e-2,
    width: int = 16,
):
    """PPO that never learns from less than it was paid before."""
    network = NetworkConfig(hidden=width, memory=0)
    config = PPOConfig(pace, num_minibatches=2, network=network, entropy_coefficient=0.1)
    given = {"num_updates": num_updates, "axes": axes, "seeds_axis": seeds_axis}
    inner = ppo(observation_space, action_space, config, **given)

    def learn(state, rollout, key):
        return inner.learn(state, rollout._replace(reward=jnp.maximum(rollout.reward, 0)), key)

    return inner._replace(learn=learn)


register_environment("Signs", Signs, "do what is shown")
register_teacher("part", part, "the lower part of the tasks")
register_student("shy", shy, "PPO without fear")
