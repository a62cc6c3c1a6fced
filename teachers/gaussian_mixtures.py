"""Gaussian mixtures of several sizes, fitted at once by expectation-maximisation.

All sizes live in one padded batch: mixture m has `sizes[m]` components in use and the others
have weight 0. One program fits them all, however many there are, and choosing between them is
an argmin. Rows stand in the last axis inside the loops, where they fill the vector units.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

# Accelerators would round the factors to ten bits; tight components need all of float32.
einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


class Mixtures(NamedTuple):
    """m mixtures of up to c Gaussians in d dimensions."""

    weights: Float[Array, "m c"]  # sum to 1; 0 where a component is not in use
    means: Float[Array, "m c d"]
    covariances: Float[Array, "m c d d"]


def parameters(sizes: Int[np.ndarray, " m"], d: int) -> np.ndarray:
    """The number of free parameters of a mixture of each size, full covariances."""
    return sizes * (d * (d + 1) // 2 + d) + sizes - 1


def expectation(
    mixtures: Mixtures, rows: Float[Array, "n d"], mask: Bool[Array, " n"]
) -> tuple[Float[Array, " m"], Float[Array, "m c n"]]:
    """The mean log-likelihood of the rows, and what part of each row each component explains."""
    d = rows.shape[1]
    whiten = inverse_of_lower(cholesky(mixtures.covariances))
    white = einsum("mcij,nj->mcin", whiten, rows)
    white -= einsum("mcij,mcj->mci", whiten, mixtures.means)[..., None]
    log_scale = jnp.sum(jnp.log(jnp.diagonal(whiten, axis1=-2, axis2=-1)), axis=-1)
    log_scale += jnp.log(mixtures.weights) - 0.5 * d * np.log(2 * np.pi)
    log_joint = log_scale[..., None] - 0.5 * jnp.sum(white**2, axis=2)
    most = jnp.max(log_joint, axis=1, keepdims=True)
    joint = jnp.exp(log_joint - most)
    total = jnp.sum(joint, axis=1, keepdims=True)
    explained = joint * (mask / total)
    log_rows = (most + jnp.log(total))[:, 0]
    mean = jnp.sum(jnp.where(mask, log_rows, 0), axis=-1) / jnp.maximum(jnp.sum(mask), 1)
    return mean, explained


def cholesky(matrices: Float[Array, "*b d d"]) -> Float[Array, "*b d d"]:
    """The lower factors L of many small matrices L L^T; NaN where one is not positive definite.

    One row after another for all matrices at once. The library's routine takes the matrices one
    by one, and on two CPU threads two calls of it can wait for each other for ever (jax 0.10).
    """
    d = matrices.shape[-1]
    columns: list[Array] = []
    for j in range(d):
        column = matrices[..., :, j]
        for done in columns:
            column = column - done * done[..., j : j + 1]
        column = column / jnp.sqrt(column[..., j : j + 1])
        columns.append(jnp.where(np.arange(d) >= j, column, 0))
    return jnp.stack(columns, axis=-1)


def inverse_of_lower(factors: Float[Array, "*b d d"]) -> Float[Array, "*b d d"]:
    """The inverses of many small lower triangular matrices, by forward substitution."""
    d = factors.shape[-1]
    rows: list[Array] = []
    for i in range(d):
        row = jnp.zeros_like(factors[..., 0, :]).at[..., i].set(1)
        for j, done in enumerate(rows):
            row = row - factors[..., i, j, None] * done
        rows.append(row / factors[..., i, i, None])
    return jnp.stack(rows, axis=-2)


def maximisation(
    explained: Float[Array, "m c n"], rows: Float[Array, "n d"], floor: float
) -> Mixtures:
    """The mixtures of greatest likelihood, given which component explains what.

    Args:
        explained: not negative; rows that do not count are 0 everywhere.
        rows: the data.
        floor: added to the diagonal of every covariance.
    """
    mass = jnp.sum(explained, axis=-1)
    means = einsum("mcn,nd->mcd", explained, rows) / (mass[..., None] + 1e-12)
    # Squares of differences, not differences of squares: with a floor of 1e-6 those would lose
    # tight components to the rounding of float32.
    apart = rows.T - means[..., None]
    squares = einsum("mcin,mcjn->mcij", apart * explained[:, :, None], apart)
    covariances = squares / (mass[..., None, None] + 1e-12) + floor * jnp.eye(rows.shape[1])
    weights = mass / jnp.sum(mass, axis=1, keepdims=True)
    # A component that explains nothing is a point that nothing will be drawn from.
    covariances = jnp.where(mass[..., None, None] > 1e-6, covariances, jnp.eye(rows.shape[1]))
    return Mixtures(weights, means, covariances)


def fit(
    key: PRNGKeyArray,
    rows: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    sizes: Int[np.ndarray, " m"],
    *,
    floor: float = 1e-6,
    tolerance: float = 1e-3,
    iterations: int = 100,
) -> tuple[Mixtures, Float[Array, " m"]]:
    """Fits one mixture of each size, from k-means++ seeds and a few steps of k-means.

    Args:
        key: for the seeds.
        rows: the data.
        mask: which rows count; the others may hold anything finite.
        sizes: how many components each mixture has; a size may occur more than once, which is
            a restart.
        floor: added to the diagonal of every covariance.
        tolerance: a mixture is done when an iteration changes its mean log-likelihood by less.
        iterations: no mixture takes more than this.

    Returns:
        The mixtures, and the mean log-likelihood of the rows under each.
    """
    centre = jnp.sum(rows * mask[:, None], axis=0) / jnp.maximum(jnp.sum(mask), 1)
    rows = jnp.where(mask[:, None], rows - centre, 0)
    explained = kmeans(key, rows, mask, sizes)
    mixtures, mean = run_em(
        maximisation(explained, rows, floor), rows, mask, floor, tolerance, iterations
    )
    return mixtures._replace(means=mixtures.means + centre), mean


def run_em(
    mixtures: Mixtures,
    rows: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    floor: float,
    tolerance: float,
    iterations: int,
) -> tuple[Mixtures, Float[Array, " m"]]:
    """Expectation-maximisation until every mixture is done; one that is done stays as it is."""
    count = mixtures.weights.shape[0]

    def step(carry):
        step, mixtures, last, done = carry
        mean, explained = expectation(mixtures, rows, mask)
        better = maximisation(explained, rows, floor)
        mixtures = jax.tree.map(
            lambda old, new: jnp.where(jnp.reshape(done, (-1,) + (1,) * (new.ndim - 1)), old, new),
            mixtures,
            better,
        )
        # Not `change < tolerance`: a mixture whose likelihood is NaN is done as well.
        return step + 1, mixtures, mean, done | ~(jnp.abs(mean - last) >= tolerance)

    def more(carry):
        return (carry[0] < iterations) & ~jnp.all(carry[3])

    start = (0, mixtures, jnp.full(count, -jnp.inf), jnp.zeros(count, bool))
    _, mixtures, _, _ = jax.lax.while_loop(more, step, start)
    return mixtures, expectation(mixtures, rows, mask)[0]


def kmeans(
    key: PRNGKeyArray,
    rows: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    sizes: Int[np.ndarray, " m"],
    iterations: int = 5,
    trials: int = 3,
) -> Float[Array, "m c n"]:
    """Which cluster each row belongs to (1, else 0): k-means++ seeds, then k-means.

    References:
        Arthur and Vassilvitskii, k-means++: the advantages of careful seeding, 2007.
    """
    m, c = len(sizes), int(max(sizes))
    columns = rows.T

    def squared(centres):  # [..., d] -> [..., n]
        return jnp.sum((centres[..., None] - columns) ** 2, axis=-2)

    def seed(nearest, draw):
        """One more centre for each mixture: of some rows drawn, the one that helps most."""
        chance = jnp.cumsum(jnp.where(mask, nearest, 0), axis=-1)[:, None]
        chosen = jnp.sum(chance <= draw[..., None] * chance[..., -1:], axis=-1)
        tried = rows[jnp.minimum(chosen, rows.shape[0] - 1)]
        left = jnp.minimum(nearest[:, None], squared(tried))
        best = jnp.argmin(jnp.sum(left * mask, axis=-1), axis=1)[:, None, None]
        left = jnp.take_along_axis(left, best, axis=1)[:, 0]
        return left, jnp.take_along_axis(tried, best, axis=1)[:, 0]

    # Before the first centre all rows are equally far away: farther than any two of them.
    far = 1 + 4 * jnp.sum(jnp.max(rows**2, axis=0))
    far = jnp.broadcast_to(far, (m, rows.shape[0]))
    draws = jax.random.uniform(key, (c, m, trials))
    _, centres = jax.lax.scan(seed, far, draws)
    centres = centres.swapaxes(0, 1)
    used = jnp.arange(c) < jnp.asarray(sizes)[:, None]

    def assign(centres):
        distance = jnp.where(used[..., None], squared(centres), jnp.inf)
        near = (distance <= jnp.min(distance, axis=1, keepdims=True)) & mask
        return near / jnp.maximum(jnp.sum(near, axis=1, keepdims=True), 1)

    def step(_, centres):
        near = assign(centres)
        mass = jnp.sum(near, axis=-1, keepdims=True)
        moved = einsum("mcn,nd->mcd", near, rows) / jnp.maximum(mass, 1e-12)
        return jnp.where(mass > 0, moved, centres)

    return assign(jax.lax.fori_loop(0, iterations, step, centres))
