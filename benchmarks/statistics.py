"""Statistics for comparing runs: confidence intervals and tests for small numbers of seeds.

Scores are arrays with the runs (seeds) along the first axis; functions are vectorised over any
further axes (points in time, tasks). Implemented in NumPy, in double precision.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from didact.common.errors import SettingError
from didact.common.intervals import as_runs, incomplete_beta


class Welch(NamedTuple):
    """The outcome of `welch_test`."""

    statistic: Float[np.ndarray, "*rest"]  # t; positive where the first group's mean is greater
    degrees: Float[np.ndarray, "*rest"]  # of freedom; infinite where neither group has spread
    p_value: Float[np.ndarray, "*rest"]  # two-sided


class FirstTimes(NamedTuple):
    """When each run first reached a threshold; the outcome of `first_time_above`."""

    times: Float[np.ndarray, " runs"]  # where not reached: the last observed time (censored)
    reached: Bool[np.ndarray, " runs"]


def welch_test(a: ArrayLike, b: ArrayLike) -> Welch:
    """Perform Welch's t-test on two groups of runs with possibly different variances.

    Args:
        a, b: scores `[runs, ...]` with at least two runs each; the numbers of runs may differ.

    Returns:
        One test for each `[...]`. Where neither group has any spread beyond rounding errors, p is
        1 for equal means and 0 otherwise.

    References:
        Welch, The generalization of "Student's" problem when several different population
        variances are involved, 1947; degrees of freedom by Satterthwaite, 1946.
    """
    a, b = as_runs("a", a, 2), as_runs("b", b, 2)
    part_a, part_b = (x.var(axis=0, ddof=1) / len(x) for x in (a, b))
    gap, variance = a.mean(axis=0) - b.mean(axis=0), part_a + part_b
    rounding = 1e-12 * np.maximum(np.abs(a).max(axis=0), np.abs(b).max(axis=0))
    gap = np.where(np.abs(gap) <= rounding, 0.0, gap)
    variance = np.where(variance <= rounding**2, 0.0, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(gap == 0, 0.0, gap / np.sqrt(variance))
        degrees = variance**2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
        degrees = np.where(variance == 0, np.inf, degrees)
        share = np.where(variance == 0, gap == 0, degrees / (degrees + statistic**2))
    # P(|T| > t) for Student's T with v degrees of freedom is I_x(v/2, 1/2) at x = v / (v + t^2).
    finite = np.where(np.isinf(degrees), 1.0, degrees)
    return Welch(statistic, degrees, incomplete_beta(finite / 2, 0.5, share))


def holm(p_values: ArrayLike) -> list[float]:
    """Return p-values adjusted for multiple tests by Holm's method.

    The adjusted values of m tests control the probability of any false rejection: in ascending
    order, the i-th p-value (from 0) is multiplied by m - i, and made non-decreasing and at most 1.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    p = np.asarray(p_values, float)
    if p.ndim != 1 or np.any((p < 0) | (p > 1)):
        raise SettingError("p_values", p.tolist(), "a list of numbers from 0 to 1")
    order = np.argsort(p)
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1) if len(p) else scaled
    return adjusted.tolist()


def interquartile_mean(values: ArrayLike) -> float:
    """Return the mean of the middle half of all scores; a quarter is cut at each end, rounded down.

    Args:
        values: scores `[runs, ...]`; the runs of all tasks are pooled.

    References:
        Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice,
        2021, section 4.3.
    """
    ordered = np.sort(as_runs("values", values, 1), axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Return the probability that a run of `a` scores higher than a run of `b`; ties count half.

    Args:
        a, b: scores `[runs]` or `[runs, tasks]`; the probabilities are averaged over tasks.

    References:
        Agarwal et al., 2021, section 4.3; Mann and Whitney, 1947.
    """
    a, b = as_runs("a", a, 1), as_runs("b", b, 1)
    if a.shape[1:] != b.shape[1:]:
        raise SettingError("b", b.shape, f"an array with the tasks of a, {a.shape[1:]}")
    return float(((a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None])).mean())


def area_under_curve(steps: ArrayLike, values: ArrayLike) -> Float[np.ndarray, " runs"]:
    """Return the time average of each run's curve by the trapezoidal rule, in units of `values`.

    Args:
        steps: `[points]`, ascending but not necessarily evenly spaced.
        values: `[runs, points]`.
    """
    steps, values = _curves(steps, values)
    if len(steps) < 2:
        raise SettingError("steps", steps.tolist(), "at least two points in time")
    middles = (values[:, 1:] + values[:, :-1]) / 2
    return middles @ np.diff(steps) / (steps[-1] - steps[0])


def first_time_above(steps: ArrayLike, values: ArrayLike, threshold: float) -> FirstTimes:
    """Return the first time at which each run's value is at least `threshold`.

    A run that never reaches the threshold is censored at the last point. NaN counts as below.

    Args:
        steps: `[points]`, ascending.
        values: `[runs, points]`.
    """
    steps, values = _curves(steps, values)
    above = values >= threshold
    reached = np.asarray(above.any(axis=1))
    return FirstTimes(np.where(reached, steps[above.argmax(axis=1)], steps[-1]), reached)


def median_time(first: FirstTimes) -> float:
    """Return the time by which half of the runs have reached the threshold; infinite if fewer do.

    This is the median of the Kaplan-Meier estimate, which accounts for censored runs, so that runs
    of different lengths can be pooled.

    References:
        Kaplan and Meier, Nonparametric estimation from incomplete observations, 1958.
    """
    times, reached = np.asarray(first.times, float), np.asarray(first.reached, bool)
    waiting = 1.0
    for time in np.unique(times[reached]):
        at_risk = np.sum(times >= time)
        waiting *= 1 - np.sum(reached & (times == time)) / at_risk
        if waiting <= 0.5 + 1e-12:  # tolerance for rounding errors in the product
            return float(time)
    return math.inf


def _curves(steps: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Convert steps and values to floats and check their shapes."""
    steps, values = np.asarray(steps, float), as_runs("values", values, 1)
    if steps.ndim != 1 or values.ndim != 2 or values.shape[1] != len(steps):
        raise SettingError("values", values.shape, f"[runs, points] with {steps.size} points")
    if np.any(np.diff(steps) <= 0):
        raise SettingError("steps", steps.tolist(), "ascending")
    return steps, values
