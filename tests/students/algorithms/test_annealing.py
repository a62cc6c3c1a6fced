"""Rates over a training: of the optimiser and of the entropy bonus."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_policy import ACTIONS, NUMBERS, numbers

from didact.environments import SettingError
from didact.students import NetworkConfig, PPOConfig, Rollout, ppo

N = 4
CONFIG = PPOConfig(
    network=NetworkConfig(hidden=4, memory=0, normalise_observations=False),
    num_minibatches=1,
    value_coefficient=0.0,
)


def rollout_of(student):
    """One step of episodes that end with it."""
    rng = np.random.default_rng(0)
    row = jnp.ones((1, N))
    return Rollout(
        observation={name: jnp.asarray(x)[None] for name, x in numbers(N).items()},
        start=row > 0,
        action=jnp.asarray(rng.integers(0, ACTIONS.n, (1, N)), jnp.int32),
        reward=jnp.asarray(rng.normal(size=(1, N)), jnp.float32),
        terminated=row > 0,
        truncated=row < 0,
        extras={"value": 0 * row, "log_prob": np.log(1 / 3) * row},
        final_value=0 * row,
        last_value=jnp.zeros(N),
        carry=student.initial_carry(N),
        learn=row,
        final_observation={},
    )


def student_of(num_updates, **settings):
    student = ppo(
        NUMBERS, ACTIONS, dataclasses.replace(CONFIG, **settings), num_updates=num_updates
    )
    return student, jax.jit(student.init)(jax.random.key(0)), rollout_of(student)


def rates(num_updates, updates, **settings):
    """The size of Adam's first step, which is the learning rate, after these many updates."""
    student, state, rollout = student_of(num_updates, **settings)

    @jax.jit
    @jax.vmap
    def sizes(updates):
        after, _ = student.learn(state._replace(updates=updates), rollout, jax.random.key(1))
        moved = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), after.params, state.params)
        return jnp.max(jnp.stack(jax.tree.leaves(moved)))

    return sizes(jnp.asarray(updates, jnp.int32))


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(1e-2, 1e-3, [1e-2, 5.5e-3, 1e-3, 1e-3]), (1e-3, 1e-2, [1e-3] * 4)],
    ids=["falling", "a final rate above the first"],
)
def test_the_learning_rate_never_rises(first, last, expected):
    found = rates(4, [0, 2, 4, 9], learning_rate=first, final_learning_rate=last)
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_more_minibatches_than_fit_into_32_bits():
    found = rates(
        2**31 - 1,
        [0, 2**30, 2**31 - 2],
        learning_rate=1e-2,
        final_learning_rate=0.0,
        num_epochs=2,
    )
    np.testing.assert_allclose(found[:2], [2e-2, 1e-2], rtol=0.1)  # of two steps
    assert float(found[2]) < 1e-6


def test_the_learning_rate_falls_while_there_is_nothing_to_learn_from():
    student, state, rollout = student_of(4, learning_rate=1e-2, final_learning_rate=0.0)
    learn = jax.jit(student.learn)
    watched = rollout._replace(learn=jnp.zeros((1, N)))
    for i in range(2):
        state, _ = learn(state, watched, jax.random.key(i))
    after, _ = learn(state, rollout, jax.random.key(3))
    moved = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), after.params, state.params)
    assert max(map(float, jax.tree.leaves(moved))) == pytest.approx(5e-3, rel=0.02)


def test_an_entropy_bonus_of_0_stays_0():
    """At the end of the training, the loss is that of the policy alone, or has the bonus."""
    for first, last in ((0.0, 0.001), (0.0005, 0.001), (0.01, 0.002)):
        settings = {"entropy_coefficient": first, "final_entropy_coefficient": last}
        student, state, rollout = student_of(4, **settings)
        state = state._replace(updates=jnp.int32(4))
        _, metrics = student.learn(state, rollout, jax.random.key(1))
        bonus = (metrics["policy_loss"] - metrics["loss"]) / metrics["entropy"]
        assert float(bonus) == pytest.approx(min(first, last), abs=2e-6)


def test_environments_that_minibatches_cannot_share_equally():
    student, state, rollout = student_of(4, num_minibatches=3)
    with pytest.raises(SettingError, match=r"^num_envs .* is 4, but must be a multiple of 3, .*"):
        jax.eval_shape(student.learn, state, rollout, jax.random.key(0))
