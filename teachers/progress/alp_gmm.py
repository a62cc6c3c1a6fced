"""ALP-GMM: Gaussian mixtures over tasks and absolute learning progress."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments.task_spaces import Box
from didact.teachers import outcome_values, rare_work, ring_buffer
from didact.teachers.base import Teacher
from didact.teachers.progress import gaussian_mixtures, mixture_curricula


class AlpGmmState(NamedTuple):
    """d dimensions, K = k_max components; a ring buffer with episode i in row i mod h."""

    tasks: Float[Array, "h d"]  # in the unit cube; inf in unused rows
    outcomes: Float[Array, " h"]  # returns (scaled) or successes
    progress: Float[Array, " h"]  # the absolute learning progress of each episode
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`
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
    task_units: bool = False,
    outcome: str = "return",
    return_range: tuple[float, float] = (0.0, 1.0),
    restarts: int = 1,
    iterations: int = 15,
    fallback: Box | None = None,
) -> Teacher:
    """A Gaussian mixture over tasks and learning progress, sampled where progress is high.

    The absolute learning progress of an episode is |r - r'|, where r' is the outcome of the nearest
    earlier task. Every `fit_rate` episodes, mixtures of k_min to k_max components are fitted to the
    latest rows (task, progress), and the one with the lowest AIC is kept. A task is uniform with
    probability `random_fraction` (always before the first fit). Otherwise a component is drawn in
    proportion to its mean progress, and a task is drawn from that component.

    Progress does not depend on how episodes are divided into calls of `observe`: those of a call
    are compared with each other, too, in the order in which they ended. With one episode per call,
    this is the algorithm of the paper. A call fits at most once, on the latest `window` rows.

    While no component shows progress, tasks are uniform, or those of `fallback`. The paper
    draws from all components alike then, and so circles around its own proposals.

    The default history is shorter than in the paper, which keeps all episodes. Relative to old
    episodes, tasks that were mastered since then show progress indefinitely. On the toy grid, the
    short history masters 1.5 times as many cells (`didact benchmark toy`), and it matters more with
    noisier outcomes.

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
        task_units: whether the distances between tasks are those of their numbers, as in the
            paper's code, instead of being measured in fractions of each range. Mixtures are fitted
            to fractions of the ranges in any case.
        outcome: "return" or "success".
        return_range: returns are scaled such that this range becomes 0 to 1 (without clipping).
        restarts: the number of fits of each size, from different initializations.
        iterations: the maximum number of expectation-maximization iterations in a fit. The paper's
            code allows 100; more than 15 make little difference.
        fallback: the tasks before the first fit, and while there is no progress. The default is the
            whole space.

    Returns:
        A teacher whose `picture` contains the mixture in task units.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Portelas, Colas, Hofmann and Oudeyer, Teacher algorithms for curriculum learning of deep
        RL in continuously parameterized environments, CoRL 2019, algorithm 1.
    """
    history = mixture_curricula.check_settings(
        space,
        fit_rate=fit_rate,
        window=window,
        k_min=k_min,
        k_max=k_max,
        random_fraction=random_fraction,
        history=history,
        outcome=outcome,
        return_range=return_range,
        restarts=restarts,
        iterations=iterations,
        fallback=fallback,
    )
    d = space.size
    extent = np.where(space.high > space.low, space.high - space.low, 1).astype(np.float32)
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
        chances = mixture_curricula.chances(state.weights, state.means[:, d])
        tasks = mixture_curricula.propose(
            space, key, n, mixture_of(state), chances, random_fraction, fallback
        )
        return tasks, state

    def observe(state, proposals, outcomes):
        window = rows_in_fit(proposals.tasks.shape[0])
        state = remember(state, proposals.tasks, outcomes, window)
        due = state.count - state.fitted >= fit_rate
        fit = rare_work.when(
            due, lambda state: refit(state, window), (mixture_of(state), state.fitted), state
        )
        return state._replace(**fit[0]._asdict(), fitted=fit[1])

    def remember(state, tasks, outcomes, window):
        # Only the latest `history` rows are stored, and only the latest `window` rows can be used
        # in a fit, so progress is not computed for earlier rows.
        counts, values = outcome_values.values_of(outcomes, outcome, return_range)
        order, at, total = ring_buffer.slots(counts, state.count, history)
        points, values = space.normalise(tasks)[order], values[order]
        latest = jnp.maximum(total - window, 0) + jnp.arange(min(tasks.shape[0], window))
        surplus = ring_buffer.surplus(state.count, history)
        scale = extent if task_units else np.ones_like(extent)
        ring = Episodes(state.tasks * scale, state.outcomes, state.count)
        reference, known = nearest_value(ring, points * scale, values, latest)
        progress = jnp.where(known, jnp.abs(values[latest] - reference), 0)
        # This changes nothing, since stored progress is never NaN, but it makes the writes below
        # depend on the search. Otherwise, XLA copies the whole history in each call.
        stored = at[latest] < history
        at = jnp.where(jnp.any(stored & jnp.isnan(progress)), history, at)
        return state._replace(
            tasks=state.tasks.at[at].set(points, mode="drop"),
            outcomes=state.outcomes.at[at].set(values, mode="drop"),
            progress=state.progress.at[at[latest]].set(progress, mode="drop"),
            count=state.count + total - surplus,
            fitted=state.fitted - surplus,
        )

    def refit(state, window):
        number = state.count - window + jnp.arange(window)
        mask = number >= 0
        rows = jnp.concatenate([state.tasks, state.progress[:, None]], axis=1)[number % history]
        rows = jnp.where(mask[:, None], rows, 0)
        key = jax.random.fold_in(state.key, state.count)
        old = mixture_of(state)
        return mixture_curricula.refit(key, rows, mask, sizes, old, iterations), state.count

    def mixture_of(state):
        return gaussian_mixtures.Mixtures(state.weights, state.means, state.covariances)

    def picture(state):
        return mixture_curricula.picture(space, mixture_of(state), state.means[:, d])

    return Teacher(init, propose, observe, picture)


class Episodes(NamedTuple):
    """A ring buffer of the latest h episodes; number i is in row i modulo h."""

    tasks: Float[Array, "h d"]  # inf in unused rows
    values: Float[Array, " h"]
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`


def nearest_value(
    ring: Episodes,
    tasks: Float[Array, "n d"],
    values: Float[Array, " n"],
    rows: Int[Array, " m"],
) -> tuple[Float[Array, " m"], Bool[Array, " m"]]:
    """Return the value of the nearest of the h episodes before each of some new ones.

    Of equally near episodes, the latest counts: integer tasks often repeat exactly, and the
    earliest of them would compare with ever older episodes.

    Args:
        ring: the earlier episodes.
        tasks, values: the new episodes in the order in which they ended.
        rows: the new episodes to look up, by row.

    Returns:
        The values, and whether there is any earlier episode.
    """
    h, n = ring.tasks.shape[0], tasks.shape[0]
    # How many episodes ago each of the others was, for the ring and for the new ones.
    slots_ago = (ring.count - 1) % h - jnp.arange(h)
    slot_ago = 1 + jnp.where(slots_ago < 0, slots_ago + h, slots_ago)
    blocks = [(ring.tasks, slot_ago + rows[:, None])]
    if n > 1:
        blocks.append((tasks, rows[:, None] - jnp.arange(n)))
    distances = []
    for others, ago in blocks:
        distance = jnp.zeros(ago.shape)
        for column in range(tasks.shape[1]):
            distance += (tasks[rows, column, None] - others[:, column]) ** 2
        distances.append(jnp.where((ago >= 1) & (ago <= h), distance, jnp.inf))
    least = functools.reduce(jnp.minimum, [jnp.min(x, axis=1) for x in distances])
    limit = least[:, None] * (1 + 1e-6)
    # Reductions that vectorize are faster than an argmin, which does not.
    latest = functools.reduce(
        jnp.minimum,
        [
            jnp.min(jnp.where(distance <= limit, ago, h), axis=1)
            for distance, (_, ago) in zip(distances, blocks, strict=True)
        ],
    )
    own = values[jnp.clip(rows - latest, 0, n - 1)]
    old = ring.values[(ring.count + rows - latest) % h]
    return jnp.where(latest <= rows, own, old), jnp.isfinite(least)
