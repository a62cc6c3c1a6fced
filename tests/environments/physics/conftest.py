"""Jitted engines, which the tests share because they compile for long."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.physics import (
    Body,
    Creepers,
    Engine,
    Mechanism,
    Reach,
    flat,
    hinge,
    iterations,
)
from didact.environments.physics.optional import grips
from didact.environments.physics.shapes import box
from didact.environments.walkers.bodies import GYMNASIUM_BIPED
from didact.environments.walkers.obstacles import BOX_PITCH
from didact.environments.walkers.track import SPACING

N = 32  # worlds


class Walkers:
    """N bipeds; actions are relative torques [4, N]."""

    mechanism = GYMNASIUM_BIPED.mechanism
    engine = Engine(
        GYMNASIUM_BIPED.mechanism, Reach(SPACING, 2, 2, BOX_PITCH), iterations("reference"), 8
    )
    n = N

    @functools.cached_property
    def step(self):
        speed = jnp.asarray(self.mechanism.speed, jnp.float32)[:, None]

        def step(bodies, terrain, actions):
            return self.engine.step(
                bodies, terrain, 80 * jnp.abs(actions), speed * jnp.sign(actions)
            )

        return jax.jit(step)

    def at_rest(self, lift=0.0):
        bodies = self.engine.at_rest(N)
        return bodies._replace(motion=bodies.motion._replace(y=bodies.motion.y + lift))

    def moving(self, states):
        """N bipeds with the motions [N, 5, 6] of Box2D's bodies."""
        columns = (jnp.asarray(states[:, :, i].T, jnp.float32) for i in range(6))
        bodies = self.engine.at_rest(N)
        return bodies._replace(motion=type(bodies.motion)(*columns))


@pytest.fixture(scope="session")
def walkers():
    return Walkers()


class Raft:
    """N flat rafts with a hinge in the middle and a hand: in the sea, or below a ceiling.

    All terrains have the same parts, so that one program serves for all of them.
    """

    n = 8
    points, height = 60, 3.0

    def __init__(self):
        at = (10.0, self.height)
        trunk = Body("trunk", box(1.0, 0.3), 0.5, at)
        grip = (0.0, 1.0)  # so high that nothing else touches the ceiling
        bodies = [trunk, Body("hand", box(1.0, 0.3), 0.5, (at[0] + 1.0, at[1]), grip=grip)]
        joint = hinge(bodies, "hinge", 0, 1, (at[0] + 0.5, at[1]), -0.4, 0.4, 3.0, 20.0)
        self.mechanism = Mechanism(tuple(bodies), (joint,))
        reach = Reach(0.5, 2, ceiling=True, creeper_width=0.5)
        self.engine = Engine(self.mechanism, reach, max_points=8)
        self.step = jax.jit(self.engine.step)

    def _terrain(self, ceiling, water):
        ground = flat(self.n, self.points)
        high = ground.heights + ceiling
        creepers = Creepers(high, high, jnp.full(self.n, 0.5))
        return ground._replace(
            ceiling=high, creepers=creepers, water=jnp.full(self.n, float(water))
        )

    @property
    def sea(self):
        return self._terrain(30.0, self.height - 0.1)

    @property
    def cave(self):
        return self._terrain(self.height + 1.0 + 0.03, -50.0)

    def at_rest(self):
        return self.engine.at_rest(self.n)

    def sensor(self, bodies):
        """The position of the hand's sensor."""
        x, y = grips.sensors(self.mechanism, bodies.motion)
        return x[0], y[0]


@pytest.fixture(scope="session")
def raft():
    return Raft()


@pytest.fixture
def level():
    """Level ground, with boxes far away."""
    from didact.environments.walkers import obstacles

    drawn = jax.vmap(obstacles.none)(jax.random.split(jax.random.key(0), N))
    return jax.device_get(obstacles.build(drawn._replace(noise=jnp.zeros_like(drawn.noise))))


def rng(seed=0):
    return np.random.default_rng(seed)
