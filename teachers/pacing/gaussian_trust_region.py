"""Updates of a Gaussian that maximize an objective within a bounded KL divergence.

An update is described relative to the old Gaussian N(m, L L^T), as mean m + L a and Cholesky factor
L B, with B lower triangular. In these coordinates, the divergence from the old to the new Gaussian
depends on (a, B) only, and near the old Gaussian it is half the squared length of the vector

    theta = (a, sqrt(2) log diag(B), entries of B below its diagonal).

So the gradient with respect to theta is the natural gradient, and scaling theta towards 0 is close
to a projection on the set of permitted updates.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.teachers.progress.gaussian_mixtures import einsum, inverse_of_lower

STEPS = 12  # step sizes that each iteration tries: the radius times 1, 1/2, 1/4, ...
HALVINGS = 20  # of the interval in which the scale of theta is searched
MARGIN = 1e-3  # the part of the bound that is left for rounding errors
NARROWEST = 1e-3  # standard deviations below this could not be represented accurately


class Gaussian(NamedTuple):
    """A Gaussian in d dimensions."""

    mean: Float[Array, " d"]
    factor: Float[Array, "d d"]  # the lower Cholesky factor of the covariance


def divergence(p: Gaussian, q: Gaussian) -> Float[Array, ""]:
    """Return KL(p || q)."""
    d = p.mean.shape[0]
    whiten = inverse_of_lower(q.factor)
    shift = einsum("ij,j->i", whiten, p.mean - q.mean)
    ratio = einsum("ij,jk->ik", whiten, p.factor)
    size = jnp.sum(ratio**2) + jnp.sum(shift**2) - d
    return 0.5 * size - jnp.sum(jnp.log(jnp.diagonal(ratio)))


def log_density(gaussian: Gaussian, points: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Return the log-density of n points."""
    d = points.shape[1]
    whiten = inverse_of_lower(gaussian.factor)
    white = einsum("ij,nj->ni", whiten, points - gaussian.mean)
    scale = jnp.sum(jnp.log(jnp.diagonal(whiten))) - 0.5 * d * np.log(2 * np.pi)
    return scale - 0.5 * jnp.sum(white**2, axis=1)


def moved(old: Gaussian, theta: Float[Array, " k"]) -> Gaussian:
    """Return the Gaussian at theta relative to an old one."""
    d = old.mean.shape[0]
    below = np.tril_indices(d, -1)
    relative = jnp.diag(jnp.exp(theta[d : 2 * d] / np.sqrt(2))).at[below].set(theta[2 * d :])
    return Gaussian(
        old.mean + einsum("ij,j->i", old.factor, theta[:d]),
        einsum("ij,jk->ik", old.factor, relative),
    )


def maximized(
    objective: Callable[[Gaussian], Float[Array, ""]],
    old: Gaussian,
    max_kl: float,
    *,
    min_std: Float[Array, ""] | float = 0.0,
    iterations: int = 20,
) -> Gaussian:
    """Return the Gaussian with the largest objective such that KL(old || new) <= `max_kl`.

    Projected natural gradient ascent. Each iteration tries several step sizes, scales each result
    into the trust region by bisection, and keeps the best if it is better than the current one.
    The divergence of the result is computed from its rounded numbers, so the bound holds for the
    Gaussian that is returned, whatever the objective.

    Args:
        objective: a differentiable function of the Gaussian.
        old: the old Gaussian.
        max_kl: the bound.
        min_std: diagonal entries of the Cholesky factor do not decrease below this number, or
            below `NARROWEST`.
        iterations: the maximum number of gradient steps.

    Returns:
        The new Gaussian. It is the old one if the gradient is 0 or not finite.

    References:
        Klink, D'Eramo, Peters and Pajarinen, Self-paced deep reinforcement learning, NeurIPS 2020,
        equation 7, which their code solves by a single step of conjugate gradients.
    """
    d = old.mean.shape[0]
    size = 2 * d + d * (d - 1) // 2
    bound = (1 - MARGIN) * max_kl
    sizes = np.sqrt(2 * max_kl) * 0.5 ** np.arange(STEPS)
    lowest = jnp.log(jnp.maximum(min_std, NARROWEST) / jnp.diagonal(old.factor)) * np.sqrt(2)
    lowest = jnp.minimum(lowest, 0)

    def inside(theta):
        """Scale theta such that the divergence is within the bound."""
        theta = theta.at[d : 2 * d].set(jnp.maximum(theta[d : 2 * d], lowest))

        def permitted(scale):
            # False for NaN.
            return divergence(old, moved(old, scale * theta)) <= bound

        def halve(_, ends):
            low, high = ends
            middle = (low + high) / 2
            fits = permitted(middle)
            return jnp.where(fits, middle, low), jnp.where(fits, high, middle)

        low, _ = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.float32(0), jnp.float32(1)))
        return jnp.where(permitted(1.0), 1.0, low) * theta

    def value(theta):
        return objective(moved(old, theta))

    def ascend(carry):
        theta, best, number, _ = carry
        gradient = jax.grad(value)(theta)
        length = jnp.sqrt(jnp.sum(gradient**2))
        usable = jnp.isfinite(length) & (length > 0)
        direction = jnp.where(usable, gradient / jnp.where(usable, length, 1), 0)
        tried = jax.vmap(lambda step: inside(theta + step * direction))(jnp.asarray(sizes))
        values = jax.vmap(value)(tried)
        values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
        first = jnp.argmax(values)
        better = usable & (values[first] > best)
        theta = jnp.where(better, tried[first], theta)
        return theta, jnp.where(better, values[first], best), number + 1, better

    start = jnp.zeros(size)
    theta, *_ = jax.lax.while_loop(
        lambda carry: carry[3] & (carry[2] < iterations),
        ascend,
        (start, value(start), jnp.int32(0), jnp.bool_(True)),
    )
    return moved(old, theta)
