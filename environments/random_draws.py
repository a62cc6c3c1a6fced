"""Random choices made from uniform numbers, which are cheaper to draw than to choose with keys."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray


class UniformDraws:
    """Numbers uniform in 0..1, drawn all at once: many small draws take long to compile.

    Args:
        key: decides them.
        count: how many there are to take; more than needed does no harm.
    """

    def __init__(self, key: PRNGKeyArray, count: int):
        self._numbers, self._taken = jax.random.uniform(key, (count,)), 0

    def __call__(self, *shape: int) -> Float[Array, "..."]:
        """The next numbers, in an array of this shape."""
        size = math.prod(shape)
        if self._taken + size > self._numbers.size:
            raise IndexError(f"{self._taken + size} numbers asked for of {self._numbers.size}")
        part = self._numbers[self._taken : self._taken + size]
        self._taken += size
        return part.reshape(shape)


def uniform_index(u: Float[Array, "*s"], n: Int32[Array, "*s"] | int) -> Int32[Array, "*s"]:
    """A uniform whole number below n from a uniform real number below 1."""
    return jnp.minimum((u * n).astype(jnp.int32), n - 1)


def weighted_index(u: Float[Array, "*n"], weights: Float[Array, "*n w"]) -> Int32[Array, "*n"]:
    """An index drawn in proportion to weights, from a uniform number below 1."""
    cumulative = jnp.cumsum(weights, axis=-1)
    index = jnp.sum(u[..., None] * cumulative[..., -1:] >= cumulative, axis=-1)
    return jnp.minimum(index, weights.shape[-1] - 1)
