"""Sets of goals, MAGELLAN's generalization over wording, and rarity."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.language import vocabulary
from didact.teachers import FOREIGN, Outcomes, Proposals, propose
from didact.teachers.learned.goal_sets import GoalSet, features_of
from didact.teachers.learned.rarity import kernel_log_densities, log_densities

pytestmark = pytest.mark.slow

COLORS, THINGS = vocabulary.COLORS, ("ball", "key", "box", "door")
TEXTS = [f"go to the {c} {t}" for c in COLORS for t in THINGS]
TOKENS = np.array([vocabulary.tokens(text) for text in TEXTS])
SPACE = Box(
    (
        Dimension("instruction", 0, len(TEXTS) - 1, integer=True),
        Dimension("size", 4, 8, integer=True),
        Dimension("mess", 0, 1),
    )
)


def outcomes(success):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    return Outcomes(success, success, one, one, {})


def test_goals_are_the_values_of_the_instruction():
    goals = GoalSet(SPACE)
    assert len(goals) == 24
    index = jnp.arange(24)
    tasks = goals.tasks(jax.random.key(0), index)
    np.testing.assert_array_equal(tasks[:, 0], index)
    assert np.all(SPACE.contains(tasks))
    assert len(set(np.asarray(tasks)[:, 2])) == 24
    np.testing.assert_array_equal(goals.find(tasks), index)
    np.testing.assert_array_equal(features_of(goals), np.eye(24))


def test_goals_are_found_by_the_parameters_that_they_fix():
    nan = np.nan
    goals = GoalSet(SPACE, [[3, nan, nan], [nan, 5, nan], [3, 5, 0.5]])
    tasks = jnp.array([[3, 4, 0.1], [7, 5, 0.1], [3, 5, 0.5], [7, 6, 0.5]])
    assert goals.find(tasks).tolist() == [0, 1, 0, -1]
    complete = GoalSet(SPACE, [[3, 4, 0.1], [7, 5, 0.1]])
    rows = features_of(complete)
    assert rows.shape == (2, 3)
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-6)


@pytest.mark.parametrize(
    "goals", [[[3, 4]], [[30, 4, 0]], [[3, 4.5, 0]], np.zeros((0, 3)), [[np.inf, 4, 0]]]
)
def test_bad_goals_are_refused(goals):
    with pytest.raises(SettingError, match=r"^goals is "):
        GoalSet(SPACE, goals)


def test_bad_descriptions_are_refused():
    goals = GoalSet(SPACE)
    for name, value in {
        "vectors": np.zeros((3, 2)),
        "tokens": np.zeros((24, 2)),
    }.items():
        with pytest.raises(SettingError, match=f"^{name} is "):
            features_of(goals, **{name: value})
    with pytest.raises(SettingError, match=r"^vectors is "):
        features_of(goals, np.zeros((24, 2)), TOKENS)


def course(teacher, success_of, rounds, n=64, state=None):
    """Teach a student whose success depends on the instruction, and on the round."""

    @jax.jit
    def lesson(state, key, number):
        task_key, coin_key = jax.random.split(key)
        proposals, state = propose(teacher, state, task_key, n)
        p = success_of(proposals.tasks[:, 0].astype(jnp.int32), number)
        success = jax.random.uniform(coin_key, (n,)) < p
        return teacher.observe(state, proposals, outcomes(success)), proposals.tasks

    state = teacher.init(jax.random.key(0)) if state is None else state
    for number in range(rounds):
        state, tasks = lesson(state, jax.random.key(number), number)
    return state, np.asarray(tasks)


RED = jnp.array(["red" in text for text in TEXTS])
BALL = jnp.array(["ball" in text for text in TEXTS])


@pytest.mark.parametrize("by", ["tokens", "vectors"])
def test_success_generalizes_to_instructions_that_were_never_played(by):
    """Only even instructions are played: balls succeed, except red ones."""
    words = np.zeros((24, vocabulary.VOCABULARY_SIZE), np.float32)
    np.put_along_axis(words, TOKENS, 1, axis=1)
    described = {"tokens": TOKENS} if by == "tokens" else {"vectors": words}
    teacher = teachers.magellan(SPACE, **described, train_every=64)
    truth = np.where(BALL, 0.95, 0.05)
    played = np.array([i for i in range(24) if i % 5 != 1])
    state, rng = teacher.init(jax.random.key(0)), np.random.default_rng(0)
    observe = jax.jit(teacher.observe)
    for _ in range(15):
        index = rng.choice(played, 64)
        tasks = np.stack([index, np.full(64, 5), np.full(64, 0.5)], 1).astype(np.float32)
        rows = outcomes(rng.random(64) < truth[index])
        state = observe(state, Proposals.of(jnp.asarray(tasks), tag=FOREIGN), rows)
    assert int(state.model.count) == 15 * 64
    others = [i for i in range(24) if i % 5 == 1]
    np.testing.assert_allclose(np.asarray(state.success)[others], truth[others], atol=0.25)


def test_goals_are_those_whose_success_changes():
    teacher = teachers.magellan(SPACE, tokens=TOKENS, random_decay=2.0, random_end=0.1)

    def student(index, number):
        # Red things are being learned, the rest is a coin that teaches nothing.
        return jnp.where(RED[index], jnp.clip(number / 20, 0, 1), 0.5)

    state, tasks = course(teacher, student, 16)
    share = np.mean(np.asarray(RED)[tasks[:, 0].astype(int)])
    assert share > 2 * 4 / 24
    assert np.all(SPACE.contains(jnp.asarray(tasks)))
    assert float(jnp.mean(state.progress[RED])) > 2 * float(jnp.mean(state.progress[~RED]))


def test_where_nothing_succeeds_goals_are_uniform():
    teacher = teachers.magellan(SPACE, tokens=TOKENS, random_start=0.0, random_end=0.0)
    state, _ = course(teacher, lambda index, number: 0.0 * index, 25)
    assert float(jnp.max(state.progress)) == 0
    tasks = propose(teacher, state, jax.random.key(1), 24_000)[0].tasks
    counts = np.bincount(np.asarray(tasks[:, 0]).astype(int), minlength=24)
    assert np.all(np.abs(counts - 1000) < 150)


def test_rarity_counts_groups():
    groups = ["go"] * 12 + ["open"] * 9 + ["put"] * 3
    logs = log_densities(GoalSet(SPACE), groups=groups)
    np.testing.assert_allclose(np.exp(logs), [12 / 24] * 12 + [9 / 24] * 9 + [3 / 24] * 3)
    teacher = teachers.rarity(SPACE, groups=groups)
    state = teacher.init(jax.random.key(0))
    for level, expected in [(0.0, [12, 9, 3]), (1.0, [8, 8, 8])]:
        state = state._replace(level=jnp.float32(level))
        chances = np.asarray(teacher.picture(state)["values"])
        shares = [chances[:12].sum(), chances[12:21].sum(), chances[21:].sum()]
        np.testing.assert_allclose(shares, np.array(expected) / 24, rtol=1e-4)
        tasks, _ = propose(teacher, state, jax.random.key(1), 24_000)
        counts = np.bincount(np.asarray(tasks.tasks[:, 0]).astype(int), minlength=24) / 24_000
        np.testing.assert_allclose(counts, chances, atol=0.01)


def test_rarity_of_tokens_is_their_mean_log_frequency():
    tokens = np.array([[1, 2, 0], [1, 2, 3], [1, 0, 0]])
    space = Box((Dimension("instruction", 0, 2, integer=True),))
    logs = log_densities(GoalSet(space), tokens=tokens)
    one, two, three = np.log([3 / 6, 2 / 6, 1 / 6])
    np.testing.assert_allclose(logs, [(one + two) / 2, (one + two + three) / 3, one], rtol=1e-6)


def test_rarity_of_vectors_is_a_kernel_density_estimate():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3))
    rows = (rows - rows.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
    # White rows: three effective dimensions, and Scott's rule of SciPy.
    expected = stats.gaussian_kde(rows.T).logpdf(rows.T)
    found = kernel_log_densities(rows)
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=1e-6)
    # Repeating the columns adds no effective dimension.
    again = kernel_log_densities(np.tile(rows, 4))
    np.testing.assert_allclose(again - again.mean(), found - found.mean(), atol=1e-6)
    assert np.all(kernel_log_densities(np.ones((5, 2))) == 0)


def test_a_single_goal_has_no_density_to_estimate():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel_log_densities(np.ones((1, 2))).tolist() == [0]


@pytest.mark.parametrize("calls", [1, 10])
def test_each_episode_moves_rarity_on_its_own(calls):
    """As a plain loop does, however many episodes come in a call."""
    teacher = teachers.rarity(SPACE, groups=[0] * 20 + [1] * 4, episodes=500)
    success = np.random.default_rng(0).random(800) < np.repeat([0.9, 0.1, 0.8, 0.5], 200)
    level = wins = seen = 0.0
    for won in success:
        wins, seen = 0.99 * wins + won, 0.99 * seen + 1
        rate = wins / max(seen, 1)
        step = (float(rate > 0.7) - float(rate < 0.3)) / 500 if seen >= 50 else 0
        level = min(max(level + step, 0), 1)
    assert 0.1 < level < 0.9
    state, observe = teacher.init(jax.random.key(0)), jax.jit(teacher.observe)
    for part in np.split(success, calls):
        shown = Proposals.of(jnp.zeros((len(part), 3)))
        state = observe(state, shown, outcomes(part))
    np.testing.assert_allclose(np.array([*state]), (level, wins, seen), rtol=1e-3)


def test_rare_goals_come_with_success_and_go_without():
    teacher = teachers.rarity(SPACE, groups=[0] * 20 + [1] * 4, episodes=640)
    state, _ = course(teacher, lambda index, number: 1.0 + 0 * index, 12)
    assert float(state.level) == 1
    state, _ = course(teacher, lambda index, number: 0.0 * index, 16, state=state)
    assert float(state.level) == 0
    # Success between the thresholds changes nothing.
    state = state._replace(level=jnp.float32(0.4), wins=jnp.float32(50), seen=jnp.float32(100))
    state, _ = course(teacher, lambda index, number: 0.5 + 0 * index, 5, state=state)
    assert float(state.level) == pytest.approx(0.4)


def test_bad_settings_are_named():
    for name, value in {"train_every": 0, "threshold": 1.0, "random_end": 2.0}.items():
        with pytest.raises(SettingError, match=f"^{name} is "):
            teachers.magellan(SPACE, **{name: value})
    for name, value in {"power": -1.0, "up": 2.0, "down": 0.9, "horizon": 1}.items():
        with pytest.raises(SettingError, match=f"^{name} is "):
            teachers.rarity(SPACE, **{name: value})
    with pytest.raises(SettingError, match=r"^groups is "):
        teachers.rarity(SPACE, groups=[1, 2])
    with pytest.raises(SettingError, match=r"^groups is "):
        teachers.rarity(SPACE, groups=[1] * 24, tokens=TOKENS)
