"""The bandit over teachers: its estimate against a plain loop, and which teacher it prefers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import FOREIGN, Outcomes, Proposals, Teacher, propose, testing

pytestmark = pytest.mark.slow

SPACE = Box((Dimension("x", 0, 10), Dimension("y", -1, 1)))


def within(low, high):
    """Proposes uniformly where x is between two bounds."""
    return teachers.restricted(
        teachers.uniform(SPACE.restricted(x=(low, high))), SPACE.restricted(x=(low, high))
    )


def bandit(*parts, **settings):
    return teachers.bandit_over(parts, SPACE, **settings)


def outcomes(values, weights=None):
    values = jnp.asarray(values, jnp.float32)
    one = jnp.ones_like(values)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(values, values, one, weights, {})


def expected(calls, k, horizon, history, exploration, temperature):
    """The definition in the docstring, episode by episode."""
    past, rows, ended = [], [], 0  # rows: (teacher, progress, number of the call's last episode)
    for tasks, tags, values in calls:
        known = past[-history:]
        total = len(values)
        for task, tag, value in zip(tasks, tags, values, strict=True):
            if known and tag >= 0:
                unit = [
                    (t - SPACE.low) / (SPACE.high - SPACE.low)
                    for t in (task, *(p[0] for p in known))
                ]
                distance = [np.sum((unit[0] - other) ** 2) for other in unit[1:]]
                rows.append((tag % k, value - known[int(np.argmin(distance))][1], ended + total))
        past += list(zip(tasks, values, strict=True))
        ended += total
    q = np.zeros(k)
    for i in range(k):
        own = [(p, (1 - 1 / horizon) ** (ended - n)) for who, p, n in rows if who == i]
        if own:
            p, w = np.array(own).T
            mean = np.sum(w * p) / w.sum()
            variance = np.sum(w * (p - mean) ** 2) / w.sum()
            if w.sum() ** 2 >= 1.99 * np.sum(w**2):
                q[i] = max(abs(mean) - math.sqrt(variance * np.sum(w**2)) / w.sum(), 0)
    weight = np.exp(q / (temperature * (q.max() or 1)))
    return exploration / k + (1 - exploration) * weight / weight.sum()


def test_probabilities_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    settings = {"horizon": 30, "history": 40, "exploration": 0.2, "temperature": 0.5}
    teacher = bandit(within(0, 4), within(4, 8), within(8, 10), **settings)
    state, observe = teacher.init(jax.random.key(0)), jax.jit(teacher.observe)
    calls = []
    for number in range(12):
        tasks = np.asarray(SPACE.sample(jax.random.key(number), 16))
        tags = rng.integers(-1, 6, 16)
        values = rng.random(16) + 0.2 * number * (tags % 3 == 1)
        weights = rng.random(16) < 0.7
        shown = Proposals.of(jnp.asarray(tasks), tag=jnp.asarray(tags))
        state = observe(state, shown, outcomes(values, weights))
        calls.append((tasks[weights], tags[weights], values[weights].astype(np.float32)))
        arms = np.asarray(teacher.picture(state)["arms"])
        wanted = expected(calls, 3, **settings)
        np.testing.assert_allclose(arms, wanted, atol=2e-4, err_msg=str(number))
    assert arms.max() > 0.5  # and not merely uniform


def test_a_single_episode_is_no_evidence():
    teacher = bandit(within(0, 5), within(5, 10))
    state, tasks = teacher.init(jax.random.key(0)), jnp.array([[1.0, 0], [9.0, 0], [9.0, 0.1]])
    for rows, tags, values, arm in (
        ([0, 1], [0, 1], [0.0, 0.0], 0.5),  # nothing to compare with
        ([0], [0], [1.0], 0.5),
        ([1, 2], [1, 1], [1.0, 1.0], 0.93),
    ):
        shown = Proposals.of(tasks[jnp.array(rows)], tag=jnp.array(tags))
        state = teacher.observe(state, shown, outcomes(values))
        assert teacher.picture(state)["arms"][1] == pytest.approx(arm, abs=0.02)


def life(teacher, success, rounds, n=64, seed=0):
    """The probabilities after each round, with `success(round, tasks)` as chances."""
    step = jax.jit(lambda state, key: propose(teacher, state, key, n))
    observe = jax.jit(teacher.observe)
    rng = np.random.default_rng(seed)
    state, arms = teacher.init(jax.random.key(seed)), []
    for number in range(rounds):
        proposals, state = step(state, jax.random.key(1000 * seed + number))
        chances = success(number, np.asarray(proposals.tasks))
        won = (rng.random(n) < chances).astype(np.float32)
        state = observe(state, proposals, outcomes(won))
        arms.append(np.asarray(teacher.picture(state)["arms"]))
    return np.array(arms)


def test_it_prefers_the_teacher_whose_tasks_are_being_learned_and_follows():
    """First x < 5 is learned, then the other half; each is then mastered."""

    def success(number, tasks):
        first, second = np.clip(number / 60, 0, 1), np.clip((number - 100) / 60, 0, 1)
        return np.where(tasks[:, 0] < 5, first, second)

    arms = life(bandit(within(0, 5), within(5, 10), horizon=1000), success, 160)
    assert arms[20:60, 0].mean() > 0.75
    assert arms[120:160, 1].mean() > 0.75
    assert np.all(arms >= 0.1 / 2 - 1e-6)


def test_forgetting_counts_as_much_as_learning():
    def success(number, tasks):
        return np.where(tasks[:, 0] < 5, 1 - number / 80, 1.0)

    assert life(bandit(within(0, 5), within(5, 10)), success, 80)[30:, 0].mean() > 0.8


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_without_progress_all_are_equally_likely(chance):
    arms = life(bandit(within(0, 5), within(5, 10)), lambda n, tasks: chance, 10)
    np.testing.assert_allclose(arms, 0.5)


def test_mere_noise_favours_no_teacher_for_long():
    """Half of the episodes succeed at random: over many lives, both are chosen equally often."""
    parts = within(0, 5), within(5, 10)
    arms = [life(bandit(*parts), lambda n, t: 0.5, 40, seed=s)[20:].mean(0) for s in range(6)]
    assert abs(np.mean(arms, axis=0)[0] - 0.5) < 0.2


def test_proposals_follow_the_probabilities_and_tags_name_the_teacher():
    teacher = bandit(within(0, 4), within(6, 10), exploration=0.4)
    state = teacher.init(jax.random.key(0))
    state = state._replace(
        weight=jnp.array([50.0, 50.0]),
        square_weight=jnp.array([50.0, 50.0]),
        progress=jnp.array([20.0, 0.0]),
        square_progress=jnp.array([8.0, 0.0]),
    )
    arms = np.asarray(teacher.picture(state)["arms"])
    assert arms[0] > 0.75
    proposals, _ = propose(teacher, state, jax.random.key(1), 20_000)
    second = np.asarray(proposals.tasks)[:, 0] > 5
    np.testing.assert_array_equal(np.asarray(proposals.tag) % 2, second)
    assert second.mean() == pytest.approx(arms[1], abs=0.01)


def test_each_part_observes_its_own_tags():
    def seen():
        def observe(state, proposals, outcomes):
            return proposals.tag

        return Teacher(
            lambda key: jnp.zeros(3, jnp.int32),
            lambda state, key, n: (Proposals.of(SPACE.sample(key, n), tag=7), state),
            observe,
        )

    teacher = bandit(seen(), seen())
    shown = Proposals.of(SPACE.sample(jax.random.key(0), 3), tag=jnp.array([14, 15, FOREIGN]))
    state = teacher.observe(teacher.init(jax.random.key(0)), shown, outcomes([1, 0, 1]))
    np.testing.assert_array_equal(state.parts[0], [7, FOREIGN, FOREIGN])
    np.testing.assert_array_equal(state.parts[1], [FOREIGN, 7, FOREIGN])


def test_it_keeps_the_promises_of_a_teacher():
    def make(space):
        parts = teachers.uniform(space), teachers.pool(space, 8)
        return teachers.bandit_over(parts, space, history=50, horizon=40)

    testing.check(make, SPACE)


@pytest.mark.parametrize(
    ("count", "settings", "name"),
    [
        (1, {}, "teachers"),
        (2, {"horizon": 1}, "horizon"),
        (2, {"exploration": 0}, "exploration"),
        (2, {"temperature": 0}, "temperature"),
        (2, {"history": 0}, "history"),
        (2, {"outcome": "fun"}, "outcome"),
    ],
)
def test_bad_settings_are_named(count, settings, name):
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        bandit(*[within(0, 5)] * count, **settings)


def test_seeds_can_be_mapped():
    teacher = bandit(within(0, 5), within(5, 10))
    states = jax.vmap(teacher.init)(jax.random.split(jax.random.key(0), 3))
    many = functools.partial(propose, teacher, n=4)
    proposals, _ = jax.vmap(many)(states, jax.random.split(jax.random.key(1), 3))
    assert proposals.tasks.shape == (3, 4, 2)
