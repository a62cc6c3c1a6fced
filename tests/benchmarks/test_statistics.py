import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from didact.benchmarks.statistics import (
    FirstTimes,
    area_under_curve,
    first_time_above,
    interquartile_mean,
    median_time,
    probability_of_improvement,
    welch_test,
)
from didact.environments import SettingError


def scores(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 9), (8, 16), (32, 5)])
def test_welch_is_scipys(n, m):
    a, b = scores(0, n, 50), 3 * scores(1, m, 50) + np.linspace(0, 40, 50)
    ours, theirs = welch_test(a, b), scipy.stats.ttest_ind(a, b, equal_var=False)
    np.testing.assert_allclose(ours.statistic, theirs.statistic, rtol=1e-12)
    np.testing.assert_allclose(ours.degrees, theirs.df, rtol=1e-12)
    np.testing.assert_allclose(ours.p_value, theirs.pvalue, rtol=1e-9)


def test_welch_without_spread():
    test = welch_test([[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_array_equal(test.statistic, [0, -np.inf])
    np.testing.assert_array_equal(test.p_value, [1, 0])


@pytest.mark.parametrize("value", [0.01, 0.7, -1e9 / 3, 0.0])
def test_welch_ignores_rounding_errors_of_equal_scores(value):
    """Means of 10 and 5 equal numbers may differ in the last bit."""
    for n in range(2, 12):
        test = welch_test([value] * 10, [value] * n)
        assert (test.statistic, test.degrees, test.p_value) == (0, np.inf, 1)
    other = welch_test([value] * 10, [value * (1 + 1e-9) + 1e-9] * 5)
    assert other.p_value == 0


def test_welch_has_the_level_it_states():
    a, b = scores(2, 5, 20_000), 4 * scores(3, 9, 20_000)
    np.testing.assert_allclose(np.mean(welch_test(a, b).p_value < 0.05), 0.05, atol=0.01)


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 21])
def test_interquartile_mean_is_the_trimmed_mean(n):
    values = scores(n, n, 3)
    expected = scipy.stats.trim_mean(values, 0.25, axis=None)
    np.testing.assert_allclose(interquartile_mean(values), expected, rtol=1e-12)


def test_interquartile_mean_by_hand():
    assert interquartile_mean([100, 2, 3, -100]) == 2.5
    assert interquartile_mean([[100, 2], [3, -100]]) == 2.5


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_probability_of_improvement_is_the_u_statistic(a, b):
    expected = scipy.stats.mannwhitneyu(a, b).statistic / (len(a) * len(b))
    ours = probability_of_improvement(a, b)
    np.testing.assert_allclose(ours, expected)
    np.testing.assert_allclose(ours + probability_of_improvement(b, a), 1)


def test_probability_of_improvement_averages_tasks():
    a, b = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert probability_of_improvement(a, b) == (1 + 0.25) / 2


def test_area_under_curve():
    steps = np.array([0.0, 1.0, 4.0, 10.0])
    values = np.stack([np.full(4, 3.0), 2 * steps, steps**2])
    area = area_under_curve(steps, values)
    np.testing.assert_allclose(area, np.trapezoid(values, steps, axis=1) / 10)
    np.testing.assert_allclose(area[:2], [3, 10])


def test_first_time_above():
    steps = [10, 20, 40]
    values = [[0.1, 0.9, 0.2], [0.5, 0.9, 0.9], [0.0, 0.1, 0.2], [np.nan, np.nan, 0.7]]
    first = first_time_above(steps, values, 0.5)
    np.testing.assert_array_equal(first.times, [20, 10, 40, 40])
    np.testing.assert_array_equal(first.reached, [True, True, False, True])


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=12))
def test_median_time_is_kaplan_and_meiers(runs):
    times, reached = (np.array(column) for column in zip(*runs, strict=True))
    data = scipy.stats.CensoredData(
        times[reached].astype(float), right=times[~reached].astype(float)
    )
    survival = scipy.stats.ecdf(data).sf
    half = survival.quantiles[survival.probabilities <= 0.5 + 1e-9]
    assert median_time(FirstTimes(times, reached)) == (half[0] if len(half) else math.inf)


def test_median_time_by_hand():
    assert median_time(FirstTimes([1.0, 2.0, 9.0, 9.0], [True, True, False, False])) == 2
    assert median_time(FirstTimes([1.0, 9.0, 9.0], [True, False, False])) == math.inf
    assert median_time(FirstTimes([9.0], [False])) == math.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: welch_test([1.0], [1.0, 2.0]),
        lambda: interquartile_mean(3.0),
        lambda: probability_of_improvement(np.zeros((2, 3)), np.zeros((2, 4))),
        lambda: area_under_curve([1.0], [[1.0]]),
        lambda: area_under_curve([1.0, 1.0], [[1.0, 2.0]]),
        lambda: first_time_above([1.0, 2.0], [1.0, 2.0], 0.5),
    ],
)
def test_what_cannot_be_computed_is_told(call):
    with pytest.raises(SettingError):
        call()
