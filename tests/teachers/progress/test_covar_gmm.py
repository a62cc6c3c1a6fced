"""Covar-GMM against NumPy and against the published figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.benchmarks.curricula import toy_teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.toys import toy_grid
from didact.teachers import Outcomes, Proposals

pytestmark = pytest.mark.slow

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
EASY = UNIT.restricted(x=(0, 0.1), y=(0, 0.1))


def outcomes(returns):
    returns = jnp.asarray(returns, jnp.float32)
    one = jnp.ones_like(returns)
    return Outcomes(returns, returns, one, one, {})


def taught(teacher, tasks, returns, batch):
    observe = jax.jit(teacher.observe)
    state = teacher.init(jax.random.key(0))
    for start in range(0, len(tasks), batch):
        rows = slice(start, start + batch)
        shown = Proposals.of(jnp.asarray(tasks[rows], jnp.float32))
        state = observe(state, shown, outcomes(returns[rows]))
    return state


@pytest.mark.parametrize(
    ("batch", "window", "numbers"),
    [
        (1, None, np.arange(260, 300)),  # fitted at 300 to the latest 40
        (60, None, np.arange(180, 300)),  # two calls
        (60, 50, np.arange(250, 300)),
    ],
)
def test_fits_to_task_time_and_outcome(batch, window, numbers):
    """The mean and covariance of a mixture of one are those of its rows."""
    rng = np.random.default_rng(0)
    tasks, returns = rng.random((300, 2)), rng.random(300)
    teacher = teachers.covar_gmm(
        UNIT, fit_rate=30, window=window or (40 if batch == 1 else None), k_min=1, k_max=1
    )
    state = taught(teacher, tasks, returns, batch)
    assert int(state.count) == int(state.fitted) == 300
    time = np.arange(len(numbers)) / len(numbers)
    rows = np.column_stack([tasks[numbers], time, returns[numbers]])
    np.testing.assert_allclose(state.means[0], rows.mean(axis=0), atol=1e-5)
    covariance = np.cov(rows.T, bias=True) + 1e-6 * np.eye(4)
    np.testing.assert_allclose(state.covariances[0], covariance, atol=1e-5)


def test_of_many_rows_an_even_part_is_used():
    rng = np.random.default_rng(0)
    tasks, returns = rng.random((1800, 2)), rng.random(1800)
    teacher = teachers.covar_gmm(UNIT, k_min=1, k_max=1, history=1500)
    state = taught(teacher, tasks, returns, 600)
    numbers = 1800 - 1 - (499 * 1200 // 500) + np.arange(500) * 1200 // 500
    np.testing.assert_allclose(state.means[0, :2], tasks[numbers].mean(axis=0), atol=1e-5)


def test_proposes_where_outcomes_rise_with_time():
    """Not where they fall, and not where they vary."""
    rng = np.random.default_rng(0)
    tasks = rng.random((600, 2))
    rising = np.arange(600) / 600
    returns = np.where(tasks[:, 0] < 1 / 3, rising, 1 - rising)
    returns = np.where(tasks[:, 0] > 2 / 3, rng.random(600) > 0.5, returns)
    teacher = teachers.covar_gmm(UNIT, fit_rate=600, random_fraction=0.0)
    state = taught(teacher, tasks, returns, 600)
    proposed = np.asarray(teacher.propose(state, jax.random.key(1), 4000)[0])
    assert np.mean(proposed[:, 0] < 0.4) > 0.8


@pytest.mark.parametrize("easy", [None, EASY])
def test_without_progress_tasks_are_uniform_or_easy(easy):
    teacher = teachers.covar_gmm(UNIT, fit_rate=100, random_fraction=0.0, fallback=easy)
    tasks = 0.4 + 0.1 * np.random.default_rng(0).random((200, 2))
    for state in (
        taught(teacher, tasks[:1], np.zeros(1), 1),
        taught(teacher, tasks, np.zeros(200), 100),
    ):
        proposed = np.asarray(teacher.propose(state, jax.random.key(1), 4000)[0])
        extent = 1 if easy is None else 0.1
        np.testing.assert_allclose(proposed.mean(axis=0), extent / 2, atol=0.02)
        np.testing.assert_allclose(proposed.std(axis=0), extent / 12**0.5, atol=0.02)


@pytest.mark.parametrize("bad", [{"fit_rate": 1}, {"outcome": "reward"}, {"fallback": UNIT}])
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        teachers.covar_gmm(UNIT, **bad)


@pytest.mark.parametrize("useless", [0, 5])
def test_masters_the_toy_grid_as_published(useless, optimised):
    space = toy_grid.task_space(2, useless)
    teacher = teachers.make("covar_gmm", space, preset="paper")
    keys = jax.random.split(jax.random.key(0), 32)
    scores = jax.jit(jax.vmap(lambda key: toy_teachers.run(teacher, key)))(keys)
    mean, sd = toy_teachers.PUBLISHED["covar_gmm", "paper", useless]
    assert abs(np.asarray(scores)[:, -1].mean() - mean) < 2 * sd
