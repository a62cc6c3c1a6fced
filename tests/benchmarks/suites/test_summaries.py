"""Conclusions from results of suites: the direction of differences, and what counts as a seed."""

import numpy as np
import pytest

from didact.benchmarks.suites import summaries
from didact.benchmarks.suites.reporting import overview

SIZES = {"all": 10}


def row(curves, **more):
    curves = np.clip(curves, 0, 1)
    steps = [100 * (i + 1) for i in range(curves.shape[1])]
    return {"steps": steps, "success": {"all": curves.tolist()}, "proposals": []} | more


def spread(size, scale):
    return np.random.default_rng(0).normal(0, scale, (size, 1))


def result(rows, **more):
    return {"suite": "a", "summary": summaries.summarise(rows, SIZES), "teachers": rows} | more


BASE = np.array([0.2, 0.4, 0.6, 0.8]) + spread(5, 0.01)


@pytest.mark.parametrize(
    ("curve", "noise", "words", "profiles"),
    [
        # The area is a little larger, but not significantly so.
        ([0.2, 0.5, 0.65, 0.7], [0.15, 0.15, 0.15, 0.01], "worse", "worse in 2 (a, b)"),
        ([0.2, 0.6, 0.75, 0.9], [0.3, 0.3, 0.3, 0.01], "better", "better than uniform in 2 of 2"),
        ([0.5, 0.7, 0.8, 0.7], [0.01] * 4, "better along the curve but worse at the end", "in 2"),
        ([0.1, 0.1, 0.2, 0.9], [0.01] * 4, "worse along the curve but better at the end", "in 2"),
        ([0.2, 0.4, 0.6, 0.8], [0.01] * 4, "no significant difference", "in 0 of 2 profiles."),
    ],
)
def test_each_significant_difference_has_its_own_direction(curve, noise, words, profiles):
    other = np.array(curve) + spread(5, 1) * np.array(noise)
    one = result({"uniform": row(BASE), "x": row(other)})
    assert f"{words}: x." in summaries.verdict(one["summary"])
    (said,) = overview.verdict([one, one | {"suite": "b"}])
    assert profiles in said
    if words not in ("better", "no significant difference"):
        assert f"{words} in 2 (a, b)" in said
        assert "better than uniform in 0 of 2" in said
