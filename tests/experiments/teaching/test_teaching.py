"""Teaching as an environment: against plain Python, as an environment, and with teachers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError, make
from didact.environments.testing import check
from didact.environments.toys import toy_grid
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.teaching import Teaching, teacher_as_student, toy_pupil, trained_pupil
from didact.students import NetworkConfig, PPOConfig, Student, ppo
from didact.teachers import Proposals, Teacher

SMALL = {"regions": 2, "lesson_size": 6, "budget": 5}


def plain_life(corner, speed, lessons, side=10):
    """Teaches one pupil in plain Python: returns and scores of each lesson."""
    competence, told, scores = np.zeros((side, side)), [], []
    for tasks in lessons:
        returns = []
        for task in np.array(tasks, np.float64):
            flips = np.array([corner % 2, corner // 2])
            task = np.where(flips > 0, 1 - task, task)
            x, y = np.minimum((task * side).astype(int), side - 1)
            lower = [(x - 1, y), (x, y - 1), (x - 1, y - 1)]
            learned = [competence[a, b] >= 75 for a, b in lower if a >= 0 and b >= 0]
            if (x == y == 0) or any(learned):
                competence[x, y] = min(100, competence[x, y] + speed)
            returns.append(competence[x, y] / 100)
        told.append(returns)
        scores.append(competence.mean() / 100)
    return np.array(told), np.array(scores)


def test_lives_are_those_of_a_plain_version():
    rng = np.random.default_rng(0)
    world = Teaching(actions="points", regions=2, lesson_size=40, budget=6)
    kinds = np.array([[0, 40], [1, 25], [2, 40], [3, 12.5]], np.float32)
    state, first = jax.jit(world.reset)(jax.random.key(0), jnp.asarray(kinds))
    assert (np.asarray(first.observation["played"]) == 0).all()
    # Near the corner where each pupil begins.
    flips = np.stack([kinds[:, 0] % 2, kinds[:, 0] // 2], axis=-1)
    lessons = 0.35 * rng.random((6, 4, 40, 2)).astype(np.float32) ** 2
    lessons = np.where(flips[:, None] > 0, 1 - lessons, lessons)
    step = jax.jit(world.step)
    sums = np.zeros(4)
    told, scores = zip(*(plain_life(*kinds[i], lessons[:, i]) for i in range(4)), strict=True)
    for t in range(6):
        state, seen = step(jax.random.key(t), state, lessons[t].reshape(4, -1))
        sums += np.asarray(seen.reward)
        for i in range(4):
            np.testing.assert_allclose(seen.observation["returns"][i], told[i][t], atol=1e-6)
            assert sums[i] == pytest.approx(scores[i][t], abs=1e-5)
        expected = [told[i][t] > 0 for i in range(4)]
        np.testing.assert_array_equal(seen.observation["success"], expected)
        np.testing.assert_allclose(seen.observation["budget"][:, 0], 1 - (t + 1) / 6, atol=1e-6)
        assert np.asarray(seen.terminated).all() == (t == 5)
    assert (sums > 0.02).all()


def test_what_a_teacher_knows_of_the_regions():
    """Averages and counts against a plain loop, with a pupil that returns what it is given."""
    world = Teaching(actions="points", regions=3, lesson_size=8, budget=4)
    state, _ = jax.jit(world.reset)(jax.random.key(0), jnp.array([[0.0, 40.0]]))
    rng = np.random.default_rng(1)
    fast, slow, visits = np.zeros(9), np.zeros(9), np.zeros(9)
    for t in range(4):
        tasks = 0.5 * rng.random((8, 2)).astype(np.float32)
        state, seen = jax.jit(world.step)(jax.random.key(t), state, tasks.reshape(1, -1))
        region = (3 * tasks).astype(int) @ [3, 1]
        np.testing.assert_array_equal(world.region_of(jnp.asarray(tasks)), region)
        for r in set(region.tolist()):
            mean = np.asarray(seen.observation["returns"])[0, region == r].mean()
            fast[r] += 0.5 * (mean - fast[r])
            slow[r] += 0.1 * (mean - slow[r])
            visits[r] += (region == r).sum()
    observed = {name: np.asarray(x)[0] for name, x in seen.observation.items()}
    np.testing.assert_allclose(observed["region_success"], fast, atol=1e-6)
    np.testing.assert_allclose(observed["region_progress"], fast - slow, atol=1e-6)
    counts = np.log1p(visits) / np.log1p(32)
    np.testing.assert_allclose(observed["region_visits"], counts, atol=1e-6)


def test_regions_are_uniform_lessons():
    world = Teaching(regions=4, lesson_size=50, budget=3)
    keys = jax.random.split(jax.random.key(0), 16)
    tasks = world.tasks_of(keys, jnp.arange(16))
    for i in range(16):
        assert (np.asarray(world.region_of(tasks[i])) == i).all()
        place = np.array(divmod(i, 4)) / 4
        np.testing.assert_allclose(np.mean(tasks[i], axis=0), place + 1 / 8, atol=0.05)


@pytest.mark.parametrize("regions", [2, 3, 5])
def test_every_region_has_integers_of_its_own(regions):
    space = Box(
        (
            Dimension("n", 2, 4, integer=True),
            Dimension("many", -3, 9, integer=True),
            Dimension("still", 7, 7),
            Dimension("x", 0, 1),
        )
    )
    world = Teaching(toy_pupil()._replace(task_space=space), regions=regions, lesson_size=50)
    assert world.num_regions == min(regions, 3) * regions**2
    keys = jax.random.split(jax.random.key(0), world.num_regions)
    numbers = jnp.arange(world.num_regions)
    tasks = world.tasks_of(keys, numbers)
    assert bool(space.contains(tasks).all())
    np.testing.assert_array_equal(
        jax.vmap(world.region_of)(tasks), numbers[:, None] + jnp.zeros(50)
    )
    for column, values in ((0, 3), (1, 13)):
        assert len(np.unique(np.asarray(tasks)[..., column])) == values


@pytest.mark.slow
@pytest.mark.parametrize("actions", ["region", "points"])
def test_conforms_to_environments_and_gymnasium(actions):
    check(Teaching(actions=actions, **SMALL))


@pytest.mark.slow
def test_a_life_ends_as_a_success():
    world = Teaching(toy_pupil(side=1), regions=1, lesson_size=2, budget=9)
    state, _ = world.reset(jax.random.key(0), jnp.array([[0.0, 40.0]]))
    for t in range(2):
        state, seen = world.step(jax.random.key(t), state, jnp.zeros(1, jnp.int32))
    assert bool(seen.terminated[0])
    assert bool(seen.success[0])
    assert float(seen.observation["budget"][0, 0]) > 0.5


def recording(space, m):
    """Proposes the tasks 0, 1, 2 ... of a line, and keeps all that it observes."""

    def init(key):
        return {"proposed": jnp.int32(0), "seen": jnp.zeros((99, 5)), "count": jnp.int32(0)}

    def propose(state, key, n):
        number = state["proposed"] + jnp.arange(n)
        tasks = jnp.broadcast_to((number / 1000.0)[:, None], (n, space.size))
        state = state | {"proposed": state["proposed"] + n}
        return Proposals.of(tasks, 1, 7 * number), state

    def observe(state, proposals, outcomes):
        rows = jnp.stack(
            [
                proposals.tasks[:, 0],
                proposals.tag,
                outcomes.returns,
                outcomes.success,
                outcomes.weights,
            ],
            axis=1,
        )
        at = jnp.where(outcomes.weights > 0, state["count"] + jnp.arange(m), 99)
        return state | {
            "seen": state["seen"].at[at].set(rows, mode="drop"),
            "count": state["count"] + jnp.sum(outcomes.weights > 0),
        }

    return Teacher(init, propose, observe)


@pytest.mark.slow
def test_a_teacher_observes_what_became_of_its_own_tasks():
    world = Teaching(actions="points", **SMALL)
    teacher = recording(world.taught_space, 6)
    student = teacher_as_student(world, teacher)
    state, seen = world.reset(jax.random.key(0), jnp.array([[0.0, 20.0], [3.0, 20.0]]))
    carry = student.initial_carry(2)
    for t in range(4):
        actions, carry, _ = student.act((), carry, seen.observation, jax.random.key(t))
        state, seen = world.step(jax.random.key(t), state, actions)
    rows = np.asarray(carry[0]["seen"])
    assert carry[0]["count"].tolist() == [18, 18]
    np.testing.assert_allclose(rows[:, :18, 0], np.tile(np.arange(18) / 1000, (2, 1)), atol=1e-6)
    np.testing.assert_array_equal(rows[:, :18, 1], np.tile(7 * np.arange(18), (2, 1)))
    # The first cell is unlocked for the first pupil, and hopeless for the other.
    expected = np.minimum(0.2 * np.arange(1, 19), 1)
    np.testing.assert_allclose(rows[0, :18, 2], expected, atol=1e-6)
    assert (rows[1, :18, 2:4] == 0).all()


def test_teachers_that_cannot_teach_here():
    world = Teaching(actions="points", **SMALL)
    space = world.taught_space
    with pytest.raises(SettingError, match=r"^students is 2, but must be 1: each pupil"):
        teacher_as_student(world, teachers.paired(space))
    with pytest.raises(SettingError, match=r"^actions is 'region'"):
        teacher_as_student(Teaching(**SMALL), teachers.uniform(space))
    other = Box((Dimension("x", 0, 1),))
    with pytest.raises(SettingError, match=r"^teacher is 1, but must be one that proposes"):
        teacher_as_student(world, teachers.uniform(other))


@pytest.mark.parametrize(
    "bad", [{"regions": 0}, {"regions": 65}, {"lesson_size": 0}, {"budget": 0}, {"goal": 0.0}]
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is "):
        Teaching(**bad)


def test_bad_actions_are_named():
    with pytest.raises(SettingError, match=r"^actions is 'all'"):
        Teaching(actions="all")


def idle_student(actions):
    """Draws actions uniformly, and never learns."""

    def act(state, carry, observation, key):
        n = len(next(iter(observation.values())))
        if actions:
            return jax.random.randint(key, (n,), 0, actions), (), {}
        return jax.random.uniform(key, (n, 1), minval=-1), (), {}

    def apply(state, carry, observation):
        return (), jnp.zeros(len(next(iter(observation.values())))), ()

    def learn(state, rollout, key):
        return state, {}

    return Student(lambda key: (), lambda n: (), apply, act, act, learn)


def lesson_of(world, actions, num_envs, rollout_length, lessons=1):
    """Returns the last lesson of a pupil with many different tasks."""
    space = world.task_space
    pupil = trained_pupil(
        world,
        idle_student(actions),
        np.asarray(space.sample(jax.random.key(0), 1)),
        num_envs=num_envs,
        rollout_length=rollout_length,
    )
    state, lesson = pupil.init(jax.random.key(0), jnp.zeros(1)), None
    study, tasks = jax.jit(pupil.study), space.sample(jax.random.key(1), 10_000)
    for i in range(lessons):
        state, lesson = study(state, tasks, jax.random.key(i))
    return lesson


def test_lessons_of_a_trained_pupil_count_episodes_of_all_lengths_alike():
    lock = make("CombinationLock", dials=3, ways=3)
    lesson = lesson_of(lock, 3, num_envs=100, rollout_length=3, lessons=2)
    # The first episodes of all environments, and none of those that begin after short ones.
    assert 97 <= float(lesson.weights.sum()) <= 100
    with pytest.raises(SettingError, match="rollout_length is 2, but must be at least 3, the"):
        lesson_of(lock, 3, num_envs=2, rollout_length=2)


def test_returns_of_a_trained_pupil_are_scaled():
    lesson = lesson_of(make("Pendulum"), 0, num_envs=20, rollout_length=200)
    returns = np.asarray(lesson.returns)[np.asarray(lesson.weights) > 0]
    assert len(returns) >= 19
    assert 0.2 < np.median(returns) < 0.8


@pytest.mark.slow
def test_a_trained_pupil_learns_what_it_is_taught():
    """A small PPO student of a corridor-like world: lessons on its tasks raise its test score."""
    world = make("ToyGrid", side=2)
    network = NetworkConfig(hidden=8, memory=0)
    config = PPOConfig(network=network, num_minibatches=1)
    student = ppo(world.observation_space, world.action_space, config, num_updates=9)
    tests = np.array([[0.1, 0.1], [0.9, 0.9]], np.float32)
    pupil = trained_pupil(world, student, tests, num_envs=4, rollout_length=3)
    teaching = Teaching(pupil, actions="points", **SMALL)
    check(teaching)
    state, seen = teaching.reset(jax.random.key(0), jnp.zeros((2, 1)))
    # The toy grid forgets at each reset, so that only its first cell is ever a success.
    lesson = np.array([[0.1, 0.1], [0.9, 0.9]] * 3, np.float32).reshape(1, -1)
    before = jax.device_get(state.pupils.student.params)
    state, seen = teaching.step(jax.random.key(1), state, np.repeat(lesson, 2, 0))
    played = np.asarray(seen.observation["played"])
    assert played.sum() > 4
    expected = np.tile([1, 0], 3) * played
    np.testing.assert_array_equal(seen.observation["success"], expected)
    np.testing.assert_allclose(state.score, 0.5)
    after = jax.device_get(state.pupils.student.params)
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    assert any((a != b).any() for a, b in pairs)


@pytest.mark.slow
def test_teachers_are_evaluated_like_policies():
    world = Teaching(actions="points", budget=30)
    kinds = world.task_space.sample(jax.random.key(0), 64)
    scores = {}
    for name, settings in {"uniform": {}, "alp_gmm": {"fit_rate": 50, "k_max": 5}}.items():
        teacher = teachers.make(name, world.taught_space, **settings)
        run = jax.jit(evaluator(world, teacher_as_student(world, teacher)))
        results = run((), jax.random.key(1), kinds)
        assert (np.asarray(results.lengths) == 30).all()
        scores[name] = float(np.mean(results.returns))
    assert 0.01 < scores["uniform"] < 0.6
    assert toy_grid.MAX_VALUE == 100
