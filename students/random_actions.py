"""The student that knows nothing: what any other must beat."""

import jax
import jax.numpy as jnp

from didact.environments import Discrete
from didact.students.base import Student
from didact.students.networks import Outputs


def random_actions(action_space: Discrete) -> Student:
    """Takes every action with the same probability, and never learns."""

    def look(state, carry, observation):
        n = jax.tree.leaves(observation)[0].shape[0]
        return Outputs(jnp.zeros((n, action_space.n)), jnp.zeros(n)), carry

    def act(state, carry, observation, key):
        n = jax.tree.leaves(observation)[0].shape[0]
        action = jax.random.randint(key, (n,), 0, action_space.n)
        return action, carry, {"value": jnp.zeros(n)}

    return Student(
        init=lambda key: (),
        initial_carry=lambda n: jnp.zeros((n, 0)),
        look=look,
        act=act,
        act_greedily=act,
        learn=lambda state, rollout, key: (state, {}),
    )
