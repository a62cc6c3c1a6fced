"""A number that falls while everything else is as the teacher would have it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Box, Dimension, SettingError
from didact.teachers import (
    Outcomes,
    alp_gmm,
    annealed,
    pool,
    propose,
    testing,
    uniform,
    warm_started,
)

pytestmark = pytest.mark.slow

SPACE = Box((Dimension("size", 1, 9), Dimension("help", 0.2, 1)))


def test_it_falls_by_what_was_proposed():
    teacher = annealed(uniform(SPACE), SPACE, "help", 1000)
    state = teacher.init(jax.random.key(0))
    draw = jax.jit(lambda state, key: propose(teacher, state, key, 250))
    for number in range(6):
        (tasks, _, _), state = draw(state, jax.random.key(number))
        highest = 0.2 + 0.8 * max(0, 1 - number / 4)
        low, mean, high = (f(tasks[:, 1]) for f in (np.min, np.mean, np.max))
        assert low >= np.float32(0.2)
        assert high <= highest + 1e-6
        np.testing.assert_allclose([low, mean, high], [0.2, 0.1 + highest / 2, highest], atol=0.06)
        assert np.ptp(tasks[:, 0]) > 7
        assert np.corrcoef(tasks.T)[0, 1] < 0.2 if number < 4 else np.all(tasks[:, 1] == high)


@pytest.mark.parametrize("proposals", [10**9, 3 * 10**12])
def test_small_batches_are_counted_in_long_trainings(proposals):
    teacher = annealed(uniform(SPACE), SPACE, "help", proposals)
    state, n = teacher.init(jax.random.key(0)), 1000
    unit = -(-proposals // 2**30)
    half = state._replace(count=jnp.int32(round(proposals / unit / 2)))
    state = half
    for number in range(6):
        (tasks, _, _), state = propose(teacher, state, jax.random.key(number), n)
    assert int(state.count - half.count) * unit + int(state.rest) == 6 * n
    np.testing.assert_allclose(tasks[:, 1].max(), 0.2 + 0.8 / 2, atol=1e-3)
    end = state._replace(count=jnp.int32(round(proposals / unit)))
    (tasks, _, _), _ = propose(teacher, end, jax.random.key(0), n)
    np.testing.assert_allclose(tasks[:, 1], 0.2, atol=1e-6)


TAUGHT = SPACE.restricted(help=1)


@pytest.mark.parametrize(
    "inner",
    [pool(TAUGHT, capacity=8), alp_gmm(TAUGHT), warm_started(pool(TAUGHT, capacity=8), TAUGHT)],
    ids=["pool", "alp_gmm", "warm_started"],
)
def test_the_inner_teacher_learns_as_if_nothing_faded(inner):
    """Bit for bit what it learns of the same outcomes by itself."""
    teacher = annealed(inner, SPACE, "help", 400)
    state = teacher.init(jax.random.key(0))
    alone = inner.init(jax.random.key(0))

    @jax.jit
    def lesson(state, alone, key):
        proposals, state = propose(teacher, state, key, 64)
        own, alone = propose(inner, alone, jax.random.split(key)[0], 64)
        success = (proposals.tasks[:, 0] < 5).astype(jnp.float32)
        outcomes = Outcomes(success, success, proposals.tasks[:, 0], jnp.ones(64), {})
        state = teacher.observe(state, proposals, outcomes)
        return state, inner.observe(alone, own, outcomes), proposals, own

    for number in range(10):
        state, alone, proposals, own = lesson(state, alone, jax.random.key(number))
        tasks = proposals.tasks
        np.testing.assert_array_equal(tasks[:, 0], own.tasks[:, 0])
        np.testing.assert_array_equal(proposals.tag, own.tag)
    assert np.all(tasks[:, 1] == np.float32(0.2))
    for a, b in zip(jax.tree.leaves(state.inner), jax.tree.leaves(alone), strict=True):
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(a, b)


def test_a_pool_knows_its_tasks_again():
    teacher = annealed(pool(TAUGHT, capacity=8), SPACE, "help", 1000)
    state = teacher.init(jax.random.key(0))
    for number in range(5):
        proposals, state = propose(teacher, state, jax.random.key(number), 64)
        outcomes = Outcomes(*[jnp.ones(64)] * 4, {})
        state = teacher.observe(state, proposals, outcomes)
    assert state.inner.tried == state.inner.episodes == 5 * 64


def test_settings_without_meaning_are_refused():
    with pytest.raises(SettingError, match="sound"):
        annealed(uniform(SPACE), SPACE, "sound", 10)
    with pytest.raises(SettingError, match="proposals is 0"):
        annealed(uniform(SPACE), SPACE, "help", 0)


def test_it_keeps_the_promises_of_a_teacher():
    testing.check(lambda space: annealed(pool(TAUGHT, capacity=8), space, "help", 300), SPACE)
