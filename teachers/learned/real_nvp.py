"""A conditional RealNVP over the unit cube: samples with exact densities.

Noise z passes through affine couplings and a sigmoid. A coupling multiplies some of the numbers by
a scale and adds a shift, both computed by a small network from the other numbers and the condition,
so its inverse and the determinant of its Jacobian are simple. The couplings are scanned, not
unrolled, which keeps compile times short.

References:
    Dinh, Sohl-Dickstein and Bengio, Density estimation using real NVP, ICLR 2017, equations 7 to 9;
    Racaniere et al., Automated curricula through setter-solver interactions, ICLR 2020.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

LEAST_SCALE = 0.01  # a smaller scale would make inverses large
EDGE = 1e-4  # points closer to a bound of the cube are moved to this distance


class Couplings(NamedTuple):
    """The networks of c couplings: two hidden layers of w units, and 2 d outputs."""

    first: Float[Array, "c d+1 w"]
    first_bias: Float[Array, "c w"]
    second: Float[Array, "c w w"]
    second_bias: Float[Array, "c w"]
    last: Float[Array, "c w 2d"]
    last_bias: Float[Array, "c 2d"]


class RealNvp(NamedTuple):
    """A flow of `blocks` blocks of couplings with networks of some width.

    Each block changes the right half of the d numbers, the left half, and the even ones. Couplings
    that would change nothing (as in one dimension) are omitted.
    """

    d: int
    width: int
    blocks: int = 3

    @property
    def masks(self) -> Bool[np.ndarray, "c d"]:
        """Which numbers each coupling changes."""
        numbers = np.arange(self.d)
        block = [numbers >= self.d // 2, numbers < self.d // 2, numbers % 2 == 0]
        return np.array([mask for mask in block * self.blocks if mask.any()])

    def init(self, key: PRNGKeyArray) -> Couplings:
        """Return the initial networks: all scales are 1 and all shifts are 0."""
        c, d, w = len(self.masks), self.d, self.width
        keys = jax.random.split(key)
        weights = jax.nn.initializers.lecun_normal(batch_axis=0)
        return Couplings(
            weights(keys[0], (c, d + 1, w)),
            jnp.zeros((c, w)),
            weights(keys[1], (c, w, w)),
            jnp.zeros((c, w)),
            jnp.zeros((c, w, 2 * d)),
            jnp.zeros((c, 2 * d)),
        )

    def sample(
        self, couplings: Couplings, noise: Float[Array, "n d"], condition: Float[Array, " n"]
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """Return points of the unit cube for noise, and their log-densities."""
        points, slope = self.transform(couplings, noise, condition)
        return points, _log_normal(noise) - slope

    def log_density(
        self, couplings: Couplings, points: Float[Array, "n d"], condition: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """Return the log-densities of points."""
        noise, slope = self.inverse(couplings, points, condition)
        return _log_normal(noise) - slope

    def transform(
        self, couplings: Couplings, noise: Float[Array, "n d"], condition: Float[Array, " n"]
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """Return points for noise, and the log-determinants of the Jacobian."""

        def forward(x, part):
            change, coupling = part
            scale, shift = _scale_and_shift(coupling, jnp.where(change, 0, x), condition)
            slope = jnp.sum(jnp.where(change, jnp.log(scale), 0), axis=1)
            return jnp.where(change, x * scale + shift, x), slope

        x, slopes = jax.lax.scan(forward, noise, (jnp.asarray(self.masks), couplings))
        return jax.nn.sigmoid(x), jnp.sum(slopes, axis=0) + _log_slope(x)

    def inverse(
        self, couplings: Couplings, points: Float[Array, "n d"], condition: Float[Array, " n"]
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """Return the noise of points, and the log-determinants of the Jacobian of `transform`."""

        def backward(x, part):
            change, coupling = part
            scale, shift = _scale_and_shift(coupling, jnp.where(change, 0, x), condition)
            slope = jnp.sum(jnp.where(change, jnp.log(scale), 0), axis=1)
            return jnp.where(change, (x - shift) / scale, x), slope

        inside = jnp.clip(points, EDGE, 1 - EDGE)
        x = jnp.log(inside) - jnp.log1p(-inside)
        parts = jnp.asarray(self.masks), couplings
        noise, slopes = jax.lax.scan(backward, x, parts, reverse=True)
        return noise, jnp.sum(slopes, axis=0) + _log_slope(x)


def _scale_and_shift(
    coupling: Couplings, fixed: Float[Array, "n d"], condition: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
    """Return scales and shifts, given the numbers that stay; the others must be 0."""
    x = jnp.concatenate([fixed, condition[:, None]], axis=1)
    x = jnp.tanh(x @ coupling.first + coupling.first_bias)
    x = jnp.tanh(x @ coupling.second + coupling.second_bias)
    x = x @ coupling.last + coupling.last_bias
    d = fixed.shape[1]
    scale = LEAST_SCALE + jax.nn.softplus(x[:, :d] + np.log(np.expm1(1 - LEAST_SCALE)))
    return scale, x[:, d:]


def _log_slope(x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Return the log-determinant of the sigmoid."""
    return jnp.sum(jax.nn.log_sigmoid(x) + jax.nn.log_sigmoid(-x), axis=1)


def _log_normal(noise: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Return the log-density of standard normal noise."""
    return -0.5 * jnp.sum(noise**2 + np.log(2 * np.pi), axis=1)
