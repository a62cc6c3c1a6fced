"""Student's confidence interval of the mean over a few runs, in NumPy and double precision."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from didact.common.errors import SettingError


class Interval(NamedTuple):
    """The bounds of a confidence interval."""

    low: Float[np.ndarray, "*rest"]
    high: Float[np.ndarray, "*rest"]


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Student's confidence interval of the mean over runs.

    Unlike the percentile bootstrap, it has the stated coverage for a few runs of normal scores.

    Args:
        values: scores `[runs, ...]` with at least two runs.
        confidence: confidence level.

    Returns:
        Bounds `[...]`.
    """
    values = as_runs("values", values, 2)
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


def as_runs(name: str, values: ArrayLike, least: int) -> np.ndarray:
    """Convert scores `[runs, ...]` to floats and check that there are at least `least` runs."""
    array = np.asarray(values, float)
    if array.ndim == 0 or len(array) < least or array.size == 0:
        raise SettingError(name, array.shape, f"an array of at least {least} run(s)")
    return array
