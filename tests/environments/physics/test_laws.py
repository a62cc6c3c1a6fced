"""Laws of motion, and the step against a plain NumPy version of it."""

import jax.numpy as jnp
import numpy as np
import pytest
from free_step import free_step

STEP, GRAVITY = 0.02, -10.0


def test_a_free_fall_is_euler_s(walkers, level):
    """Whatever the motors do, the common center of mass falls freely."""
    bodies = walkers.at_rest(lift=20.0)
    mass = walkers.mechanism.mass[:, None]
    actions = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (4, walkers.n)), jnp.float32)

    def center(bodies):
        return (mass * np.asarray(bodies.motion.y)).sum(0) / mass.sum()

    start, steps = center(bodies), 20
    for _ in range(steps):
        bodies = walkers.step(bodies, level, actions)
    fallen = GRAVITY * STEP**2 * steps * (steps + 1) / 2
    np.testing.assert_allclose(center(bodies) - start, fallen, atol=2e-3)
    speed = (mass * np.asarray(bodies.motion.vy)).sum(0) / mass.sum()
    np.testing.assert_allclose(speed, GRAVITY * STEP * steps, atol=1e-3)


def test_motors_do_not_change_the_momentum(walkers, level):
    """Linear momentum is exact; angular momentum is kept up to the drift of joints."""
    bodies = walkers.at_rest(lift=20.0)
    mass, inertia = walkers.mechanism.mass[:, None], walkers.mechanism.inertia[:, None]

    def momenta(bodies):
        x, y, _, vx, vy, spin = (np.asarray(q, np.float64) for q in bodies.motion)
        cx, cy = ((mass * q).sum(0) / mass.sum() for q in (x, y))
        wx, wy = ((mass * q).sum(0) / mass.sum() for q in (vx, vy))
        turning = (mass * ((x - cx) * (vy - wy) - (y - cy) * (vx - wx)) + inertia * spin).sum(0)
        return (mass * vx).sum(0), turning

    for _ in range(5):  # the joints, which are apart at the start, meet
        bodies = walkers.step(bodies, level, jnp.zeros((4, walkers.n)))
    before = momenta(bodies)
    generator = np.random.default_rng(1)
    for _ in range(15):
        actions = generator.uniform(-1, 1, (4, walkers.n)).astype(np.float32)
        bodies = walkers.step(bodies, level, actions)
    after = momenta(bodies)
    np.testing.assert_allclose(after[0], before[0], atol=2e-3)
    np.testing.assert_allclose(after[1], before[1], atol=0.2)  # of torques of 80 N m
    assert np.abs(np.asarray(bodies.motion.spin)).max() > 1  # they did something


def test_the_first_step_is_that_of_numpy(walkers, level):
    bodies = walkers.at_rest(lift=20.0)
    push = np.linspace(-5, 5, walkers.n)
    mass = walkers.mechanism.mass[0]
    vx = bodies.motion.vx.at[0].set(jnp.float32(STEP * push / mass))
    bodies = bodies._replace(motion=bodies.motion._replace(vx=vx))
    bodies = walkers.step(bodies, level, jnp.zeros((4, walkers.n)))
    for i in (0, walkers.n // 2, walkers.n - 1):
        expected = free_step(walkers.mechanism, push[i])
        found = np.stack([np.asarray(q)[:, i] for q in bodies.motion])
        found[1] -= 20
        np.testing.assert_allclose(found, expected.motion, atol=2e-3)
        np.testing.assert_array_equal(np.asarray(bodies.side)[:, i], expected.side)


def test_walkers_settle_on_the_ground(walkers, level):
    """Limp legs come to rest above the ground, and joints stay within their limits.

    The hull, which the ground does not hold up, goes on to swing between them.
    """
    bodies = walkers.at_rest()
    for _ in range(600):
        bodies = walkers.step(bodies, level, jnp.zeros((4, walkers.n)))
    motion = bodies.motion
    assert np.abs(np.asarray(motion.vx[1:])).max() < 0.05
    assert np.abs(np.asarray(motion.vy[1:])).max() < 0.05
    assert (np.asarray(motion.y[1:]) > level.heights[0, 0] - 0.02).all()
    assert np.asarray(bodies.touched).all()  # by the hull
    lower, upper = walkers.mechanism.limits
    parent, child = walkers.mechanism.parent, walkers.mechanism.child
    turned = np.asarray(motion.angle)[child] - np.asarray(motion.angle)[parent]
    assert (turned > lower[:, None] - 0.1).all()
    assert (turned < upper[:, None] + 0.1).all()


@pytest.mark.slow
def test_violent_actions_leave_finite_states(walkers, level):
    """Full torques that turn around at random, for six seconds."""
    generator, bodies = np.random.default_rng(2), walkers.at_rest()
    lowest = np.inf
    for _ in range(300):
        actions = np.sign(generator.uniform(-1, 1, (4, walkers.n))).astype(np.float32)
        bodies = walkers.step(bodies, level, actions)
        lowest = min(lowest, float(np.asarray(bodies.motion.y[1:]).min()))
    for leaf in (*bodies.motion, bodies.motor, bodies.limit, bodies.contacts.normal):
        assert np.isfinite(np.asarray(leaf)).all()
    assert lowest > level.heights[0, 0] - 0.1
