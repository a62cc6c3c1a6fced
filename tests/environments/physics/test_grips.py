"""Hands that hold: they carry their body, let go, and take hold only of what they touch."""

import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.physics import flat
from didact.environments.physics.optional import grips

STEP = 0.02


def hanging(raft, steps=150, grasp=True, motor=0.0):
    """The raft after some steps below a ceiling that its hand touches."""
    bodies = raft.at_rest()
    torque, speed = jnp.full((1, raft.n), abs(motor)), jnp.full((1, raft.n), 3 * np.sign(motor))
    wants = jnp.full((1, raft.n), grasp)
    for _ in range(steps):
        bodies = raft.step(bodies, raft.cave, torque, speed, wants)
    return bodies


@pytest.mark.slow
def test_a_hand_carries_the_weight_of_its_body(raft):
    """On average, because it swings."""
    bodies, pulls = hanging(raft, 10), []
    still, wants = jnp.zeros((1, raft.n)), jnp.ones((1, raft.n), bool)
    for _ in range(1000):
        bodies = raft.step(bodies, raft.cave, still, still, wants)
        pulls.append(bodies.grips.pull_y[0])
        assert np.asarray(bodies.grips.holding).all()
    weight = raft.mechanism.mass.sum() * 10
    np.testing.assert_allclose(np.mean(pulls, axis=0) / STEP, weight, rtol=0.03)
    at = np.asarray(raft.sensor(bodies))
    np.testing.assert_allclose(at, [bodies.grips.x[0], bodies.grips.y[0]], atol=0.005)


@pytest.mark.slow
def test_motors_do_not_tear_a_hand_off(raft):
    bodies = raft.at_rest()
    rng, wants = np.random.default_rng(0), jnp.ones((1, raft.n), bool)
    for _ in range(200):
        action = jnp.asarray(rng.choice([-1.0, 1.0], (1, raft.n)), jnp.float32)
        bodies = raft.step(bodies, raft.cave, jnp.full((1, raft.n), 20.0), 6 * action, wants)
        at = np.asarray(raft.sensor(bodies))
        apart = np.hypot(*(at - np.asarray([bodies.grips.x[0], bodies.grips.y[0]])))
        assert apart.max() < 0.02
    assert np.isfinite(np.asarray(bodies.motion.angle)).all()
    assert np.asarray(bodies.grips.holding).all()


@pytest.mark.slow
def test_a_hand_lets_go(raft):
    bodies = hanging(raft, 10)
    no = jnp.zeros((1, raft.n), bool)
    start = np.asarray(bodies.motion.y[0])
    still = jnp.zeros((1, raft.n))
    for _ in range(10):
        bodies = raft.step(bodies, raft.cave, still, still, no)
    assert not np.asarray(bodies.grips.holding).any()
    assert (np.asarray(bodies.motion.y[0]) < start - 0.05).all()
    assert not np.asarray(bodies.grips.pull_y).any()


@pytest.mark.slow
def test_a_hand_in_the_air_holds_nothing(raft):
    """The ceiling is out of reach: however much it wants to."""
    bodies = raft.at_rest()
    wants, still = jnp.ones((1, raft.n), bool), jnp.zeros((1, raft.n))
    high = raft.cave._replace(ceiling=raft.cave.ceiling + 0.1)
    for _ in range(5):
        bodies = raft.step(bodies, high, still, still, wants)
    assert not np.asarray(bodies.grips.holding).any()
    assert not np.asarray(bodies.grips.touching).any()


@pytest.mark.slow
def test_a_hand_holds_a_creeper(raft):
    """One that hangs where the hand is, from a ceiling out of reach."""
    creepers = raft.cave.creepers
    x, y = (float(q[0]) for q in raft.sensor(raft.at_rest()))
    point = int((x - 0.1) / raft.engine.reach.spacing)
    low = creepers.low.at[:, point].set(y - 0.5)
    high = raft.cave._replace(
        ceiling=raft.cave.ceiling + 2,
        creepers=creepers._replace(low=low, width=0 * low[:, 0] + 0.5),
    )
    high = high._replace(creepers=high.creepers._replace(high=creepers.high + 2))
    bodies, still = raft.at_rest(), jnp.zeros((1, raft.n))
    for _ in range(100):
        bodies = raft.step(bodies, high, still, still, jnp.ones((1, raft.n), bool))
    assert np.asarray(bodies.grips.holding).all()
    assert (np.asarray(bodies.grips.y[0]) > y - 0.05).all()


def test_without_ceiling_and_creepers_there_is_nothing_to_hold(raft):
    ground = flat(raft.n, raft.points)
    reach, motion = raft.engine.reach, raft.at_rest().motion
    within = grips.within_reach(raft.mechanism, reach, motion, ground)
    assert all(side.shape == (1, raft.n) for side in within)
    assert not np.asarray(within.touches).any()
