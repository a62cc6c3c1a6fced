"""The pool of tasks, against plain Python and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes import Blocks, Levels
from didact.teachers import Outcomes, Proposals, Teacher
from didact.teachers.pool import PoolState, report
from didact.teachers.pool import refill as eager_refill

SPACE = Box((Dimension("x", 0, 1), Dimension("n", 0, 5, integer=True)))
FIRST = [[0.25, 1], [0.5, 2], [0.75, 3]]


refill = jax.jit(eager_refill)


def compiled(teacher):
    """Op by op these tests would take a minute. What it observes may be plain tasks."""
    init, propose = jax.jit(teacher.init), jax.jit(teacher.propose, static_argnums=2)
    observe = jax.jit(lambda state, tasks, rows: teacher.observe(state, Proposals.of(tasks), rows))
    return Teacher(init, propose, observe, teacher.picture)


def outcomes(success, weights=None):
    success = np.asarray(success, np.float32)
    weights = np.ones_like(success) if weights is None else np.asarray(weights, np.float32)
    return Outcomes(success, success, success, weights, {})


def started(**settings):
    teacher = compiled(teachers.pool(SPACE, first=FIRST, **{"capacity": 4} | settings))
    return teacher, teacher.init(jax.random.key(0))


def by_hand(episodes, rate):
    """Both averages of one task, an episode at a time, in plain Python."""
    fast = slow = 0.0
    for number, success in enumerate(episodes, 1):
        gain = max(rate, 1 / number)
        fast += gain * (success - fast)
        slow += gain * (fast - slow)
    return fast, slow


def test_an_episode_counts_for_the_row_of_exactly_its_task():
    teacher, state = started(rate=0.3)
    rng = np.random.default_rng(0)
    seen = {i: [] for i in range(3)}
    for _ in range(40):
        i, success = rng.integers(3), int(rng.random() < 0.6)
        seen[i].append(success)
        # Beside it one whose weight is 0, and one of no task of the pool.
        rows = np.array([FIRST[i], FIRST[(i + 1) % 3], [0.25, 2]])
        state = teacher.observe(state, rows, outcomes([success, 1, 1], [1, 0, 1]))
    assert state.attempts.tolist() == [len(seen[i]) for i in range(3)] + [0]
    for i in range(3):
        fast, slow = by_hand(seen[i], 0.3)
        assert state.fast[i] == pytest.approx(fast, abs=1e-5)
        assert state.slow[i] == pytest.approx(slow, abs=1e-5)
    assert (int(state.tried), int(state.episodes)) == (40, 80)
    assert int(state.successes) == 40 + sum(map(sum, seen.values()))


def test_episodes_that_come_at_once_are_averaged():
    teacher, state = started(rate=0.5)
    rows = np.array([FIRST[1]] * 4)
    state = teacher.observe(state, rows, outcomes([1, 0, 1, 1]))
    assert state.fast[1] == pytest.approx(0.75)
    state = teacher.observe(state, rows[:2], outcomes([0, 0]))
    assert state.fast[1] == pytest.approx(0.75 / 4)  # (1 - 0.5)^2 of what was known stays
    assert state.slow[1] == pytest.approx(0.375)  # as if they had come one after the other


@pytest.mark.parametrize("size", [1, 5, 20])
def test_progress_does_not_depend_on_the_episodes_per_call(size):
    teacher, state = started(rate=0.05)
    for success in [0] * (400 // size) + [1] * (20 // size):
        state = teacher.observe(state, np.array([FIRST[1]] * size), outcomes([success] * size))
    assert state.fast[1] - state.slow[1] == pytest.approx(0.358, abs=1e-3)


def test_tasks_in_flight_are_not_credited_to_who_took_their_place():
    teacher, state = started(capacity=3)
    state = teacher.observe(state, np.array(FIRST * 10), outcomes([1, 0, 1] * 10))
    old = np.asarray(state.tasks)
    new = np.array([[0.9, 5], [0.0, 0]])
    state = refill(state, new, 1)
    (row,) = np.flatnonzero((np.asarray(state.tasks) != old).any(axis=1))
    assert state.attempts[row] == 0
    after = teacher.observe(state, np.array(old), outcomes([1, 1, 1]))
    assert after.attempts[row] == 0
    assert sorted(after.attempts.tolist()) == [0, 11, 11]
    assert after.fast[row] == 0


def test_worth():
    teacher, state = started(optimism=4.0, rate=0.01)
    rows = np.array([FIRST[0]] * 6 + [FIRST[1]] * 4)
    state = teacher.observe(state, rows, outcomes([1] * 6 + [1, 0, 0, 1]))
    # Six of six: no worth of its own, and 4 / (4 + 6) of doubt; untried: as good as the best.
    np.testing.assert_allclose(state.worth, [0.4 * 0.25, 0.25, 0.25, 0], atol=1e-6)

    teacher, state = started(score="progress", optimism=0.0, rate=0.2)
    rows = np.array(FIRST)
    history = [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 1, 0]]
    for success in history:
        state = teacher.observe(state, rows, outcomes(success))

    def f(p):
        return p * 0.9 / (p + 0.1 * (1 - 2 * p))

    for i in range(3):
        fast, slow = by_hand([row[i] for row in history], 0.2)
        assert state.worth[i] == pytest.approx(abs(f(fast) - f(slow)), abs=1e-5)
    assert state.worth[0] == 0  # never solved
    assert min(state.worth[1], state.worth[2]) > 0.05  # better, and worse


def test_proposals_are_in_proportion_to_worth():
    teacher, state = started(pool_fraction=0.3, space_fraction=0.1, optimism=0.0, rate=0.01)
    rows = np.array(FIRST * 10)
    success = np.stack([np.ones(10), np.arange(10) < 5, np.arange(10) < 2], axis=1).reshape(-1)
    state = teacher.observe(state, rows, outcomes(success))
    n = 40_000
    (tasks, *_), _ = teacher.propose(state, jax.random.key(1), n)
    where = (np.asarray(tasks)[:, None] == np.array(FIRST, np.float32)).all(-1)
    shares = where.mean(axis=0)
    # Worth 0, 0.25 and 0.16; a tenth is from anywhere, where x hardly ever is one of theirs.
    expected = 0.3 / 3 + 0.6 * np.array([0, 0.25, 0.16]) / 0.41
    np.testing.assert_allclose(shares, expected, atol=0.01)
    assert shares.sum() == pytest.approx(0.9, abs=0.01)
    assert np.all(SPACE.contains(tasks))


def test_refill_replaces_what_is_worth_least():
    first = [[i / 8, i % 6] for i in range(8)]
    teacher = compiled(teachers.pool(SPACE, capacity=8, first=first, optimism=1.0, rate=0.01))
    state = teacher.init(jax.random.key(0))
    # 0: mastered, 1: hopeless, 2 and 3: half; 4: mastered, but only three episodes; 5 to 7: none.
    for i, success in ((0, [1] * 20), (1, [0] * 20), (2, [0, 1] * 10), (3, [1, 0] * 10)):
        state = teacher.observe(state, np.array([first[i]] * 20), outcomes(success))
    state = teacher.observe(state, np.array([first[4]] * 3), outcomes([1, 1, 1]))

    def kept(state):
        tasks = np.asarray(state.tasks)
        return {i for i in range(8) if (tasks == np.array(first[i], np.float32)).all(-1).any()}

    new = np.array([[0.9 + i / 100, 5] for i in range(8)], np.float32)
    assert kept(refill(state, new, 0)) == set(range(8))
    assert kept(refill(state, new, 2)) == {2, 3, 4, 5, 6, 7}
    assert kept(refill(state, new, 4)) == {4, 5, 6, 7}  # those are not judged yet
    assert kept(refill(state, new, 5)) == {5, 6, 7}
    full = refill(state, new, 8)
    np.testing.assert_array_equal(sorted(full.tasks.tolist()), sorted(new.tolist()))
    assert full.attempts.tolist() == [0] * 8
    assert full.entered.tolist() == [1] * 8


def test_duplicates_do_not_enter():
    _, state = started()
    new = np.array([[0.25, 1], [0.9, 0], [0.9, 0], [-0.0, 0], [0.0, 0], [0.1, 0]])
    state = refill(state, new, 5)
    tasks = np.asarray(state.tasks)[np.asarray(state.filled)]
    assert len(np.unique(tasks + 0, axis=0)) == len(tasks) == 4
    assert {tuple(t) for t in tasks} >= {(np.float32(0.9), 0.0), (0.0, 0.0)}
    few = Box((Dimension("n", 1, 3, integer=True),))
    teacher = compiled(teachers.pool(few, capacity=50))
    assert int(np.sum(teacher.init(jax.random.key(0)).filled)) == 3
    (tasks, *_), _ = teacher.propose(teacher.init(jax.random.key(0)), jax.random.key(1), 200)
    assert set(tasks[:, 0].tolist()) == {1.0, 2.0, 3.0}


def test_more_new_tasks_than_rows():
    _, state = started(capacity=3)
    new = jnp.stack([jnp.linspace(0, 0.2, 7), jnp.zeros(7)], axis=1)
    after = refill(state, new, 7)
    assert len({tuple(t) for t in np.asarray(after.tasks).tolist()}) == 3
    assert np.all(np.asarray(after.tasks)[:, 0] <= np.float32(0.2))


def test_over_seeds_it_is_the_same_as_alone():
    teacher = teachers.pool(SPACE, 5)
    keys = jax.random.split(jax.random.key(3), 3)
    new = SPACE.sample(jax.random.key(9), 4)

    def lucky(tasks):
        success = (tasks[:, 0] > 0.5).astype(jnp.float32)
        return Outcomes(success, success, success, jnp.ones_like(success), {})

    def life(key, count):
        state = teacher.init(key)
        (tasks, *_), state = teacher.propose(state, key, 32)
        state = teacher.observe(state, Proposals.of(tasks), lucky(tasks))
        state = refill(state, new, count)
        return state, teacher.propose(state, key, 8)[0].tasks

    counts = np.array([0, 2, 4])
    together, once = jax.jit(jax.vmap(life))(keys, counts), jax.jit(life)
    for i in range(3):
        alone = once(keys[i], counts[i])
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-6)


def test_levels_are_tasks_too():
    space = Levels(5, 5, Blocks(0, 20))
    teacher = compiled(teachers.pool(space, capacity=8))
    state = teacher.init(jax.random.key(0))
    (tasks, *_), _ = teacher.propose(state, jax.random.key(1), 16)
    assert np.all(space.contains(tasks))
    state = teacher.observe(state, tasks, outcomes(np.ones(16)))
    assert int(state.tried) == 16
    told = report(state, space)
    assert np.array_equal(space.from_json(told.tasks[0].task), state.tasks[0])


def test_the_report():
    teacher, state = started(rate=0.1)
    rows = np.array([FIRST[0]] * 8 + [[0.1, 0.0]] * 2)
    state = teacher.observe(state, rows, outcomes([1, 1, 1, 1, 1, 1, 0, 0, 1, 0]))
    told = report(state, SPACE, environment="Here: a place", steps=70, since=(2, 1), seed=1)
    assert (told.environment, told.steps, told.seed) == ("Here: a place", 70, 1)
    assert told.schema == SPACE.json_schema()
    assert told.success == pytest.approx(6 / 8)
    assert [t.attempts for t in told.tasks] == [8, 0, 0]
    assert told.tasks[0].task == {"x": 0.25, "n": 1}
    assert told.tasks[0].success == pytest.approx(0.75)
    assert told.tasks[0].error == pytest.approx(np.sqrt(0.7 * 0.3 / 8))
    assert told.tasks[1].success == 0
    assert told.tasks[0].progress == 0
    later = teacher.observe(state, np.array([FIRST[0]]), outcomes([1]))
    assert report(later, SPACE).tasks[0].progress > 0
    assert isinstance(later, PoolState)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"capacity": 0}, "capacity"),
        ({"score": "luck"}, "score"),
        ({"rate": 0}, "rate"),
        ({"optimism": -1}, "optimism"),
        ({"pool_fraction": 2}, "pool_fraction"),
        ({"pool_fraction": 0.5, "space_fraction": 0.6}, "space_fraction"),
        ({"first": [[1]]}, "first"),
        ({"first": [[0, 0.5]]}, "first"),
        ({"first": []}, "first"),
    ],
)
def test_settings_without_meaning(settings, word):
    with pytest.raises(SettingError, match=word):
        teachers.pool(SPACE, **settings)


def test_it_finds_the_tasks_that_are_halfway():
    """Success falls along x; most proposals are where it is neither sure nor hopeless."""
    teacher = teachers.pool(SPACE, capacity=64)

    def lesson(state, key):
        task_key, key = jax.random.split(key)
        (tasks, *_), state = teacher.propose(state, task_key, 64)
        chance = jax.nn.sigmoid(20 * (0.6 - tasks[:, 0]))
        success = jax.random.bernoulli(key, chance)
        outcome = success.astype(jnp.float32)
        rows = Outcomes(outcome, outcome, outcome, jnp.ones(64), {})
        return teacher.observe(state, Proposals.of(tasks), rows), tasks[:, 0]

    state = teacher.init(jax.random.key(0))
    _, x = jax.lax.scan(lesson, state, jax.random.split(jax.random.key(1), 200))
    late = np.asarray(x[100:]).reshape(-1)
    near = np.abs(late - 0.6) < 0.15
    assert near.mean() > 0.6  # of all tasks, 0.3 are there


def test_the_picture_has_the_chances_of_the_tasks():
    """As counted in proposals; the free row has none."""
    teacher, state = started(pool_fraction=0.1, space_fraction=0.2)
    rows = np.array([FIRST[0]] * 8 + [FIRST[1]] * 8)
    state = teacher.observe(state, rows, outcomes([1, 0] * 4 + [1] * 8))
    drawn = teacher.picture(state)
    tasks = np.asarray(teacher.propose(state, jax.random.key(1), 20_000)[0].tasks)
    for row, chance in zip(FIRST, drawn["probabilities"], strict=False):
        assert np.mean((tasks == row).all(axis=1)) == pytest.approx(float(chance), abs=0.015)
    assert float(drawn["probabilities"][3]) == 0
    assert float(jnp.sum(drawn["probabilities"])) == pytest.approx(0.8)
    np.testing.assert_array_equal(drawn["scores"], state.worth)
    np.testing.assert_array_equal(drawn["levels"][:3], FIRST)
