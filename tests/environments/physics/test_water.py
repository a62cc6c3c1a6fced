"""Water: areas by counting points, buoyancy, drag that only takes energy, and floating."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.physics.optional import water
from didact.environments.physics.state import Motion
from didact.environments.walkers.bodies import PARKOUR_BODIES

FISH = PARKOUR_BODIES["fish"].mechanism
N = 64
IMMERSED = jax.jit(lambda motion, motor, level: water.immersed(FISH, motion, motor, level))


def motions(seed=0, speed=3.0):
    """Fish whose parts fly apart in all directions, around the level 0."""
    rng = np.random.default_rng(seed)
    shape = (len(FISH.bodies), N)
    pose = rng.uniform(-0.5, 0.5, (2, *shape)), rng.uniform(-4, 4, shape)
    velocity = speed * rng.normal(size=(3, *shape))
    return Motion(*(jnp.asarray(q, jnp.float32) for q in (*pose[0], pose[1], *velocity)))


def test_the_submerged_area_is_that_of_the_points_below():
    motion, rng = motions(), np.random.default_rng(1)
    found = np.asarray(water.immersed_share(FISH, motion, jnp.zeros(N)))
    outlines = FISH.outlines
    for body in range(len(FISH.bodies)):
        corners = outlines.vertices[body]
        points = rng.uniform(corners.min(0), corners.max(0), (4000, 2))
        offsets = ((points[:, None] - corners) * outlines.normals[body]).sum(2)
        points = points[np.where(outlines.padding[body], -1, offsets).max(1) <= 0]
        angle = np.asarray(motion.angle[body])[:, None]
        heights = np.sin(angle) * points[:, 0] + np.cos(angle) * points[:, 1]
        share = (heights + np.asarray(motion.y[body])[:, None] < 0).mean(1)
        np.testing.assert_allclose(found[body], share, atol=0.05)
    assert ((found > 0.05) & (found < 0.95)).any()


def test_deep_water_carries_the_weight_of_what_is_displaced():
    """At rest, and turned in any way: only an acceleration up, by the ratio of densities."""
    motion = motions(speed=0.0)
    after = IMMERSED(motion, jnp.zeros((4, N)), jnp.full(N, 50.0))
    lift = water.STEP * 10 / 0.99
    np.testing.assert_allclose(after.vy - motion.vy, lift, rtol=1e-4)
    np.testing.assert_allclose(after.vx, motion.vx, atol=1e-5)
    np.testing.assert_allclose(after.spin, motion.spin, atol=2e-3)


def test_above_the_water_nothing_happens():
    motion = motions()
    after = IMMERSED(motion, jnp.ones((4, N)), jnp.full(N, -50.0))
    for a, b in zip(after, motion, strict=True):
        np.testing.assert_array_equal(a, b)


def test_water_slows():
    """Drag and lift take energy from every body, whatever its motion."""
    motion = motions(speed=2.0)
    still = motion._replace(**dict.fromkeys(("vx", "vy", "spin"), 0 * motion.vx))
    level = jnp.full(N, 50.0)
    none = jnp.zeros((4, N))
    moved, lifted = IMMERSED(motion, none, level), IMMERSED(still, none, level)
    mass, inertia = FISH.mass[:, None], FISH.inertia[:, None]
    power = sum(
        weight * np.asarray(getattr(motion, name) * (getattr(moved, name) - getattr(motion, name)))
        - weight * np.asarray(getattr(motion, name) * getattr(lifted, name))
        for weight, name in ((mass, "vx"), (mass, "vy"), (inertia, "spin"))
    )
    assert (power < 1e-5).all()
    assert (power < -1e-3).mean() > 0.8


def test_drag_grows_with_the_square_of_the_speed():
    """A fin that moves broadside: a quarter of its area times the square of its speed."""
    motion = motions(speed=0.0)._replace(angle=jnp.zeros((5, N)))
    speed = jnp.linspace(0.5, 4, N)
    motion = motion._replace(vx=jnp.tile(speed, (5, 1)))
    after = IMMERSED(motion, jnp.zeros((4, N)), jnp.full(N, 50.0))
    height = 20 / 30
    expected = -0.25 * height * np.asarray(speed) ** 2 * water.STEP / FISH.mass[4]
    np.testing.assert_allclose(after.vx[4] - speed, expected, rtol=1e-3)


def test_a_motor_pushes_water_away():
    """A part that is turned by its motor is pushed against the motor's force, and never by more
    than the limit for each edge."""
    motion = motions(speed=0.0)._replace(
        angle=jnp.asarray(FISH.pose[:, 2:], jnp.float32) + 0 * jnp.ones((1, N))
    )
    motor = jnp.zeros((4, N)).at[2].set(jnp.linspace(-1.6, 1.6, N))
    level = jnp.full(N, 50.0)
    after, still = IMMERSED(motion, motor, level), IMMERSED(motion, 0 * motor, level)
    force = FISH.mass[3] / water.STEP * np.asarray(after.vy[3] - still.vy[3])
    turned = np.asarray(motor[2])
    strong = np.abs(turned) > 0.5
    # The motor's force is up for a negative torque, since the tail points to the left.
    assert (np.sign(force[strong]) == np.sign(turned[strong])).all()
    assert np.abs(force).max() <= water.MAX_PUSH * (outline_edges(3) + 1)
    np.testing.assert_allclose(np.delete(after.vy - still.vy, 3, 0), 0, atol=1e-6)


def outline_edges(body):
    return int((~FISH.outlines.padding[body]).sum())


@pytest.mark.slow
def test_a_raft_floats_as_deep_as_it_is_heavy(raft):
    """Half of a raft of half the density of water is below the level."""
    bodies = raft.at_rest()
    limp = jnp.zeros((1, raft.n)), jnp.zeros((1, raft.n)), jnp.zeros((1, raft.n), bool)
    depths = []
    for number in range(500):
        bodies = raft.step(bodies, raft.sea, *limp)
        if number >= 300:
            depths.append(np.asarray(bodies.motion.y[0]) - np.asarray(raft.sea.water))
    assert np.mean(depths) == pytest.approx(0, abs=0.02)
    assert np.ptp(depths) < 0.15
    assert np.abs(np.asarray(bodies.motion.angle)).max() < 0.2
