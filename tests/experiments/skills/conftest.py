"""A chain of places on which skills can be computed by hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Box, Dimension, Discrete, Environment, Timestep
from didact.environments.base import PLACE

LENGTH, GOAL = 5, 2


class ChainState(NamedTuple):
    position: jax.Array  # int32[n]
    steps: jax.Array  # int32[n]


class Chain(Environment[ChainState]):
    """Five places in a row; an episode ends at the third one.

    Args:
        success: whether this end is a success.
        can_continue: see `Environment`.
    """

    task_space = Box((Dimension("start", 0, 1, integer=True),))
    action_space = Discrete(2, ("left", "right"))
    propositions = ("goal", "end")
    max_steps = 20

    def __init__(self, success=True, can_continue=True):
        self.success, self.can_continue = success, can_continue
        self.observation_space = {
            PLACE: ArraySpace((), np.int32, 0, LENGTH - 1, kind="hidden"),
            "image": ArraySpace((1, LENGTH), np.uint8, 0, 1, kind="cells", codes=(2,)),
        }

    def reset(self, key, tasks):
        position = tasks[:, 0].astype(jnp.int32)
        return self._show(ChainState(position, jnp.zeros_like(position)))

    def step(self, key, state, actions):
        position = jnp.clip(state.position + 2 * actions - 1, 0, LENGTH - 1)
        return self._show(ChainState(position, state.steps + 1))

    def _show(self, state):
        at = state.position
        over = (at == GOAL) & (state.steps > 0)
        image = jax.nn.one_hot(at, LENGTH, dtype=jnp.uint8)[:, None]
        labels = jnp.stack([at == GOAL, at == LENGTH - 1], 1)
        return state, Timestep(
            {PLACE: at, "image": image},
            over.astype(jnp.float32),
            over,
            state.steps >= self.max_steps,
            over & self.success,
            labels,
        )


@pytest.fixture(scope="session")
def chain():
    """The class of the environment."""
    return Chain
