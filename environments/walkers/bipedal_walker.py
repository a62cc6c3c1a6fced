"""BipedalWalker: gymnasium's BipedalWalker-v3, compiled."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.counterpart import Counterpart
from didact.environments.physics import Engine, Reach, Terrain, iterations as iterations_of
from didact.environments.registry import register
from didact.environments.task_spaces import Box, Dimension
from didact.environments.walkers.bodies import GYMNASIUM_BIPED
from didact.environments.walkers.env import WalkerEnvironment
from didact.environments.walkers.plan import UNIT
from didact.environments.walkers.track import GROUND, LENGTH, SPACING, STARTPAD

NOISE = UNIT  # m: the largest random change of the slope from point to point


def rough_ground(keys: PRNGKeyArray, roughness: Float[Array, " n"]) -> Float[Array, "n t"]:
    """Return the heights of gymnasium's slightly uneven ground.

    The slope follows a damped random walk. Once in 5 to 9 points, the height stays as it was.

    Args:
        keys: one key for each of n worlds.
        roughness: the amplitude of the noise, 1 as in gymnasium.
    """

    def draws(key):
        noise_key, level_key = jax.random.split(key)
        noise = jax.random.uniform(noise_key, (LENGTH,), minval=-NOISE, maxval=NOISE)
        return noise, jax.random.randint(level_key, (LENGTH,), 5, 10)

    noise, periods = jax.vmap(draws)(keys)
    noise = jnp.where(jnp.arange(LENGTH) > STARTPAD, noise, 0) * roughness[:, None]

    def extend(carry, drawn):
        height, slope, counter, level = carry
        noise, period = drawn
        next_slope = 0.8 * slope + 0.01 * jnp.sign(GROUND - height) + noise
        slope = jnp.where(level, slope, next_slope)
        height = jnp.where(level, height, height + slope)
        counter = counter - 1
        level = counter == 0
        return (height, slope, jnp.where(level, period, counter), level), height

    n = keys.shape[0]
    first = (noise[:, 0] * 0 + GROUND, noise[:, 0] * 0, periods[:, 0] * 0 + STARTPAD)
    _, heights = jax.lax.scan(extend, (*first, first[2] < 0), (noise.T, periods.T), unroll=4)
    return heights.T.reshape(n, LENGTH)


class BipedalWalker(WalkerEnvironment):
    """A biped on slightly uneven ground, by the rules of gymnasium's BipedalWalker-v3.

    An episode takes at most 1600 steps of 20 ms. It is a success if the walker reaches the far end;
    gymnasium calls the task solved at a mean return of 300.

    Args:
        iterations: "training", or "reference" for the accuracy that is compared with Box2D.
    """

    max_steps = 1600
    task_space = Box(
        (
            Dimension(
                "roughness", 1, 1, description="unevenness of the ground, 1 as in BipedalWalker-v3"
            ),
        )
    )
    official = Counterpart("BipedalWalker-v3", task="gymnasium", extra="box2d")

    def __init__(self, iterations: Literal["training", "reference"] = "training"):
        self.name = "BipedalWalker"
        walker = GYMNASIUM_BIPED
        engine = Engine(walker.mechanism, Reach(SPACING), iterations_of(iterations))
        super().__init__(walker, engine)

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Named tasks: "gymnasium" is BipedalWalker-v3."""
        return {"gymnasium": np.ones(1, np.float32)}

    def generate(self, keys, tasks):
        heights = rough_ground(keys, tasks[:, 0])
        n = tasks.shape[0]
        return Terrain(heights, jnp.zeros((n, 0, 4)), jnp.zeros((n, LENGTH), jnp.int32))

    def describe(self, task):
        return "walk to the flag at the far end"


register("BipedalWalker", BipedalWalker, "gymnasium's BipedalWalker-v3: a biped on uneven ground")
