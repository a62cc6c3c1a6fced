"""A single box, which has no joints: it falls, slides and comes to rest as in textbooks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.physics import Body, Engine, Mechanism, Reach, flat
from didact.environments.physics.contacts import candidates, nearest
from didact.environments.physics.shapes import box

pytestmark = pytest.mark.slow

STEP, G, N, SIZE = 0.02, 10.0, 4, 0.4
FRICTION = np.sqrt(0.2 * 2.5)  # of the body and the ground


class OneBox:
    """N boxes in the air, on ground whose edges are longer than the boxes."""

    def __init__(self):
        at = (5.3, 3.0)
        self.mechanism = Mechanism((Body("box", box(SIZE, SIZE), 1.0, at, friction=0.2),), ())
        # More edges and boxes than can be near.
        self.engine = Engine(self.mechanism, Reach(1.0, edges=3, boxes=3))
        self.ground = flat(N, 40)._replace(boxes=jnp.tile(jnp.array([30.0, 0, 31, 1]), (N, 1, 1)))
        none = jnp.zeros((0, N))
        self.step = jax.jit(lambda bodies: self.engine.step(bodies, self.ground, none, none))

    def placed(self, y, vx=0.0):
        bodies = self.engine.at_rest(N)
        motion = bodies.motion._replace(y=jnp.full((1, N), y), vx=jnp.full((1, N), vx))
        return bodies._replace(motion=motion)

    def after(self, bodies, steps):
        for _ in range(steps):
            bodies = self.step(bodies)
        return bodies


@pytest.fixture(scope="module")
def one():
    return OneBox()


def test_it_falls_freely(one):
    motion = one.after(one.placed(20.0, vx=1.0), 50).motion
    np.testing.assert_allclose(motion.y, 20 - G * STEP**2 * 50 * 51 / 2, rtol=1e-4)
    np.testing.assert_allclose(motion.x, 5.3 + 1.0, rtol=1e-4)
    np.testing.assert_allclose(motion.angle, 0, atol=1e-6)


def test_it_comes_to_rest_on_the_ground(one):
    motion = one.after(one.placed(1.0), 100).motion
    np.testing.assert_allclose(motion.y, SIZE / 2, atol=0.025)
    for speed in (motion.vx, motion.vy, motion.spin):
        np.testing.assert_allclose(speed, 0, atol=0.02)


def test_it_slides_until_friction_has_stopped_it(one):
    speed = 4.0
    bodies = one.after(one.placed(SIZE / 2 + 0.015), 1)
    motion = bodies.motion._replace(vx=jnp.full((1, N), speed))
    motion = one.after(bodies._replace(motion=motion), 10).motion
    np.testing.assert_allclose(motion.vx, speed - FRICTION * G * 10 * STEP, rtol=0.05)
    motion = one.after(bodies._replace(motion=motion), 50).motion
    np.testing.assert_allclose(motion.x, 5.3 + speed**2 / (2 * FRICTION * G), atol=0.1)
    np.testing.assert_allclose(motion.vx, 0, atol=0.01)


def test_surfaces_that_are_not_there_are_none(one):
    """Three edges are near the box; the fourth one does not exist, and can be touched nowhere."""
    polygons = one.mechanism.solid
    x, angle = jnp.full((1, N), 5.3), jnp.zeros((1, N))
    around = candidates(polygons, flat(N, 40), Reach(1.0), x, angle)
    number = around.id.shape[1]
    chosen = nearest(around, jnp.zeros(around.id.shape), Reach(1.0, edges=4), number)
    assert number < 4
    assert np.asarray(chosen.id[0]).T.tolist() == [[6, 5, 4, -1]] * N
    assert (np.asarray(chosen.x1 - chosen.x0) == 1).all()


def test_nan_in_a_world_does_not_reach_the_others(one):
    """They keep their contacts, and do not fall through the ground."""
    bodies = one.placed(1.0)
    lost = bodies.motion._replace(x=bodies.motion.x.at[0, 0].set(jnp.nan))
    motion = one.after(bodies._replace(motion=lost), 60).motion
    expected = one.after(bodies, 60).motion
    for found, there in zip(motion, expected, strict=True):
        np.testing.assert_array_equal(found[:, 1:], there[:, 1:])
    assert np.isnan(motion.x[0, 0])
