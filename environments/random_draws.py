"""Random choices from precomputed uniform numbers, which are cheaper than one key per choice."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray


class UniformDraws:
    """Uniform numbers in 0..1, all drawn at once because many small draws compile slowly.

    Args:
        key: the random key.
        count: the number of draws; must be at least the number that is used.
    """

    def __init__(self, key: PRNGKeyArray, count: int):
        self._numbers, self._taken = jax.random.uniform(key, (count,)), 0

    def __call__(self, *shape: int) -> Float[Array, "..."]:
        """Return the next numbers, as an array of this shape."""
        size = math.prod(shape)
        if self._taken + size > self._numbers.size:
            raise IndexError(f"{self._taken + size} draws requested of {self._numbers.size}")
        part = self._numbers[self._taken : self._taken + size]
        self._taken += size
        return part.reshape(shape)


def uniform_index(u: Float[Array, "*s"], n: Int32[Array, "*s"] | int) -> Int32[Array, "*s"]:
    """Convert a uniform number in [0, 1) to a uniform integer below n."""
    return jnp.minimum((u * n).astype(jnp.int32), n - 1)


def weighted_index(u: Float[Array, "*n"], weights: Float[Array, "*n w"]) -> Int32[Array, "*n"]:
    """Convert a uniform number in [0, 1) to an index, drawn in proportion to weights."""
    cumulative = jnp.cumsum(weights, axis=-1)
    index = jnp.sum(u[..., None] * cumulative[..., -1:] >= cumulative, axis=-1)
    return jnp.minimum(index, weights.shape[-1] - 1)
