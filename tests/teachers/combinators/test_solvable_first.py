"""Rejected tasks: the distribution given the predicate, the bounded tries, and what follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes.samplers import Blocks
from didact.environments.grid.mazes.task_space import Levels
from didact.teachers import FOREIGN, Outcomes, Proposals, Teacher, propose, testing

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 0, 4, integer=True)))


def corner(tasks):
    """True for 12 % of the space."""
    return (tasks[:, 0] < 3) & (tasks[:, 1] >= 3)


def drawn(teacher, n, seed=0):
    state = teacher.init(jax.random.key(seed))
    return propose(teacher, state, jax.random.key(seed + 1), n)[0]


def test_the_tasks_are_those_of_the_teacher_given_the_predicate():
    teacher = teachers.solvable_first(teachers.uniform(SPACE), corner, tries=100)
    tasks = np.asarray(drawn(teacher, 4000).tasks)
    assert np.asarray(corner(tasks)).all()
    everything = np.asarray(SPACE.sample(jax.random.key(5), 100_000))
    wanted = everything[np.asarray(corner(everything))]
    assert scipy.stats.ks_2samp(tasks[:, 0], wanted[:, 0]).pvalue > 0.01
    assert abs(np.mean(tasks[:, 1] == 3) - 0.5) < 0.04
    assert len(np.unique(tasks[:, 0])) > 3900  # new draws, not repeated ones


def test_a_new_request_is_independent_of_the_first():
    """A part of a mixture must not become more likely because the retry repeats its draws."""
    space = Box((Dimension("x", 0, 1),))
    upper = teachers.uniform(space.restricted(x=(0.5, 1)))
    both = teachers.mixture([(0.5, teachers.alp_gmm(space)), (0.5, upper)])
    teacher = teachers.solvable_first(both, lambda tasks: tasks[:, 0] >= 0.5, tries=16)
    state = teacher.init(jax.random.key(0))
    ask = jax.jit(jax.vmap(lambda key: propose(teacher, state, key, 4000)[0]))
    tags = np.asarray(ask(jax.random.split(jax.random.key(2), 8)).tag).ravel()
    first = np.mean(tags == np.bincount(tags).argmin())  # half of its tasks are rejected
    assert abs(first - 1 / 3) < 0.02


def counting(space):
    """Counts how often it was asked."""
    return Teacher(
        lambda key: jnp.int32(0),
        lambda state, key, n: (Proposals.of(space.sample(key, n), 0.5, jnp.arange(n)), state + 1),
        lambda state, proposals, outcomes: state,
    )


@pytest.mark.parametrize(
    ("predicate", "asked"),
    [
        (lambda tasks: jnp.ones(len(tasks), bool), 1),
        (lambda tasks: jnp.zeros(len(tasks), bool), 5),
    ],
)
def test_it_asks_as_often_as_it_must_and_no_more_than_allowed(predicate, asked):
    teacher = teachers.solvable_first(counting(SPACE), predicate, tries=5)
    ask = jax.jit(lambda state, key: propose(teacher, state, key, 20))
    proposals, state = ask(teacher.init(jax.random.key(0)), jax.random.key(1))
    assert int(state) == asked
    np.testing.assert_array_equal(proposals.tag, np.arange(20))  # with nothing to repeat
    assert np.all(np.asarray(proposals.learn) == 0.5)


def test_what_remains_repeats_a_solvable_proposal():
    teacher = teachers.solvable_first(counting(SPACE), corner, tries=1)
    first = np.asarray(drawn(counting(SPACE), 200).tasks)
    proposals = drawn(teacher, 200)
    tasks, tags = np.asarray(proposals.tasks), np.asarray(proposals.tag)
    assert np.asarray(corner(tasks)).all()
    assert 5 < len(np.unique(tags)) < 60
    # A repeated task keeps the tag of its proposal.
    _, index = np.unique(tags, return_index=True)
    owners = {int(tags[i]): tasks[i] for i in index}
    assert all(np.array_equal(owners[int(t)], x) for t, x in zip(tags, tasks, strict=True))
    assert len(first) == 200


def test_what_remains_comes_from_the_fallback():
    easy = SPACE.restricted(x=9, n=0)
    teacher = teachers.solvable_first(counting(SPACE), corner, tries=2, fallback=easy)
    proposals = drawn(teacher, 500)
    tasks, tags = np.asarray(proposals.tasks), np.asarray(proposals.tag)
    other = tags % 2 == 1
    np.testing.assert_array_equal(other, ~np.asarray(corner(tasks)))
    assert np.all(tasks[other] == [9, 0])
    assert 0.6 < other.mean() < 0.9  # .88 ** 2 = .77
    np.testing.assert_array_equal(tags[~other] // 2, np.flatnonzero(~other))

    seen = Teacher(
        lambda key: jnp.zeros(2, jnp.int32),
        lambda state, key, n: (SPACE.sample(key, n), state),
        lambda state, proposals, outcomes: proposals.tag,
    )
    teacher = teachers.solvable_first(seen, corner, fallback=seen)
    one = jnp.ones(2)
    shown = Proposals.of(jnp.zeros((2, 2)), tag=jnp.array([6, 9]))
    state = teacher.init(jax.random.key(0))
    first, second = teacher.observe(state, shown, Outcomes(one, one, one, one, {}))
    np.testing.assert_array_equal(first, [3, FOREIGN])
    np.testing.assert_array_equal(second, [FOREIGN, 4])


@pytest.mark.slow
@pytest.mark.parametrize("fallback", [None, SPACE.restricted(x=1)])
def test_it_keeps_the_promises_of_a_teacher(fallback):
    def make(space):
        inner = teachers.pool(space, 8, space_fraction=0.5)
        return teachers.solvable_first(inner, corner, tries=3, fallback=fallback)

    testing.check(make, SPACE)


def test_mazes_by_name():
    space = Levels(5, 5, Blocks(0, 20))
    plain = drawn(teachers.uniform(space), 256).tasks
    assert np.mean(np.asarray(space.solvable(plain))) < 0.9
    teacher = teachers.make("solvable_first", space, teacher="uniform", tries=50)
    assert np.asarray(space.solvable(drawn(teacher, 256).tasks)).all()


def test_bad_settings_are_named():
    with pytest.raises(SettingError, match="tries is 0"):
        teachers.solvable_first(teachers.uniform(SPACE), corner, tries=0)
    teacher = teachers.solvable_first(teachers.uniform(SPACE), lambda tasks: tasks[:, 0])
    with pytest.raises(SettingError, match=r"predicate is .*float32.*, but must be"):
        drawn(teacher, 3)
    with pytest.raises(SettingError, match="space is 'Box'"):
        teachers.make("solvable_first", SPACE)
