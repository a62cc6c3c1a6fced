"""ALP-GMM: Gaussian mixtures over tasks and absolute learning progress."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box
from didact.teachers import gaussian_mixtures, ring_buffer
from didact.teachers.base import Teacher


class AlpGmmState(NamedTuple):
    """d dimensions, K = k_max components; a ring buffer with episode i in row i mod h."""

    tasks: Float[Array, "h d"]  # in the unit cube; inf in unused rows
    outcomes: Float[Array, " h"]  # returns (scaled) or successes
    progress: Float[Array, " h"]  # the absolute learning progress of each episode
    count: Int[Array, ""]  # episodes so far
    fitted: Int[Array, ""]  # episodes at the latest fit; 0 before the first
    weights: Float[Array, " K"]  # of the mixture over (task, progress); 0 for unused components
    means: Float[Array, "K d+1"]  # progress is the last column
    covariances: Float[Array, "K d+1 d+1"]
    key: PRNGKeyArray  # for the initialization of fits


def alp_gmm(
    space: Box,
    *,
    fit_rate: int = 250,
    window: int | None = None,
    k_min: int = 2,
    k_max: int = 10,
    random_fraction: float = 0.2,
    history: int | None = None,
    outcome: str = "return",
    return_range: tuple[float, float] = (0.0, 1.0),
    restarts: int = 1,
    iterations: int = 15,
) -> Teacher:
    """A Gaussian mixture over tasks and learning progress, sampled where progress is high.

    The absolute learning progress of an episode is |r - r'|, where r' is the outcome of the nearest
    earlier task. Every `fit_rate` episodes, mixtures of k_min to k_max components are fitted to the
    latest rows (task, progress), and the one with the lowest AIC is kept. A task is uniform with
    probability `random_fraction` (always before the first fit). Otherwise a component is drawn in
    proportion to its mean progress, and a task is drawn from that component.

    With one episode per call of `observe`, this is the algorithm of the paper. With many episodes
    per call, as from parallel environments, progress is measured against the episodes of earlier
    calls, and a call fits at most once, on the latest `window` rows.

    The default history is shorter than in the paper, which keeps all episodes. Relative to old
    episodes, tasks that were mastered since then show progress indefinitely. On the toy grid, the
    short history masters 1.5 times as many cells (`python -m
    didact.benchmarks.curricula.toy_teachers --defaults`), and it matters more with noisier
    outcomes.

    Args:
        space: the task space.
        fit_rate: the number of episodes between fits.
        window: the number of latest rows used in a fit. The default is `fit_rate`; if one call of
            `observe` has more rows, it is the number of these rows, up to 500, because single
            successes and failures are noisy.
        k_min, k_max: the minimum and maximum number of components of a mixture.
        random_fraction: the probability of a uniform task.
        history: the number of latest episodes that are searched for the nearest task. The default
            is 1024, or the window if that is larger.
        outcome: "return" or "success".
        return_range: returns are scaled such that this range becomes 0 to 1 (without clipping).
        restarts: the number of fits of each size, from different initializations.
        iterations: the maximum number of expectation-maximization iterations in a fit. The paper's
            code allows 100; more than 15 make little difference.

    Returns:
        A teacher whose `picture` contains the mixture in task units.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Portelas, Colas, Hofmann and Oudeyer, Teacher algorithms for curriculum learning of deep
        RL in continuously parameterized environments, CoRL 2019, algorithm 1.
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
    require("outcome", outcome, outcome in ("return", "success"), '"return" or "success"')
    require(
        "return_range",
        return_range,
        len(return_range) == 2 and return_range[0] < return_range[1],
        "(low, high) with low < high",
    )
    require("restarts", restarts, restarts >= 1, "at least 1")
    require("iterations", iterations, iterations >= 1, "at least 1")

    d = space.size
    extent = space.high - space.low
    sizes = np.repeat(np.arange(k_min, k_max + 1), restarts)

    def rows_in_fit(n):
        """Return the window for calls with n rows."""
        return max(fit_rate, min(n, history, 500)) if window is None else window

    def init(key):
        return AlpGmmState(
            tasks=jnp.full((history, d), jnp.inf),
            outcomes=jnp.zeros(history),
            progress=jnp.zeros(history),
            count=jnp.int32(0),
            fitted=jnp.int32(0),
            weights=jnp.zeros(k_max),
            means=jnp.zeros((k_max, d + 1)),
            covariances=jnp.zeros((k_max, d + 1, d + 1)),
            key=key,
        )

    def propose(state, key, n):
        uniform_key, choice_key, normal_key = jax.random.split(key, 3)
        anywhere = space.sample(uniform_key, n)
        which, component = jax.random.uniform(choice_key, (2, n))
        cumulative = jnp.cumsum(_chances(state))
        component = jnp.sum(component[:, None] * cumulative[-1] >= cumulative, axis=1)
        component = jnp.minimum(component, k_max - 1)
        # The progress column is last, so the leading block is the distribution of tasks alone.
        covariances = state.covariances[:, :d, :d]
        covariances = jnp.where(state.weights[:, None, None] > 0, covariances, jnp.eye(d))
        factors = gaussian_mixtures.cholesky(covariances)
        noise = jax.random.normal(normal_key, (n, d))
        # Compute mean + factor @ noise for all components and then select one: gathering a factor
        # for each row takes several times longer.
        maps = factors.swapaxes(1, 2).swapaxes(0, 1).reshape(d, -1)
        points = jnp.dot(noise, maps, precision="highest").reshape(n, k_max, d)
        points = jnp.take_along_axis(points + state.means[:, :d], component[:, None, None], axis=1)[
            :, 0
        ]
        uniform = (which < random_fraction) | ~jnp.any(state.weights > 0)
        return jnp.where(uniform[:, None], anywhere, space.denormalise(points)), state

    def observe(state, proposals, outcomes):
        window = rows_in_fit(proposals.tasks.shape[0])
        state = remember(state, proposals.tasks, outcomes, window)
        due = state.count - state.fitted >= fit_rate
        # A `cond` would always fit under `vmap`, because it becomes a select.
        state, _ = jax.lax.while_loop(
            lambda carry: carry[1],
            lambda carry: (refit(carry[0], window), jnp.zeros_like(carry[1])),
            (state, due),
        )
        return state

    def remember(state, tasks, outcomes, window):
        values = outcomes.success if outcome == "success" else outcomes.returns
        if outcome == "return":
            values = (values - return_range[0]) / (return_range[1] - return_range[0])
        # Only the latest `history` rows are stored, and only the latest `window` rows can be used
        # in a fit, so progress is not computed for earlier rows.
        counts = (outcomes.weights > 0) & jnp.isfinite(values)
        order, at, total = ring_buffer.slots(counts, state.count, history)
        points, values = space.normalise(tasks)[order], values[order]
        latest = jnp.maximum(total - window, 0) + jnp.arange(min(tasks.shape[0], window))
        reference, known = nearest_value(state.tasks, state.outcomes, state.count, points[latest])
        progress = jnp.where(known, jnp.abs(values[latest] - reference), 0)
        return state._replace(
            tasks=state.tasks.at[at].set(points, mode="drop"),
            outcomes=state.outcomes.at[at].set(values, mode="drop"),
            progress=state.progress.at[at[latest]].set(progress, mode="drop"),
            count=state.count + total,
        )

    def refit(state, window):
        number = state.count - window + jnp.arange(window)
        mask = number >= 0
        rows = jnp.concatenate([state.tasks, state.progress[:, None]], axis=1)[number % history]
        rows = jnp.where(mask[:, None], rows, 0)
        key = jax.random.fold_in(state.key, state.count)
        mixtures, mean = gaussian_mixtures.fit(key, rows, mask, sizes, iterations=iterations)
        total = jnp.sum(mask)
        aic = 2 * gaussian_mixtures.parameters(sizes, d + 1) - 2 * total * mean
        aic = jnp.where((sizes <= total) & jnp.isfinite(aic), aic, jnp.inf)
        best = jnp.argmin(aic)
        old = gaussian_mixtures.Mixtures(state.weights, state.means, state.covariances)
        chosen = jax.tree.map(
            lambda new, kept: jnp.where(jnp.isfinite(aic[best]), new[best], kept), mixtures, old
        )
        return state._replace(**chosen._asdict(), fitted=state.count)

    def picture(state):
        used = state.weights > 0
        scale = np.where(extent > 0, extent, 0)
        covariances = state.covariances[:, :d, :d] * np.outer(scale, scale)
        return {
            "weights": state.weights,
            "means": jnp.where(used[:, None], space.low + state.means[:, :d] * scale, 0),
            "covariances": jnp.where(used[:, None, None], covariances, 0),
            "progress": jnp.where(used, state.means[:, d], 0),
        }

    return Teacher(init, propose, observe, picture)


def nearest_value(
    tasks: Float[Array, "h d"],
    values: Float[Array, " h"],
    count: Int[Array, ""],
    points: Float[Array, "n d"],
) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    """Return the value of the nearest stored task for each point; of ties, the latest.

    Integer tasks often repeat exactly, so ties are common, and using the earliest of them would
    compare with ever older episodes.

    Args:
        tasks: a ring buffer; entry number k is stored in row k modulo h, and unused rows are inf.
        values: one value for each task.
        count: the total number of entries written.
        points: n points to look up.

    Returns:
        The values, and whether there is any stored task.
    """
    h = tasks.shape[0]
    distance = jnp.zeros((points.shape[0], h))
    for column in range(tasks.shape[1]):
        distance += (points[:, column, None] - tasks[:, column]) ** 2
    least = jnp.min(distance, axis=1, keepdims=True)
    age = (count - 1 - jnp.arange(h)) % h
    # Two reductions that vectorize are faster than an argmin, which does not.
    youngest = jnp.min(jnp.where(distance <= least * (1 + 1e-6), age, h), axis=1)
    return values[(count - 1 - youngest) % h], count > 0


def _chances(state: AlpGmmState) -> Float[Array, " K"]:
    """Return the probability of each component: its share of progress, or equal if all are 0."""
    used = state.weights > 0
    progress = jnp.where(used, jnp.maximum(state.means[:, -1], 0), 0)
    total = jnp.sum(progress)
    even = used / jnp.maximum(jnp.sum(used), 1)
    # Means have rounding errors of about 1e-8 even if all progress is 0.
    return jnp.where(total > 1e-6, progress / jnp.maximum(total, 1e-6), even)
