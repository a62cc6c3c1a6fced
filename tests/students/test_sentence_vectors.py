"""What is learnt where missions are told by vectors only."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import make
from didact.environments.grid import language, vectors
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.students.base import Rollout

N, UPDATES = 64, 150


def encoder(texts):
    """Knows nothing of what texts mean: the vectors of "red" have nothing in common."""
    return [np.random.default_rng(zlib.crc32(text.encode())).normal(size=24) for text in texts]


def paid_in(world, blind):
    """PPO in a bandit: the action that pays is the colour that the mission of a level names."""
    spaces = {k: v for k, v in world.observation_space.items() if k != "instruction"}
    made = ppo(
        spaces,
        world.action_space,
        PPOConfig(
            network=NetworkConfig(cell_embedding=16, hidden=64, memory=8),
            learning_rate=5e-3,
            num_minibatches=2,
        ),
        num_updates=UPDATES,
    )
    yes = jnp.ones((1, N), bool)

    def update(state, key):
        keys = jax.random.split(key, 4)
        tasks = world.task_space.sample(keys[0], N)
        seen = world.reset(keys[1], tasks)[1].observation
        color = seen.pop("instruction")[:, 3] - language.FIRST_COLOR
        if blind:
            seen["instruction_vector"] *= 0
        carry = made.initial_carry(N)
        action, _, extras = made.act(state, carry, seen, keys[2])
        paid = (action == color).astype(jnp.float32)
        zero = jnp.zeros((1, N))
        first = jax.tree.map(lambda x: x[None], (seen, action, paid, extras))
        rollout = Rollout(
            first[0], yes, first[1], first[2], yes, ~yes, first[3], zero, zero[0], carry
        )
        return made.learn(state, rollout, keys[3])[0], paid.mean()

    keys = jax.random.split(jax.random.key(1), UPDATES)
    start = jax.jit(made.init)(jax.random.key(0))
    return np.asarray(jax.jit(lambda s: jax.lax.scan(update, s, keys))(start)[1])


@pytest.fixture(scope="module")
def world():
    room = make("BabyAI-GoToLocalS5N2-v0", packed=True)
    return vectors.with_vectors(room, vectors.sentence_vectors(vectors.missions_of(room), encoder))


def test_missions_are_learnt_from_their_vectors(world):
    """Two objects are in the room, so who sees but does not read may be right half of the time."""
    paid = paid_in(world, blind=False)
    assert paid[:5].mean() < 0.35
    assert paid[-10:].mean() > 0.8
    assert paid_in(world, blind=True)[-10:].mean() < 0.65
