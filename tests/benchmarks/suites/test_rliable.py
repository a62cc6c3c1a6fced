"""Statistics of suites against rliable where it is installed, and against its definitions."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.stats

from didact.benchmarks.statistics import (
    holm,
    interquartile_mean,
    probability_of_improvement,
    welch_test,
)
from didact.benchmarks.suites.reporting import ranks


def arrays(seed, runs, tasks):
    return np.random.default_rng(seed).integers(0, 12, (runs, tasks)) / 10  # with ties


SHAPES = [(5, 1), (8, 1), (8, 6), (10, 3)]


@pytest.mark.reference
@pytest.mark.parametrize(("runs", "tasks"), SHAPES)
def test_aggregates_are_rliables(runs, tasks):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = pytest.importorskip("rliable.metrics")
    a, b = arrays(0, runs, tasks), arrays(1, runs + 1, tasks)
    assert interquartile_mean(a) == pytest.approx(float(metrics.aggregate_iqm(a)))
    theirs = float(metrics.probability_of_improvement(a, b))
    assert probability_of_improvement(a, b) == pytest.approx(theirs)


@pytest.mark.parametrize(("runs", "tasks"), SHAPES)
def test_aggregates_have_rliables_definitions(runs, tasks):
    """The 25 % trimmed mean of all scores; and the mean over tasks of P(X > Y) + P(X = Y) / 2."""
    a, b = arrays(2, runs, tasks), arrays(3, runs + 1, tasks)
    assert interquartile_mean(a) == pytest.approx(scipy.stats.trim_mean(a, 0.25, axis=None))
    by_task = []
    for x, y in zip(a.T, b.T, strict=True):
        wins = [(p > q) + (p == q) / 2 for p, q in itertools.product(x, y)]
        by_task.append(np.mean(wins))
        u = scipy.stats.mannwhitneyu(x, y).statistic
        assert by_task[-1] == pytest.approx(u / (len(x) * len(y)))
    assert probability_of_improvement(a, b) == pytest.approx(np.mean(by_task))


def test_corrected_tests_are_those_of_scipy_and_statsmodels():
    a = [np.random.default_rng(seed).normal(seed / 5, 1 + seed, 8) for seed in range(6)]
    ours = [float(welch_test(x, a[0]).p_value) for x in a[1:]]
    theirs = [scipy.stats.ttest_ind(x, a[0], equal_var=False).pvalue for x in a[1:]]
    assert ours == pytest.approx(theirs)
    tests = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(ours) == pytest.approx(tests.multipletests(ours, method="holm")[1])


def test_ranks_are_scipys():
    scores = arrays(4, 50, 7)
    theirs = scipy.stats.rankdata(-scores, axis=1)
    np.testing.assert_array_equal(ranks.ranked(scores), theirs)


def result(suite, **areas):
    return {"suite": suite, "summary": {name: {"area": area} for name, area in areas.items()}}


def test_ranks_over_suites():
    first = result("a", good=[0.9, 0.8, 0.95], bad=[0.1, 0.2, 0.15], other=[0.5, 0.5, 0.5])
    second = result("b", bad=[0.1, 0.1, 0.2], good=[0.7, 0.9, 0.8])
    one = ranks.ranks_of([first])
    assert one.names == ("good", "bad", "other")
    np.testing.assert_allclose(one.mean, [1, 3, 2])
    np.testing.assert_allclose(one.low, one.high)
    np.testing.assert_allclose(one.shares, [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    both = ranks.ranks_of([first, second])
    assert both.names == ("good", "bad")
    np.testing.assert_allclose(both.mean, [1, 2])
    same = ranks.ranks_of([result("c", x=[0.1, 0.9, 0.4], y=[0.4, 0.1, 0.9], z=[0.5, 0.5, 0.5])])
    np.testing.assert_allclose(same.shares.sum(0), 1)
    np.testing.assert_allclose(same.shares.sum(1), 1)
    assert (same.low < same.mean).all()
    assert (same.mean < same.high).all()
