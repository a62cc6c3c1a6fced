"""Combinators, checked with teachers whose proposals tell who made them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, Teacher

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 0, 4, integer=True)))


class Tally(NamedTuple):
    proposed: Array
    observed: Array


def constant(value):
    """Proposes one task only, and counts what it is asked for and told of."""

    def propose(state, key, n):
        return jnp.full((n, 2), value), state._replace(proposed=state.proposed + n)

    def observe(state, tasks, outcomes):
        return state._replace(observed=state.observed + jnp.sum(outcomes.weights))

    return Teacher(
        lambda key: Tally(jnp.int32(0), jnp.float32(0)),
        propose,
        observe,
        lambda state: {"means": jnp.full((1, 2), value)},
    )


def outcomes(success, weights=None):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(success, success, one, weights, {})


def test_a_mixture_keeps_its_proportions():
    teacher = teachers.mixture([(0.7, constant(1.0)), (0.0, constant(2.0)), (0.3, constant(3.0))])
    state = teacher.init(jax.random.key(0))
    tasks, state = jax.jit(teacher.propose, static_argnums=2)(state, jax.random.key(1), 20_000)
    values, counts = np.unique(np.asarray(tasks[:, 0]), return_counts=True)
    np.testing.assert_array_equal(values, [1, 3])
    np.testing.assert_allclose(counts / 20_000, [0.7, 0.3], atol=0.015)
    assert np.all(np.asarray(tasks[:, 0] == tasks[:, 1]))


def test_everybody_in_a_mixture_observes_everything():
    teacher = teachers.mixture([(0.5, constant(1.0)), (0.5, constant(2.0))])
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, jnp.ones((4, 2)), outcomes([1, 1, 0, 1], [1, 0, 1, 1]))
    assert [float(part.observed) for part in state] == [3, 3]


def test_a_mixture_shows_the_first_picture():
    teacher = teachers.mixture([(0.5, teachers.uniform(SPACE)), (0.5, constant(2.0))])
    picture = teacher.picture(teacher.init(jax.random.key(0)))
    assert float(picture["means"][0, 0]) == 2


def test_parts_of_a_mixture_draw_independently():
    teacher = teachers.mixture([(0.5, teachers.uniform(SPACE)), (0.5, teachers.uniform(SPACE))])
    states = teacher.init(jax.random.key(0))
    a, _ = teacher.propose(states, jax.random.key(1), 500)
    b, _ = teacher.propose(states, jax.random.key(2), 500)
    assert len(np.unique(np.asarray(a)[:, 0])) > 490
    assert not np.array_equal(a, b)


@pytest.mark.parametrize(
    "weights", [(), (0.5,), (0.5, 0.6), (1.5, -0.5), (float("nan"), 1.0), (float("inf"), 0.0)]
)
def test_weights_of_a_mixture_are_checked(weights):
    with pytest.raises(SettingError, match="but must be"):
        teachers.mixture([(weight, constant(1.0)) for weight in weights])


def test_a_mixture_needs_one_task_space():
    one = Box((Dimension("x", 0, 1),))
    teacher = teachers.mixture([(0.5, teachers.uniform(SPACE)), (0.5, teachers.uniform(one))])
    with pytest.raises(SettingError, match="task space"):
        teacher.propose(teacher.init(jax.random.key(0)), jax.random.key(0), 3)


def warm(**settings):
    return teachers.warm_started(constant(9.0), constant(1.0), **settings)


def test_warm_start_ends_when_easy_tasks_are_mastered():
    teacher = warm(until=0.9, horizon=20, minimum=50)
    observe = jax.jit(teacher.observe)
    rng = np.random.default_rng(0)
    state = teacher.init(jax.random.key(0))
    average, told = 0.0, 0
    switched = None
    for i in range(40):
        chance = min(1.0, i / 20)
        success = (rng.random(16) < chance).astype(float)
        weights = rng.random(16) < 0.5
        state = observe(state, jnp.ones((16, 2)), outcomes(success, weights))
        # The definition, one episode after the other.
        for s, w in zip(success, weights, strict=True):
            if w:
                average, told = average + (s - average) / 20, told + 1
        corrected = average / (1 - 0.95**told)
        if switched is None and told >= 50 and corrected >= 0.9:
            switched = i
        assert bool(state.warm) == (switched is not None), i
        tasks, _ = teacher.propose(state, jax.random.key(i), 8)
        assert np.all(np.asarray(tasks) == (1 if switched is None else 9))
        if switched is None:
            np.testing.assert_allclose(state.success, average, atol=1e-5)
    assert switched is not None
    assert switched > 10


def test_warm_start_waits_for_its_minimum_and_does_not_come_back():
    teacher = warm(until=0.5, horizon=10, minimum=30)
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, jnp.ones((29, 2)), outcomes(np.ones(29)))
    assert not bool(state.warm)
    state = teacher.observe(state, jnp.ones((1, 2)), outcomes(np.ones(1)))
    assert bool(state.warm)
    state = teacher.observe(state, jnp.ones((500, 2)), outcomes(np.zeros(500)))
    assert bool(state.warm)


def test_both_teachers_of_a_warm_start_observe_all_along():
    teacher = warm(until=1.0, horizon=10, minimum=10)
    state = teacher.init(jax.random.key(0))
    for _ in range(3):
        state = teacher.observe(state, jnp.ones((8, 2)), outcomes(np.ones(8)))
    assert float(state.inner.observed) == 24
    assert float(state.easy.observed) == 24
    assert float(teacher.picture(state)["means"][0, 0]) == 9


def test_rows_of_weight_0_do_not_warm():
    teacher = warm(horizon=7, minimum=5)
    observe = jax.jit(teacher.observe)
    state = observe(teacher.init(jax.random.key(0)), jnp.ones((6, 2)), outcomes([1, 0, 1, 1, 0, 1]))
    after = observe(state, jnp.ones((6, 2)), outcomes(np.full(6, np.nan), np.zeros(6)))
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()


def test_some_easy_tasks_may_remain():
    teacher = warm(until=0.5, horizon=1, minimum=1, remaining=0.25)
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, jnp.ones((1, 2)), outcomes([1]))
    tasks, _ = teacher.propose(state, jax.random.key(0), 10_000)
    assert abs(float(jnp.mean(tasks[:, 0] == 1)) - 0.25) < 0.02


def test_warm_start_takes_a_box():
    easy = SPACE.restricted(x=(2, 3), n=1)
    teacher = teachers.warm_started(teachers.alp_gmm(SPACE), easy)
    tasks, _ = teacher.propose(teacher.init(jax.random.key(0)), jax.random.key(0), 100)
    assert np.all(easy.contains(tasks))


@pytest.mark.parametrize(
    "bad", [{"until": 0}, {"until": 1.1}, {"horizon": 0}, {"minimum": 0}, {"remaining": -0.1}]
)
def test_bad_settings_of_a_warm_start_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        warm(**bad)


def test_restricted_proposals_lie_in_the_smaller_space():
    small = SPACE.restricted(x=(2, 3), n=(1, 2))
    teacher = teachers.restricted(teachers.uniform(SPACE), small)
    tasks, _ = teacher.propose(teacher.init(jax.random.key(0)), jax.random.key(0), 500)
    assert np.all(small.contains(tasks))
    assert len(np.unique(np.asarray(tasks)[:, 0])) > 30
