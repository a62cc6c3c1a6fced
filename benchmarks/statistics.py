"""Statistics for comparing runs: confidence intervals and tests for small numbers of seeds.

Scores are arrays with the runs (seeds) along the first axis; functions are vectorised over any
further axes (points in time, tasks). Implemented in NumPy, in double precision.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from didact.environments import SettingError


class Interval(NamedTuple):
    """The bounds of a confidence interval."""

    low: Float[np.ndarray, "*rest"]
    high: Float[np.ndarray, "*rest"]


class Welch(NamedTuple):
    """The outcome of `welch_test`."""

    statistic: Float[np.ndarray, "*rest"]  # t; positive where the first group's mean is greater
    degrees: Float[np.ndarray, "*rest"]  # of freedom; infinite where neither group has spread
    p_value: Float[np.ndarray, "*rest"]  # two-sided


class FirstTimes(NamedTuple):
    """When each run first reached a threshold; the outcome of `first_time_above`."""

    times: Float[np.ndarray, " runs"]  # where not reached: the last observed time (censored)
    reached: Bool[np.ndarray, " runs"]


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, samples: int = 2000, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of the mean over runs.

    Whole runs are resampled with replacement, so that the interval around a learning curve is that
    of whole curves.

    Args:
        values: scores `[runs, ...]`.
        confidence: confidence level.
        samples: number of bootstrap samples.
        seed: random seed; equal seeds give equal intervals.

    Returns:
        Bounds `[...]`. With a single run, both equal its scores.

    References:
        Efron, Bootstrap methods: another look at the jackknife, 1979; Efron and Tibshirani, An
        Introduction to the Bootstrap, 1993, section 13.3 (percentiles).
    """
    values = _runs("values", values, 1)
    if not 0 < confidence < 1:
        raise SettingError("confidence", confidence, "between 0 and 1")
    if samples < 1:
        raise SettingError("samples", samples, "at least 1")
    n = len(values)
    # The counts of the runs in a sample are multinomial, so all means are one matrix product.
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), samples)
    means = np.tensordot(counts / n, values, axes=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return Interval(low, high)


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Student's confidence interval of the mean over runs.

    Unlike the percentile bootstrap, it has the stated coverage for a few runs of normal scores.

    Args:
        values: scores `[runs, ...]` with at least two runs.
        confidence: confidence level.

    Returns:
        Bounds `[...]`.
    """
    values = _runs("values", values, 2)
    if not 0 < confidence < 1:
        raise SettingError("confidence", confidence, "between 0 and 1")
    n = len(values)
    low, high = 0.0, 1e9  # by bisection: P(|T| > t) decreases in t
    for _ in range(200):
        middle = (low + high) / 2
        outside = incomplete_beta((n - 1) / 2, 0.5, (n - 1) / (n - 1 + middle**2))
        low, high = (middle, high) if outside > 1 - confidence else (low, middle)
    half = high * values.std(axis=0, ddof=1) / math.sqrt(n)
    mean = values.mean(axis=0)
    return Interval(mean - half, mean + half)


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
    a, b = _runs("a", a, 2), _runs("b", b, 2)
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


def incomplete_beta(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Evaluate the regularised incomplete beta function I_x(a, b), elementwise.

    Args:
        a, b: positive parameters, up to about a thousand.
        x: values from 0 to 1.

    References:
        The continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions.
    """
    a, b, x = np.broadcast_arrays(*(np.asarray(v, float) for v in (a, b, x)))
    # The fraction converges quickly below the mean; above it, I_x(a, b) = 1 - I_{1-x}(b, a).
    swap = x > (a + 1) / (a + b + 2)
    a, b, x = np.where(swap, b, a), np.where(swap, a, b), np.where(swap, 1 - x, x)
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    with np.errstate(divide="ignore"):
        front = log_gamma(a + b) - log_gamma(a) - log_gamma(b) - np.log(a)
        front = np.exp(front + a * np.log(x) + b * np.log1p(-x))
    fraction = np.ones_like(x)
    for m in range(200, 0, -1):  # from the innermost term outward
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + odd / (1 + even / fraction)
    return np.where(swap, 1 - front / fraction, front / fraction)


def interquartile_mean(values: ArrayLike) -> float:
    """Return the mean of the middle half of all scores; a quarter is cut at each end, rounded down.

    Args:
        values: scores `[runs, ...]`; the runs of all tasks are pooled.

    References:
        Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice,
        2021, section 4.3.
    """
    ordered = np.sort(_runs("values", values, 1), axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Return the probability that a run of `a` scores higher than a run of `b`; ties count half.

    Args:
        a, b: scores `[runs]` or `[runs, tasks]`; the probabilities are averaged over tasks.

    References:
        Agarwal et al., 2021, section 4.3; Mann and Whitney, 1947.
    """
    a, b = _runs("a", a, 1), _runs("b", b, 1)
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


def _runs(name: str, values: ArrayLike, least: int) -> np.ndarray:
    """Convert values to floats and check that there are at least `least` runs."""
    array = np.asarray(values, float)
    if array.ndim == 0 or len(array) < least or array.size == 0:
        raise SettingError(name, array.shape, f"an array of at least {least} run(s)")
    return array


def _curves(steps: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Convert steps and values to floats and check their shapes."""
    steps, values = np.asarray(steps, float), _runs("values", values, 1)
    if steps.ndim != 1 or values.ndim != 2 or values.shape[1] != len(steps):
        raise SettingError("values", values.shape, f"[runs, points] with {steps.size} points")
    if np.any(np.diff(steps) <= 0):
        raise SettingError("steps", steps.tolist(), "ascending")
    return steps, values
