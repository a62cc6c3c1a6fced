"""A jitted engine of gymnasium's biped, which the tests share because it compiles for long."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.physics import Engine, Reach, iterations
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


@pytest.fixture
def level():
    """Level ground, with boxes far away."""
    from didact.environments.walkers import obstacles

    drawn = jax.vmap(obstacles.none)(jax.random.split(jax.random.key(0), N))
    return jax.device_get(obstacles.build(drawn._replace(noise=jnp.zeros_like(drawn.noise))))


def rng(seed=0):
    return np.random.default_rng(seed)
