"""What ALP-GMM and Covar-GMM share: fits to the latest episodes, and proposals from them.

Both fit Gaussian mixtures of several sizes to rows whose first d columns are a task, keep the one
with the lowest AIC, and sample tasks from its components in proportion to their progress.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box
from didact.teachers import outcome_values
from didact.teachers.pacing import unit_boxes
from didact.teachers.progress import gaussian_mixtures
from didact.teachers.progress.gaussian_mixtures import Mixtures

NEGLIGIBLE = 1e-6  # means have rounding errors of about 1e-8 even if all progress is 0


def check_settings(
    space: Any,
    *,
    fit_rate: int,
    window: int | None,
    k_min: int,
    k_max: int,
    random_fraction: float,
    history: int | None,
    outcome: str,
    return_range: tuple[float, float],
    restarts: int,
    iterations: int,
    fallback: Box | None,
) -> int:
    """Check the settings that both teachers have, and return the history.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.
    """
    if not isinstance(space, Box):
        allowed = "a Box of named numbers, to which Gaussians can be fitted"
        raise SettingError("space", type(space).__name__, allowed)
    shortest = fit_rate if window is None else window
    history = max(1024, shortest) if history is None else history
    require("k_min", k_min, k_min >= 1, "at least 1")
    require("k_max", k_max, k_max >= k_min, f"at least k_min, {k_min}")
    require("fit_rate", fit_rate, fit_rate > k_min, f"more than k_min, {k_min}")
    require("window", window, shortest > k_min, f"more than k_min, {k_min}")
    require("history", history, history >= shortest, f"at least the window, {shortest}")
    require("random_fraction", random_fraction, 0 <= random_fraction <= 1, "from 0 to 1")
    outcome_values.check(outcome, return_range)
    require("restarts", restarts, restarts >= 1, "at least 1")
    require("iterations", iterations, iterations >= 1, "at least 1")
    if fallback is not None:
        unit_boxes.check_easy(space, fallback, "fallback")
    return history


def refit(
    key: PRNGKeyArray,
    rows: Float[Array, "n c"],
    mask: Bool[Array, " n"],
    sizes: Int[np.ndarray, " m"],
    old: Mixtures,
    iterations: int,
) -> Mixtures:
    """Fit a mixture of each size and select the one with the lowest AIC.

    Args:
        key: the key for the initialization.
        rows: the data.
        mask: the rows to use; all others may contain any finite values.
        sizes: the number of components of each mixture.
        old: the mixture to keep if no fit is finite, without the leading axis.
        iterations: the maximum number of iterations of a fit.

    Returns:
        The selected mixture, without the leading axis.
    """
    mixtures, mean = gaussian_mixtures.fit(key, rows, mask, sizes, iterations=iterations)
    total = jnp.sum(mask)
    aic = 2 * gaussian_mixtures.parameters(sizes, rows.shape[1]) - 2 * total * mean
    aic = jnp.where((sizes <= total) & jnp.isfinite(aic), aic, jnp.inf)
    best = jnp.argmin(aic)
    return jax.tree.map(
        lambda new, kept: jnp.where(jnp.isfinite(aic[best]), new[best], kept), mixtures, old
    )


def chances(weights: Float[Array, " K"], progress: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return the probability of each component: its share of progress, or 0 if there is none."""
    progress = jnp.where(weights > 0, jnp.maximum(progress, 0), 0)
    total = jnp.sum(progress)
    return jnp.where(total > NEGLIGIBLE, progress / jnp.maximum(total, NEGLIGIBLE), 0)


def propose(
    space: Box,
    key: PRNGKeyArray,
    n: int,
    mixture: Mixtures,
    chances: Float[Array, " K"],
    random_fraction: float,
    fallback: Box | None,
) -> Float[Array, "n d"]:
    """Sample tasks from the components of a mixture.

    Args:
        space: the task space, with d dimensions.
        key: the key of all draws.
        n: the number of tasks.
        mixture: the mixture in the unit cube, without the leading axis. The first d columns are
            the task; the others are ignored.
        chances: the probability of each component; all 0 to sample without the mixture.
        random_fraction: the probability of a uniform task.
        fallback: where all other tasks are sampled if all chances are 0; the whole space if None.
    """
    d, k = space.size, mixture.weights.shape[0]
    uniform_key, choice_key, normal_key = jax.random.split(key, 3)
    else_key = jax.random.fold_in(key, 3)  # 0 to 2 are the keys of the split
    anywhere = space.sample(uniform_key, n)
    which, component = jax.random.uniform(choice_key, (2, n))
    cumulative = jnp.cumsum(chances)
    component = jnp.sum(component[:, None] * cumulative[-1] >= cumulative, axis=1)
    component = jnp.minimum(component, k - 1)
    # The leading block of a covariance is that of the distribution of tasks alone.
    covariances = mixture.covariances[:, :d, :d]
    covariances = jnp.where(mixture.weights[:, None, None] > 0, covariances, jnp.eye(d))
    factors = gaussian_mixtures.cholesky(covariances)
    noise = jax.random.normal(normal_key, (n, d))
    # Compute mean + factor @ noise for all components and then select one: gathering a factor
    # for each row takes several times longer.
    maps = factors.swapaxes(1, 2).swapaxes(0, 1).reshape(d, -1)
    points = jnp.dot(noise, maps, precision="highest").reshape(n, k, d)
    points = jnp.take_along_axis(points + mixture.means[:, :d], component[:, None, None], axis=1)
    informed = jnp.any(chances > 0)
    tasks = space.denormalise(points[:, 0])
    elsewhere = anywhere if fallback is None else fallback.sample(else_key, n)
    tasks = jnp.where(informed, tasks, elsewhere)
    return jnp.where((which < random_fraction)[:, None], anywhere, tasks)


def picture(space: Box, mixture: Mixtures, progress: Float[Array, " K"]) -> dict[str, Array]:
    """Return a mixture in task units, see `Teacher.picture`."""
    d, used = space.size, mixture.weights > 0
    scale = space.high - space.low
    covariances = mixture.covariances[:, :d, :d] * np.outer(scale, scale)
    return {
        "weights": mixture.weights,
        "means": jnp.where(used[:, None], space.low + mixture.means[:, :d] * scale, 0),
        "covariances": jnp.where(used[:, None, None], covariances, 0),
        "progress": jnp.where(used, progress, 0),
    }
