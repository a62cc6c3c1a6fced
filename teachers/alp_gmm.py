"""ALP-GMM: practise where competence changes."""

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
    """d dimensions of the task space; K = k_max. The history is a ring: episode i is at i mod h."""

    tasks: Float[Array, "h d"]  # in the unit cube; inf where nothing was written yet
    outcomes: Float[Array, " h"]  # returns (scaled) or successes
    progress: Float[Array, " h"]  # the absolute learning progress of each episode
    count: Int[Array, ""]  # episodes so far
    fitted: Int[Array, ""]  # episodes at the latest fit; 0 before the first
    weights: Float[Array, " K"]  # of the mixture over (task, progress); 0 for unused components
    means: Float[Array, "K d+1"]  # progress is the last column
    covariances: Float[Array, "K d+1 d+1"]
    key: PRNGKeyArray  # for the seeds of the fits


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
    """A Gaussian mixture over tasks and learning progress, sampled where progress is large.

    The absolute learning progress of an episode is |r - r'|, r' being the outcome of the nearest
    earlier task. Every `fit_rate` episodes, mixtures of k_min to k_max components are fitted to
    the latest rows (task, progress), and the one of least AIC is kept. A task is uniform with
    probability `random_fraction` (always, before the first fit); otherwise a component is drawn
    in proportion to its mean progress, and a task from that component.

    Fed one episode at a time, this is the algorithm of the paper. Fed many at once, as by
    parallel worlds: progress is measured against the episodes of earlier calls, and a call fits
    at most once, on the latest `window` rows.

    The default history is shorter than the paper's, which is all episodes. Compared with old
    memories, what was mastered since counts as progress indefinitely: on the toy grid the short
    history masters half as many cells again (`python -m didact.benchmarks.curricula.toy_teachers
    --defaults`), and the noisier the outcomes are, the more it matters.

    Args:
        space: the tasks.
        fit_rate: episodes between fits.
        window: how many of the latest rows a fit sees. If None, as many as `fit_rate`; but where
            one call of `observe` brings more rows than that, as many as it brings, up to 500:
            single successes and failures are noisy.
        k_min, k_max: the fewest and the most components of a mixture.
        random_fraction: the probability of a uniform task.
        history: how many of the latest episodes are searched for the nearest task. If None,
            1024, or as many as the window if that is longer.
        outcome: "return" or "success".
        return_range: returns are scaled so that this range becomes 0 to 1 (and not clipped).
        restarts: fits of each size from different seeds.
        iterations: the most iterations of expectation-maximisation in a fit. The paper's code
            allows 100; beyond 15 little changes in what is learned.

    Returns:
        A teacher whose `picture` holds the mixture in task units.

    Raises:
        SettingError: a setting is out of its range, or tasks are not points of a box.

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
        """The window, for calls that bring n rows."""
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
        # mean + factor @ noise for all components, and then the one that was drawn: gathering a
        # factor for every row takes several times longer.
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
        # Not a `cond`: under `vmap` that would fit whether or not any fit is due.
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
        # Only the latest `history` rows fit into the ring, and only the latest `window` rows can
        # ever reach a fit: for earlier ones no progress is computed.
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
    """The value of the nearest remembered task for each point; of equals, the latest.

    Tasks of whole numbers are often met again exactly, so ties are the rule there, and the
    earliest of them would be an ever older memory.

    Args:
        tasks: a ring: entry i was written last at the greatest number below `count` that is
            i modulo h; entries that were not written are inf.
        values: one for each task.
        count: how many were written in all.
        points: n points whose nearest tasks are wanted.

    Returns:
        The values, and whether there is any task at all.
    """
    h = tasks.shape[0]
    distance = jnp.zeros((points.shape[0], h))
    for column in range(tasks.shape[1]):
        distance += (points[:, column, None] - tasks[:, column]) ** 2
    least = jnp.min(distance, axis=1, keepdims=True)
    age = (count - 1 - jnp.arange(h)) % h
    # Two reductions that vectorise are quicker than an argmin, which does not.
    youngest = jnp.min(jnp.where(distance <= least * (1 + 1e-6), age, h), axis=1)
    return values[(count - 1 - youngest) % h], count > 0


def _chances(state: AlpGmmState) -> Float[Array, " K"]:
    """The probability of each component: in proportion to mean progress; alike if all are 0."""
    used = state.weights > 0
    progress = jnp.where(used, jnp.maximum(state.means[:, -1], 0), 0)
    total = jnp.sum(progress)
    even = used / jnp.maximum(jnp.sum(used), 1)
    # Means carry rounding of about 1e-8 where every progress is 0.
    return jnp.where(total > 1e-6, progress / jnp.maximum(total, 1e-6), even)
