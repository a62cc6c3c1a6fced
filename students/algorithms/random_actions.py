"""A baseline that takes random actions."""

import jax
import jax.numpy as jnp

from didact.environments import ActionSpace
from didact.students.base import Student
from didact.students.networks.distributions import uniform_over


def random_actions(action_space: ActionSpace) -> Student:
    """Make a student that takes uniformly random actions and never learns."""

    def size(observation):
        return jax.tree.leaves(observation)[0].shape[0]

    def apply(state, carry, observation):
        n = size(observation)
        return uniform_over(action_space, n), jnp.zeros(n), carry

    def act(state, carry, observation, key):
        n = size(observation)
        return action_space.sample(key, n), carry, {"value": jnp.zeros(n)}

    return Student(
        init=lambda key: (),
        initial_carry=lambda n: jnp.zeros((n, 0)),
        apply=apply,
        act=act,
        act_greedily=act,
        learn=lambda state, rollout, key: (state, {}),
    )
