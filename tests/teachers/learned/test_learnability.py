"""The success model: training against NumPy, scores, and where it proposes tasks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, propose
from didact.teachers.learned.success_models import SuccessModel, cross_entropy, drawn

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
MIXED = Box((Dimension("x", -1, 3), Dimension("n", 0, 4, integer=True), Dimension("c", 5, 5)))


def outcomes(success, returns=None):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    returns = success if returns is None else jnp.asarray(returns, jnp.float32)
    return Outcomes(returns, success, one, one, {})


def linear(parameters, inputs):
    return inputs @ parameters["w"] + parameters["b"]


def test_a_training_step_is_that_of_numpy():
    """Gradient descent on the cross-entropy of a linear model; all rows are equal."""
    model = SuccessModel(linear, optax.sgd(0.5), batch=4, steps=3)
    state = model.init({"w": jnp.array([0.3, -0.2]), "b": jnp.float32(0)}, jnp.zeros((8, 2)))
    x, y = np.array([1.0, 2.0]), 1.0
    state = model.remember(state, jnp.tile(x, (3, 1)), jnp.ones(3), jnp.array([True, True, False]))
    assert int(state.count) == 2
    w, b = np.array([0.3, -0.2]), 0.0
    state = model.train(state, jax.random.key(0))
    for _ in range(3):
        p = 1 / (1 + np.exp(-(x @ w + b)))
        w, b = w - 0.5 * (p - y) * x, b - 0.5 * (p - y)
    np.testing.assert_allclose(state.parameters["w"], w, rtol=1e-5)
    np.testing.assert_allclose(state.parameters["b"], b, rtol=1e-5)


def test_former_predictions_are_those_of_some_trainings_ago():
    model = SuccessModel(linear, optax.sgd(0.5), batch=4, steps=1, delay=3)
    state = model.init({"w": jnp.zeros(2), "b": jnp.float32(0)}, jnp.zeros((8, 2)))
    probe = jnp.array([[0.5, 1.0]])
    state = model.remember(state, jnp.ones((2, 2)), jnp.ones(2), jnp.ones(2, bool))
    predictions = [float(model.predicted(state, probe)[0])]
    for number in range(7):
        state = model.train(state, jax.random.key(number))
        predictions.append(float(model.predicted(state, probe)[0]))
        expected = predictions[max(0, len(predictions) - 1 - 3)]
        assert float(model.formerly(state, probe)[0]) == pytest.approx(expected)


def test_recent_episodes_are_drawn_more_often():
    """The learning target is the number of the episode, so a bias learns their weighted mean."""

    def bias(parameters, inputs):
        return jnp.broadcast_to(parameters, inputs.shape[:1])

    means = []
    for recent_first in (False, True):
        model = SuccessModel(bias, optax.sgd(4.0), 4096, 60, recent_first=recent_first)
        state = model.init(jnp.float32(0), jnp.zeros((10, 1)))
        numbers = jnp.arange(13) / 12  # the first three are overwritten
        state = model.remember(state, jnp.zeros((13, 1)), numbers, jnp.ones(13, bool))
        state = jax.jit(model.train)(state, jax.random.key(0))
        means.append(float(model.predicted(state, jnp.zeros((1, 1)))[0]))
    kept = np.arange(3, 13) / 12
    chance = (np.arange(10) + 1) ** 2 - np.arange(10) ** 2
    np.testing.assert_allclose(means, [kept.mean(), (chance / 100) @ kept], atol=0.01)


def test_draws_are_in_proportion_to_worth():
    worth = jnp.array([0.0, 3.0, 0.0, 1.0, 0.0])
    index = np.asarray(drawn(jax.random.key(0), worth, 20_000))
    np.testing.assert_allclose(np.bincount(index, minlength=5) / 20_000, worth / 4, atol=0.02)
    index = np.asarray(drawn(jax.random.key(0), jnp.zeros(5), 20_000))
    np.testing.assert_allclose(np.bincount(index, minlength=5) / 20_000, 0.2, atol=0.02)


def test_cross_entropy_is_that_of_numpy():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=20), rng.random(20)
    p = 1 / (1 + np.exp(-logits))
    expected = -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    found = cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(targets, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def taught(teacher, success_of, rounds, n=128, states=()):
    @jax.jit
    def lesson(state, key):
        task_key, coin_key = jax.random.split(key)
        proposals, state = propose(teacher, state, task_key, n)
        coins = jax.random.uniform(coin_key, (n,))
        success = coins < success_of(proposals.tasks)
        return teacher.observe(state, proposals, outcomes(success)), proposals.tasks

    state = teacher.init(jax.random.key(0)) if states == () else states
    for number in range(rounds):
        state, tasks = lesson(state, jax.random.key(number))
    return state, np.asarray(tasks)


def test_tasks_are_where_success_is_uncertain():
    teacher = teachers.learnability(UNIT, random_fraction=0.0)
    state, _ = taught(teacher, lambda t: jax.nn.sigmoid(30 * (0.5 - t[:, 0])), 40)
    tasks = np.asarray(propose(teacher, state, jax.random.key(9), 2000)[0].tasks)
    p = 1 / (1 + np.exp(-30 * (0.5 - tasks[:, 0])))
    uniform = np.random.default_rng(0).random(5000)
    even = 1 / (1 + np.exp(-30 * (0.5 - uniform)))
    # The best possible mean of p (1 - p) is its self-weighted mean.
    value = even * (1 - even)
    assert (p * (1 - p)).mean() > 0.7 * (value**2).mean() / value.mean() > 2 * value.mean()


@pytest.mark.parametrize(
    ("score", "learned", "least", "most"),
    [("progress", True, 0.6, 0.9), ("progress", False, 0.1, 0.4), ("gain", False, 0.4, 0.6)],
)
def test_tasks_are_where_success_changes(score, learned, least, most):
    """The right half is learned after nothing, or the left half is forgotten after everything."""
    teacher = teachers.learnability(UNIT, score=score, delay=4, memory=512)
    before = 0.0 if learned else 1.0
    state, _ = taught(teacher, lambda t: before + 0 * t[:, 0], 12)
    state, tasks = taught(teacher, lambda t: (t[:, 0] > 0.5) * 1.0, 5, states=state)
    assert least < tasks[:, 0].mean() < most


def test_where_nothing_succeeds_tasks_are_uniform_or_easy():
    easy = UNIT.restricted(x=(0.0, 0.2))
    for part, widest in [(None, 1.0), (easy, 0.2)]:
        teacher = teachers.learnability(UNIT, easy=part, random_fraction=0.0)
        state, _ = taught(teacher, lambda t: jnp.zeros(len(t)), 10)
        tasks = np.asarray(propose(teacher, state, jax.random.key(9), 2000)[0].tasks)
        np.testing.assert_allclose(tasks.mean(0), [widest / 2, 0.5], atol=0.05)
        np.testing.assert_allclose(tasks.std(0), np.array([widest, 1]) / 12**0.5, atol=0.03)


def test_where_everything_succeeds_tasks_are_uniform():
    teacher = teachers.learnability(UNIT, easy=UNIT.restricted(x=(0.0, 0.2)))
    state, _ = taught(teacher, lambda t: jnp.ones(len(t)), 10)
    tasks = np.asarray(propose(teacher, state, jax.random.key(9), 2000)[0].tasks)
    np.testing.assert_allclose(tasks.mean(0), 0.5, atol=0.05)


def test_returns_can_be_learned_instead_of_success():
    teacher = teachers.learnability(UNIT, outcome="return", return_range=(-10.0, 10.0))
    state = teacher.init(jax.random.key(0))
    observe = jax.jit(teacher.observe)
    for number in range(20):
        proposals, state = propose(teacher, state, jax.random.key(number), 128)
        rows = outcomes(jnp.zeros(128), 20 * proposals.tasks[:, 0] - 10)
        state = observe(state, proposals, rows)
    picture = teacher.picture(state)
    error = np.abs(picture["values"] - picture["points"][:, 0])
    assert error.mean() < 0.05


def test_presets_and_settings():
    make = functools.partial(teachers.make, "learnability", MIXED)
    make(score="gain", outcome="return", return_range=(0.0, 2.0))
    for name, value in {
        "score": "regret",
        "outcome": "reward",
        "return_range": (1.0, 1.0),
        "train_every": 0,
        "learning_rate": 1.0,
        "random_fraction": -0.1,
        "power": 0.0,
        "floor": 2.0,
        "delay": 0,
    }.items():
        with pytest.raises(SettingError, match=f"^{name} is "):
            make(**{name: value})
