"""Gaussian mixtures of several sizes, fitted in one batch by expectation-maximization.

Mixtures share padded batches: mixture m uses `sizes[m]` components, and the others have weight 0.
One program fits all mixtures, the small ones in a batch of their own, which is padded less and
ends earlier, and model selection is an argmin. Inside the loops, rows are in the last axis, which
makes the best use of vector units, and moments are matrix products.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

# By default, accelerators may round factors to ten bits; tight components need full float32.
einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)

ROUNDING = 2.0**-24  # of float32, relative
LOST = 0.01  # the largest rounding error of a variance, relative, before it is computed precisely
FEW = 4  # dimensions up to which products are written out, which fuses them into one loop


class Mixtures(NamedTuple):
    """m mixtures of up to c Gaussians in d dimensions."""

    weights: Float[Array, "m c"]  # sum to 1; 0 for unused components
    means: Float[Array, "m c d"]
    covariances: Float[Array, "m c d d"]


def parameters(sizes: Int[np.ndarray, " m"], d: int) -> np.ndarray:
    """Return the number of free parameters of mixtures with full covariances, for each size."""
    return sizes * (d * (d + 1) // 2 + d) + sizes - 1


def expectation(
    mixtures: Mixtures, rows: Float[Array, "n d"], mask: Bool[Array, " n"]
) -> tuple[Float[Array, " m"], Float[Array, "m c n"]]:
    """Return the mean log-likelihood of the rows, and the responsibilities of the components."""
    d = rows.shape[1]
    whiten = inverse_of_lower(cholesky(mixtures.covariances))
    log_scale = jnp.sum(jnp.log(jnp.diagonal(whiten, axis1=-2, axis2=-1)), axis=-1)
    log_scale += jnp.log(mixtures.weights) - 0.5 * d * np.log(2 * np.pi)
    log_joint = log_scale[..., None] - 0.5 * squared_lengths(whiten, mixtures.means, rows)
    most = jnp.max(log_joint, axis=1, keepdims=True)
    joint = jnp.exp(log_joint - most)
    total = jnp.sum(joint, axis=1, keepdims=True)
    explained = joint * (mask / total)
    log_rows = (most + jnp.log(total))[:, 0]
    mean = jnp.sum(jnp.where(mask, log_rows, 0), axis=-1) / jnp.maximum(jnp.sum(mask), 1)
    return mean, explained


def squared_lengths(
    factors: Float[Array, "m c d d"], means: Float[Array, "m c d"], rows: Float[Array, "n d"]
) -> Float[Array, "m c n"]:
    """Return |F (x - mean)|^2 for each row x, where each factor F is lower triangular."""
    d = rows.shape[1]
    shift = einsum("mcij,mcj->mci", factors, means)
    if d > FEW:
        apart = einsum("mcij,nj->mcin", factors, rows) - shift[..., None]
        return jnp.sum(apart**2, axis=2)
    total = jnp.zeros(())
    for i in range(d):
        apart = -shift[..., i, None]
        for j in range(i + 1):
            apart = apart + factors[..., i, j, None] * rows[:, j]
        total = total + apart**2
    return total


def cholesky(matrices: Float[Array, "*b d d"]) -> Float[Array, "*b d d"]:
    """Return the lower factors L of many small matrices L L^T; NaN if not positive definite.

    Processes one column after another for all matrices at once. The library's routine processes
    one matrix after another, and two calls on two CPU threads can deadlock (jax 0.10).
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
    """Return the inverses of many small lower triangular matrices, by forward substitution."""
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
    """Return the maximum likelihood mixtures, given responsibilities.

    Args:
        explained: the responsibilities, nonnegative; 0 for rows that are masked.
        rows: the data.
        floor: added to the diagonal of every covariance.
    """
    d = rows.shape[1]
    low = np.tril_indices(d)
    products = rows[:, low[0]] * rows[:, low[1]]
    features = jnp.concatenate([jnp.ones((len(rows), 1)), rows, products], axis=1)
    moments = einsum("mcn,nf->mcf", explained, features)
    mass = moments[..., 0]
    moments = moments[..., 1:] / (mass[..., None] + 1e-12)
    means, second = moments[..., :d], moments[..., d:]
    place = np.zeros((d, d), int)
    place[low] = place.T[low] = np.arange(len(low[0]))
    covariances = second[..., place] - means[..., :, None] * means[..., None, :]

    def precise(_):
        apart = rows.T - means[..., None]
        squares = einsum("mcin,mcjn->mcij", apart * explained[:, :, None], apart)
        return squares / (mass[..., None, None] + 1e-12)

    # Components far from the center but tight, such as those of a constant column, lose digits in
    # a difference of squares. Squares of differences do not, but cost several times more.
    variances = jnp.diagonal(covariances, axis1=-2, axis2=-1)
    lost = ROUNDING * means**2 > LOST * (variances + floor)
    covariances = jax.lax.cond(jnp.any(lost), precise, lambda plain: plain, covariances)
    covariances += floor * jnp.eye(d)
    weights = mass / jnp.sum(mass, axis=1, keepdims=True)
    # An empty component has weight 0; any valid covariance will do.
    covariances = jnp.where(mass[..., None, None] > 1e-6, covariances, jnp.eye(d))
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
    """Fit one mixture of each size, initialized by k-means++ and a few iterations of k-means.

    Args:
        key: the key for the initialization.
        rows: the data.
        mask: the rows to use; all others may contain any finite values.
        sizes: the number of components of each mixture; repeat a size for restarts.
        floor: added to the diagonal of every covariance.
        tolerance: a mixture has converged when an iteration changes its mean log-likelihood by
            less.
        iterations: the maximum number of iterations.

    Returns:
        The mixtures, and the mean log-likelihood of the rows under each.
    """
    centre = jnp.sum(rows * mask[:, None], axis=0) / jnp.maximum(jnp.sum(mask), 1)
    rows = jnp.where(mask[:, None], rows - centre, 0)
    centres = first_centres(key, rows, mask, sizes)
    small = sizes <= max(sizes) // 2
    batches = [np.flatnonzero(batch) for batch in (small, ~small) if np.any(batch)]
    fitted = []
    for batch in batches:
        explained = kmeans(centres[batch, : max(sizes[batch])], rows, mask, sizes[batch])
        start = maximisation(explained, rows, floor)
        mixtures, mean = run_em(start, rows, mask, floor, tolerance, iterations)
        fitted.append((padded(mixtures, max(sizes)), mean))
    order = np.argsort(np.concatenate(batches))
    mixtures, mean = jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[order], *fitted)
    return mixtures._replace(means=mixtures.means + centre), mean


def padded(mixtures: Mixtures, c: int) -> Mixtures:
    """Return the mixtures with c components each; further ones have weight 0."""
    m, used, d = mixtures.means.shape
    more = ((0, 0), (0, c - used))
    valid = jnp.broadcast_to(jnp.eye(d), (m, c - used, d, d))
    return Mixtures(
        jnp.pad(mixtures.weights, more),
        jnp.pad(mixtures.means, (*more, (0, 0))),
        jnp.concatenate([mixtures.covariances, valid], axis=1),
    )


def run_em(
    mixtures: Mixtures,
    rows: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    floor: float,
    tolerance: float,
    iterations: int,
) -> tuple[Mixtures, Float[Array, " m"]]:
    """Run expectation-maximization until all mixtures converge; converged ones do not change."""
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
        # The negation also stops mixtures whose likelihood is NaN.
        return step + 1, mixtures, mean, done | ~(jnp.abs(mean - last) >= tolerance)

    def more(carry):
        return (carry[0] < iterations) & ~jnp.all(carry[3])

    start = (0, mixtures, jnp.full(count, -jnp.inf), jnp.zeros(count, bool))
    _, mixtures, _, _ = jax.lax.while_loop(more, step, start)
    return mixtures, expectation(mixtures, rows, mask)[0]


def first_centres(
    key: PRNGKeyArray,
    rows: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    sizes: Int[np.ndarray, " m"],
    trials: int = 3,
) -> Float[Array, "m c d"]:
    """Choose rows far from each other as the first centers of clusters, by k-means++.

    Centers are chosen one after another, so the first k of them initialize k clusters: all sizes
    share a sequence of centers, and mixtures of the same size have one each.

    References:
        Arthur and Vassilvitskii, k-means++: the advantages of careful seeding, 2007.
    """
    sequence = np.array([np.sum(sizes[:i] == size) for i, size in enumerate(sizes)])
    count = int(max(sequence)) + 1

    def seed(nearest, draw):
        """Add a center to each sequence: of several sampled rows, the one that helps most."""
        chance = jnp.cumsum(jnp.where(mask, nearest, 0), axis=-1)[:, None]
        chosen = jnp.sum(chance <= draw[..., None] * chance[..., -1:], axis=-1)
        tried = rows[jnp.minimum(chosen, rows.shape[0] - 1)]
        left = jnp.minimum(nearest[:, None], squared_distances(tried, rows))
        best = jnp.argmin(jnp.sum(left * mask, axis=-1), axis=1)[:, None, None]
        left = jnp.take_along_axis(left, best, axis=1)[:, 0]
        return left, jnp.take_along_axis(tried, best, axis=1)[:, 0]

    # Before the first center, all rows have the same distance, larger than between any two rows.
    far = 1 + 4 * jnp.sum(jnp.max(rows**2, axis=0))
    far = jnp.broadcast_to(far, (count, rows.shape[0]))
    draws = jax.random.uniform(key, (int(max(sizes)), count, trials))
    _, centres = jax.lax.scan(seed, far, draws)
    return centres.swapaxes(0, 1)[sequence]


def squared_distances(
    centres: Float[Array, "*b d"], rows: Float[Array, "n d"]
) -> Float[Array, "*b n"]:
    """Return the squared distance of each row from each center."""
    return jnp.sum((centres[..., None] - rows.T) ** 2, axis=-2)


def kmeans(
    centres: Float[Array, "m c d"],
    rows: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    sizes: Int[np.ndarray, " m"],
    iterations: int = 3,
) -> Float[Array, "m c n"]:
    """Assign rows to clusters (1, else 0) by k-means with sizes[m] clusters."""
    used = jnp.arange(centres.shape[1]) < jnp.asarray(sizes)[:, None]
    features = jnp.concatenate([jnp.ones((len(rows), 1)), rows], axis=1)

    def nearest(centres):
        """Return 1 for the nearest centers of each row, of which there may be several, else 0."""
        distance = jnp.where(used[..., None], squared_distances(centres, rows), jnp.inf)
        near = (distance <= jnp.min(distance, axis=1, keepdims=True)) & mask
        return near.astype(jnp.float32)

    def step(_, centres):
        moments = einsum("mcn,nf->mcf", nearest(centres), features)
        mass = moments[..., :1]
        return jnp.where(mass > 0, moments[..., 1:] / jnp.maximum(mass, 1e-12), centres)

    near = nearest(jax.lax.fori_loop(0, iterations, step, centres))
    return near / jnp.maximum(jnp.sum(near, axis=1, keepdims=True), 1)
