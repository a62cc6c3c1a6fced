"""A normal squashed by tanh, in double precision by SciPy; the last axis is that of actuators."""

import numpy as np
from scipy import stats

BEYOND = 0.5 * np.log((2 - 1e-6) / 1e-6)  # artanh(1 - 1e-6)


def each_log_prob(action, mean, std, low=-1.0, high=1.0):
    """The log-density between the bounds, and the log of the mass beyond at them."""
    unit = 2 * (np.asarray(action, float) - low) / (np.subtract(high, low)) - 1
    inside = abs(unit) < 1 - 1e-6
    before = np.arctanh(np.where(inside, unit, 0))
    slope = np.log(np.subtract(high, low) / 2) + np.log1p(-np.square(np.tanh(before)))
    lower, upper = stats.norm.logcdf(-BEYOND, mean, std), stats.norm.logsf(BEYOND, mean, std)
    outside = np.where(unit < 0, lower, upper)
    return np.where(inside, stats.norm.logpdf(before, mean, std) - slope, outside)


def log_prob(action, mean, std, low, high):
    """Of independent actuators: the last axis is summed over."""
    return each_log_prob(action, mean, std, low, high).sum(-1)


def each_entropy(mean, std, low=-1.0, high=1.0):
    """The integral of -p log p."""
    z = np.linspace(-9, 9, 4001)
    before = np.asarray(mean, float)[..., None] + np.asarray(std, float)[..., None] * z
    slope = np.log(np.subtract(high, low) / 2)[..., None] - 2 * np.log(np.cosh(before))
    log_density = stats.norm.logpdf(z) - np.log(std)[..., None] - slope
    return -(stats.norm.pdf(z) * (z[1] - z[0]) * log_density).sum(-1)


def kl(mean, std, other_mean, other_std):
    """Of diagonal normals, which squashing leaves as it is."""
    ratio = (np.asarray(std, float) / other_std) ** 2
    distance = ((np.asarray(mean, float) - other_mean) / other_std) ** 2
    return 0.5 * (ratio + distance - 1 - np.log(ratio)).sum(-1)
