"""The terrain of Parkour: a fixed network draws ground and ceiling from three numbers.

References:
    Romac et al., 2021, "TeachMyAgent", appendix on Parkour. Stanley, 2007, "Compositional pattern
    producing networks". The weights are those of TeachMyAgent, see NOTICE.txt.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.physics import Creepers, Terrain
from didact.environments.walkers.parkour.tasks import FOLDER
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

DRAWN = 200  # points that the network draws, after those of level ground
LENGTH = STARTPAD + DRAWN
END = (LENGTH - 5) * SPACING  # m: the far end
LIMIT, OFFSET = 1000.0, 200.0  # divided by the scale: the bottom of the water; the ceiling, in m
DEVIATION, MIN_SIZE = 0.1, 0.2  # m, of the lengths of creepers; and their least size
MIN_LEVEL, MIN_SPACING = 0.01, 0.01


@functools.cache
def weights() -> tuple[np.ndarray, ...]:
    """Return the weights of the five layers."""
    with np.load(FOLDER / "terrain_network.npz", allow_pickle=False) as stored:
        return tuple(stored[f"layer{i}"] for i in range(1, 6))


def profile(shape: Float[Array, "n 3"]) -> Float[Array, "n 200 2"]:
    """Return heights of ground and ceiling, before they are scaled and aligned."""
    first, *middle, last = (jnp.asarray(w) for w in weights())
    at = jnp.linspace(0.0, 1.0, DRAWN)
    multiply = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    x = jnp.tanh(at[:, None] * first[0] + multiply(shape, first[1:])[:, None])
    for number, layer in enumerate(middle):
        x = multiply(x, layer)
        x = jnp.tanh(x) if number % 2 else jax.nn.softplus(x)
    return multiply(x, last)


def build(keys: PRNGKeyArray, tasks: Float[Array, "n 8"]) -> Terrain:
    """Return the terrain of n tasks with all parameters."""
    shape, level, width, height, spacing, scale = (
        tasks[:, :3],
        *(tasks[:, i : i + 1] for i in range(3, 8)),
    )
    drawn = profile(shape) / scale[:, :, None]
    ground, ceiling = drawn[..., 0] - drawn[:, :1, 0], drawn[..., 1] - drawn[:, :1, 1]
    level_part = ((0, 0), (STARTPAD, 0))
    ground = GROUND + jnp.pad(ground, level_part)
    ceiling = GROUND + OFFSET / scale + jnp.pad(ceiling, level_part)
    ceiling = jnp.maximum(ceiling, ground)
    bottom = -LIMIT / scale[:, 0]
    share = jnp.maximum(level[:, 0], MIN_LEVEL)
    water = bottom + share * (jnp.max(ceiling, axis=1) - bottom)
    n = tasks.shape[0]
    return Terrain(
        ground,
        jnp.zeros((n, 0, 4)),
        jnp.zeros((n, LENGTH), jnp.int32),
        ceiling,
        _creepers(keys, ceiling, width, height, spacing),
        water,
    )


def _creepers(
    keys: PRNGKeyArray,
    ceiling: Float[Array, "n t"],
    width: Float[Array, "n 1"],
    height: Float[Array, "n 1"],
    spacing: Float[Array, "n 1"],
) -> Creepers:
    """Return creepers that hang from the ceiling at equal distances."""
    draws = jax.vmap(lambda key: jax.random.normal(key, (LENGTH,)))(keys)
    length = jnp.maximum(height + DEVIATION * draws, MIN_SIZE)
    every = jnp.ceil(jnp.maximum(spacing, MIN_SPACING) / SPACING - 1e-4).astype(jnp.int32) + 1
    point = jnp.arange(LENGTH)
    exists = (point % every == 0) & (point < LENGTH - 1)
    following = jnp.concatenate([ceiling[:, 1:], ceiling[:, -1:]], axis=1)
    high = jnp.maximum(ceiling, following)
    low = jnp.where(exists, high - length, high)
    return Creepers(low, high, jnp.maximum(width[:, 0], MIN_SIZE))
