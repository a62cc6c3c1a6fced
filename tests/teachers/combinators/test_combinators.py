"""Combinators, checked with teachers whose proposals tell who made them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import FOREIGN, Outcomes, Proposals, Teacher, propose, testing

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 0, 4, integer=True)))


class Tally(NamedTuple):
    proposed: Array
    observed: Array


def constant(value):
    """Proposes one task only, and counts what it is asked for and told of."""

    def proposed(state, key, n):
        return jnp.full((n, 2), value), state._replace(proposed=state.proposed + n)

    def observe(state, proposals, outcomes):
        return state._replace(observed=state.observed + jnp.sum(outcomes.weights))

    return Teacher(
        lambda key: Tally(jnp.int32(0), jnp.float32(0)),
        proposed,
        observe,
        lambda state: {"means": jnp.full((1, 2), value)},
    )


def outcomes(success, weights=None):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(success, success, one, weights, {})


def drawn(teacher, state, key, n):
    """The proposed tasks alone."""
    return np.asarray(propose(teacher, state, key, n)[0].tasks)


ONES = Proposals.of(jnp.ones((500, 2)))


def ones(n):
    return jax.tree.map(lambda x: x[:n], ONES)


def test_a_mixture_keeps_its_proportions():
    teacher = teachers.mixture([(0.7, constant(1.0)), (0.0, constant(2.0)), (0.3, constant(3.0))])
    state = teacher.init(jax.random.key(0))
    tasks = drawn(teacher, state, jax.random.key(1), 20_000)
    values, counts = np.unique(np.asarray(tasks[:, 0]), return_counts=True)
    np.testing.assert_array_equal(values, [1, 3])
    np.testing.assert_allclose(counts / 20_000, [0.7, 0.3], atol=0.015)
    assert np.all(np.asarray(tasks[:, 0] == tasks[:, 1]))


def test_everybody_in_a_mixture_observes_everything():
    teacher = teachers.mixture([(0.5, constant(1.0)), (0.5, constant(2.0))])
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, ones(4), outcomes([1, 1, 0, 1], [1, 0, 1, 1]))
    assert [float(part.observed) for part in state] == [3, 3]


def tagging(first, learn):
    """Marks its proposals with numbers from `first` on; its state is the tags that it observed."""

    def proposed(state, key, n):
        return Proposals.of(SPACE.sample(key, n), learn, first + jnp.arange(n)), state

    def observe(state, proposals, outcomes):
        return proposals

    def init(key):
        return Proposals.of(jnp.zeros((30, 2)))

    return Teacher(init, proposed, observe)


def test_each_part_of_a_mixture_finds_its_own_tags():
    """In a mixture inside of a mixture too: all others are foreign."""
    parts = {10: 1.0, 200: 0.0, 3000: 0.5}
    first, second, third = (tagging(tag, learn) for tag, learn in parts.items())
    inner = teachers.mixture([(0.5, second), (0.5, third)])
    teacher = teachers.mixture([(0.4, first), (0.6, inner)])
    state = teacher.init(jax.random.key(0))
    proposals, state = jax.jit(lambda state, key: propose(teacher, state, key, 30))(
        state, jax.random.key(1)
    )
    assert len(np.unique(proposals.tag)) == 30
    order = jax.random.permutation(jax.random.key(2), 30)
    shown = jax.tree.map(lambda x: x[order], proposals)
    one, (two, three) = jax.jit(teacher.observe)(state, shown, outcomes(np.ones(30)))
    owners = np.zeros(30, int)
    for (tag, learn), seen in zip(parts.items(), (one, two, three), strict=True):
        own = np.asarray(seen.tag) != FOREIGN
        assert 3 < own.sum() < 20
        # The tag says in which row of the proposals it was.
        np.testing.assert_array_equal(seen.tag[own] - tag, order[own])
        np.testing.assert_array_equal(seen.tasks, shown.tasks)
        assert np.all(np.asarray(seen.learn)[own] == learn)
        owners += own
    assert np.all(owners == 1)


def test_a_warm_start_keeps_tags_apart():
    teacher = teachers.warm_started(tagging(100, 1), tagging(0, 0), until=1, minimum=1, horizon=1)
    state = teacher.init(jax.random.key(0))
    for warm in (False, True):
        proposals, state = propose(teacher, state, jax.random.key(1), 30)
        assert np.all(np.asarray(proposals.learn) == warm)
        state = teacher.observe(state, proposals, outcomes(np.ones(30)))
        mine, other = (state.inner, state.easy) if warm else (state.easy, state.inner)
        np.testing.assert_array_equal(mine.tag, np.arange(30) + 100 * warm)
        assert np.all(np.asarray(other.tag) == FOREIGN)


def test_costly_parts_make_a_costly_whole():
    cheap, costly = constant(1.0), constant(2.0)._replace(batch=8)
    assert teachers.mixture([(0.5, cheap), (0.5, cheap)]).batch is None
    assert teachers.mixture([(0.5, cheap), (0.5, costly)]).batch == 8
    assert teachers.warm_started(costly, cheap).batch == 8
    assert teachers.restricted(costly, SPACE).batch == 8
    assert teachers.annealed(costly, SPACE, "x", 10).batch == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda space: teachers.mixture(
            [(0.5, teachers.pool(space, 8)), (0.5, teachers.uniform(space))]
        ),
        lambda space: teachers.warm_started(
            teachers.pool(space, 8), space.restricted(x=1), until=0.4, horizon=20, minimum=100
        ),
        lambda space: teachers.restricted(teachers.uniform(space), space.restricted(x=(1, 2))),
    ],
    ids=["mixture", "warm_started", "restricted"],
)
def test_combinators_keep_the_promises_of_a_teacher(make):
    testing.check(make, SPACE)


def test_a_mixture_shows_the_first_picture():
    teacher = teachers.mixture([(0.5, teachers.uniform(SPACE)), (0.5, constant(2.0))])
    picture = teacher.picture(teacher.init(jax.random.key(0)))
    assert float(picture["means"][0, 0]) == 2


def test_parts_of_a_mixture_draw_independently():
    teacher = teachers.mixture([(0.5, teachers.uniform(SPACE)), (0.5, teachers.uniform(SPACE))])
    states = teacher.init(jax.random.key(0))
    a = drawn(teacher, states, jax.random.key(1), 500)
    b = drawn(teacher, states, jax.random.key(2), 500)
    assert len(np.unique(a[:, 0])) > 490
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
        state = observe(state, ones(16), outcomes(success, weights))
        # The definition, one episode after the other.
        for s, w in zip(success, weights, strict=True):
            if w:
                average, told = average + (s - average) / 20, told + 1
        corrected = average / (1 - 0.95**told)
        if switched is None and told >= 50 and corrected >= 0.9:
            switched = i
        assert bool(state.warm) == (switched is not None), i
        tasks = drawn(teacher, state, jax.random.key(i), 8)
        assert np.all(tasks == (1 if switched is None else 9))
        if switched is None:
            np.testing.assert_allclose(state.success, average, atol=1e-5)
    assert switched is not None
    assert switched > 10


def test_warm_start_waits_for_its_minimum_and_does_not_come_back():
    teacher = warm(until=0.5, horizon=10, minimum=30)
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, ones(29), outcomes(np.ones(29)))
    assert not bool(state.warm)
    state = teacher.observe(state, ones(1), outcomes(np.ones(1)))
    assert bool(state.warm)
    state = teacher.observe(state, ones(500), outcomes(np.zeros(500)))
    assert bool(state.warm)


def test_both_teachers_of_a_warm_start_observe_all_along():
    teacher = warm(until=1.0, horizon=10, minimum=10)
    state = teacher.init(jax.random.key(0))
    for _ in range(3):
        state = teacher.observe(state, ones(8), outcomes(np.ones(8)))
    assert float(state.inner.observed) == 24
    assert float(state.easy.observed) == 24
    assert float(teacher.picture(state)["means"][0, 0]) == 9


def test_some_easy_tasks_may_remain():
    teacher = warm(until=0.5, horizon=1, minimum=1, remaining=0.25)
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, ones(1), outcomes([1]))
    tasks = drawn(teacher, state, jax.random.key(0), 10_000)
    assert abs(float(np.mean(tasks[:, 0] == 1)) - 0.25) < 0.02


def test_warm_start_takes_a_box():
    easy = SPACE.restricted(x=(2, 3), n=1)
    teacher = teachers.warm_started(teachers.alp_gmm(SPACE), easy)
    tasks = drawn(teacher, teacher.init(jax.random.key(0)), jax.random.key(0), 100)
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
    tasks = drawn(teacher, teacher.init(jax.random.key(0)), jax.random.key(0), 500)
    assert np.all(small.contains(tasks))
    assert len(np.unique(np.asarray(tasks)[:, 0])) > 30
