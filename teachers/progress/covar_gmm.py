"""Covar-GMM: Gaussian mixtures over tasks, time and outcome."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.environments.task_spaces import Box
from didact.teachers import outcome_values, rare_work, ring_buffer
from didact.teachers.base import Teacher
from didact.teachers.progress import gaussian_mixtures, mixture_curricula

MOST_ROWS = 500  # of a fit, unless `window` is given


class CovarGmmState(NamedTuple):
    """d dimensions, K = k_max components; a ring buffer with episode i in row i mod h."""

    tasks: Float[Array, "h d"]  # in the unit cube
    outcomes: Float[Array, " h"]  # returns (scaled) or successes
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`
    fitted: Int[Array, ""]  # episodes at the latest fit; 0 before the first
    weights: Float[Array, " K"]  # of the mixture over (task, time, outcome); 0 if unused
    means: Float[Array, "K d+2"]
    covariances: Float[Array, "K d+2 d+2"]
    key: PRNGKeyArray  # for the initialization of fits


def covar_gmm(
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
    fallback: Box | None = None,
) -> Teacher:
    """A Gaussian mixture over tasks, time and outcomes, sampled where outcomes improve.

    Every `fit_rate` episodes, mixtures of k_min to k_max components are fitted to rows (task, time,
    outcome) of the latest episodes, with time from 0 to 1, and the one with the lowest AIC is kept.
    The progress of a component is the covariance of its time and outcome, if positive. A task is
    uniform with probability `random_fraction` (always before the first fit). Otherwise a component
    is drawn in proportion to its progress, and a task is drawn from that component.

    While no component shows progress, tasks are uniform, or those of `fallback`. The original
    draws from all components alike then, and so repeats its own proposals.

    Args:
        space: the task space.
        fit_rate: the number of episodes between fits.
        window: the number of latest episodes used in a fit. The default is `fit_rate`, or the
            rows of two calls of `observe` if these are more (up to the history), because the
            student does not change within a call; of such windows, 500 evenly spaced rows are used.
        k_min, k_max: the minimum and maximum number of components of a mixture.
        random_fraction: the probability of a uniform task.
        history: the maximum number of episodes that are stored. The default is 1024, or the
            window if that is larger.
        outcome: "return" or "success".
        return_range: returns are scaled such that this range becomes 0 to 1 (without clipping).
        restarts: the number of fits of each size, from different initializations.
        iterations: the maximum number of expectation-maximization iterations in a fit.
        fallback: the tasks before the first fit, and while there is no progress. The default is the
            whole space.

    Returns:
        A teacher whose `picture` contains the mixture in task units.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Moulin-Frier, Nguyen and Oudeyer, Self-organization of early vocal development in infants
        and machines, Frontiers in Psychology 2014; Portelas et al., CoRL 2019, appendix.
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
    sizes = np.repeat(np.arange(k_min, k_max + 1), restarts)

    def numbers_in_fit(n):
        """Return which of the latest episodes are used after calls with n rows, oldest first."""
        if window is not None:
            return np.arange(window)
        span = max(fit_rate, min(2 * n, history) if n > 1 else 0)
        rows = min(span, max(fit_rate, MOST_ROWS))
        return np.arange(rows) * span // rows

    def init(key):
        return CovarGmmState(
            tasks=jnp.zeros((history, d)),
            outcomes=jnp.zeros(history),
            count=jnp.int32(0),
            fitted=jnp.int32(0),
            weights=jnp.zeros(k_max),
            means=jnp.zeros((k_max, d + 2)),
            covariances=jnp.zeros((k_max, d + 2, d + 2)),
            key=key,
        )

    def propose(state, key, n):
        chances = mixture_curricula.chances(state.weights, progress_of(state))
        tasks = mixture_curricula.propose(
            space, key, n, mixture_of(state), chances, random_fraction, fallback
        )
        return tasks, state

    def observe(state, proposals, outcomes):
        counts, values = outcome_values.values_of(outcomes, outcome, return_range)
        order, at, total = ring_buffer.slots(counts, state.count, history)
        surplus = ring_buffer.surplus(state.count, history)
        state = state._replace(
            tasks=state.tasks.at[at].set(space.normalise(proposals.tasks)[order], mode="drop"),
            outcomes=state.outcomes.at[at].set(values[order], mode="drop"),
            count=state.count + total - surplus,
            fitted=state.fitted - surplus,
        )
        numbers = numbers_in_fit(proposals.tasks.shape[0])
        due = state.count - state.fitted >= fit_rate
        fit = rare_work.when(
            due, lambda state: refit(state, numbers), (mixture_of(state), state.fitted), state
        )
        return state._replace(**fit[0]._asdict(), fitted=fit[1])

    def refit(state, numbers):
        number = state.count - 1 - numbers[-1] + numbers
        mask, row = number >= 0, number % history
        time = np.arange(len(numbers)) / len(numbers)
        columns = [state.tasks[row], jnp.asarray(time)[:, None], state.outcomes[row][:, None]]
        rows = jnp.where(mask[:, None], jnp.concatenate(columns, axis=1), 0)
        key = jax.random.fold_in(state.key, state.count)
        old = mixture_of(state)
        return mixture_curricula.refit(key, rows, mask, sizes, old, iterations), state.count

    def mixture_of(state):
        return gaussian_mixtures.Mixtures(state.weights, state.means, state.covariances)

    def progress_of(state):
        return jnp.maximum(state.covariances[:, d, d + 1], 0)

    def picture(state):
        return mixture_curricula.picture(space, mixture_of(state), progress_of(state))

    return Teacher(init, propose, observe, picture)
