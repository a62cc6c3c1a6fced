"""Student's intervals, compared with SciPy."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from didact.common.errors import SettingError
from didact.common.intervals import incomplete_beta, t_interval


@given(st.floats(0.05, 1000), st.floats(0.05, 1000), st.floats(0, 1))
def test_incomplete_beta_is_scipys(a, b, x):
    expected = scipy.special.betainc(a, b, x)
    np.testing.assert_allclose(incomplete_beta(a, b, x), expected, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("n", [2, 5, 32])
def test_t_interval_is_scipys(n):
    values = np.random.default_rng(7).normal(size=(n, 20)) + np.arange(20)
    ours = t_interval(values, 0.9)
    error = scipy.stats.sem(values)
    theirs = scipy.stats.t.interval(0.9, n - 1, values.mean(axis=0), error)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_it_covers_the_mean_of_few_runs_as_often_as_it_says():
    values = np.random.default_rng(0).normal(size=(5, 4000))
    low, high = t_interval(values)
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("values", "more"), [([1.0], {}), (3.0, {}), ([], {}), ([1.0, 2.0], {"confidence": 1.0})]
)
def test_intervals_that_cannot_be_computed(values, more):
    with pytest.raises(SettingError):
        t_interval(values, **more)
