"""The transformer teacher against hand computations, and against a student with a frontier."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.benchmarks.curricula import toy_teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.toys import toy_grid
from didact.teachers import Outcomes, Proposals
from didact.teachers.adversary.transformer.critic import critic_loss, uncertainty
from didact.teachers.adversary.transformer.model import Transformer, log_probabilities
from didact.teachers.adversary.transformer.teacher import policy_loss
from didact.teachers.adversary.transformer.tokens import Tokens

pytestmark = pytest.mark.slow

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
SMALL = {"steps": 2, "batch": 64, "critic_steps": 4, "memory": 600, "width": 8, "layers": 1}
SMALL["heads"] = 2


@functools.cache
def made(space=UNIT, **settings):
    """A teacher with compiled functions, made once, and a new state; it observes plain tasks."""
    teacher = teachers.transformer(space, **(SMALL | settings))
    new = jax.jit(teacher.init)(jax.random.key(0))
    observe = jax.jit(lambda state, tasks, rows: teacher.observe(state, Proposals.of(tasks), rows))
    return teacher, new, jax.jit(teacher.propose, static_argnums=2), observe


def outcomes(success, weights=None, **scores):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(success, success, one, weights, scores)


def test_the_loss_is_that_of_a_hand_computation():
    rng = np.random.default_rng(0)
    chances, worth = -rng.random(5), rng.random(5)
    earned = worth - 0.3 * chances
    # Every task against the mean of the others.
    against = [earned[i] - np.mean(np.delete(earned, i)) for i in range(5)]
    expected = -np.mean(np.array(against) * chances)
    loss, gradient = jax.value_and_grad(policy_loss)(jnp.asarray(chances), jnp.asarray(worth), 0.3)
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(gradient, -np.array(against) / 5, atol=1e-6)


def test_the_gradient_is_that_of_worth_and_entropy():
    """Over all pairs of tasks of a tiny space, weighted by their probability: no noise."""
    space = Box((Dimension("a", 0, 1, integer=True), Dimension("b", 0, 2, integer=True)))
    language = Tokens(space, 3)
    model = Transformer(2, 3, 4, 1, 1)
    sentences = jnp.array([(a, b) for a in range(2) for b in range(3)])
    noise = np.random.default_rng(0)
    parameters = jax.tree.map(
        lambda x: x + 0.5 * noise.normal(size=x.shape).astype(np.float32),
        model.init(jax.random.key(0), sentences[:1]),
    )
    worth = jnp.asarray(noise.random(6), jnp.float32)
    first, second = np.divmod(np.arange(36), 6)

    def chances(p):
        return log_probabilities(model, p, language, sentences)

    def expected(p):
        told = chances(p)
        return -jnp.sum(jnp.exp(told) * (worth - 0.2 * told))

    def estimated(p):
        told = chances(p)
        likely = jax.lax.stop_gradient(jnp.exp(told[first] + told[second]))
        pairs = jnp.stack([first, second], axis=1)
        losses = jax.vmap(lambda pair: policy_loss(told[pair], worth[pair], 0.2))(pairs)
        return jnp.sum(likely * losses)

    exact, average = (
        jax.jit(jax.grad(expected))(parameters),
        jax.jit(jax.grad(estimated))(parameters),
    )
    for a, b in zip(jax.tree.leaves(exact), jax.tree.leaves(average), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    assert max(float(jnp.max(jnp.abs(x))) for x in jax.tree.leaves(exact)) > 0.01


def test_what_the_critic_is_for():
    p = np.array([0.02, 0.5, 0.7])
    logits = jnp.log(p / (1 - p))
    np.testing.assert_allclose(uncertainty(logits), 4 * p * (1 - p), atol=1e-6)
    y = np.array([0.0, 1.0, 0.25])
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert float(critic_loss(logits, jnp.asarray(y))) == pytest.approx(expected, abs=1e-6)


def test_regrets_that_are_not_finite_are_no_episodes():
    rng = np.random.default_rng(0)
    _, a, _, observe = made(memory=150, reward="regret")
    b = a
    for _ in range(3):
        tasks, regret = jnp.asarray(rng.random((200, 2)), jnp.float32), rng.random(200)
        bad = rng.choice([0, np.nan, np.inf, -np.inf], 200, p=[0.7, 0.1, 0.1, 0.1])
        a = observe(a, tasks, outcomes(regret, positive_value_loss=jnp.asarray(regret + bad)))
        good = outcomes(regret, np.isfinite(bad), positive_value_loss=jnp.asarray(regret))
        b = observe(b, tasks, good)
    assert int(a.trained) > 0
    for x, y in zip(jax.tree.leaves(a[:-1]), jax.tree.leaves(b[:-1]), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("counts", [(200,), (60, 70, 30)])
def test_remembers_the_latest_episodes(counts):
    _, state, _, observe = made(memory=150)
    rng = np.random.default_rng(0)
    seen = []
    for count in counts:
        tasks = rng.random((200, 2)).astype(np.float32)
        weights = rng.permutation(200) < count
        state = observe(state, jnp.asarray(tasks), outcomes(tasks[:, 0], weights))
        seen += [tuple(task) for task in tasks[weights]]
    assert sorted(map(tuple, np.asarray(state.points))) == sorted(seen[-150:])
    np.testing.assert_array_equal(state.points[:, 0], state.targets)
    assert int(state.count) == sum(counts)


@functools.cache
def taught(name, **settings):
    """A student whose skill grows where it is uncertain: skill, and how far off tasks were."""
    if name == "transformer":
        teacher = teachers.transformer(UNIT, **(SMALL | settings))
    else:
        teacher = teachers.make(name, UNIT)

    def update(carry, key):
        state, skill = carry
        task_key, key = jax.random.split(key)
        tasks, state = teacher.propose(state, task_key, 200)
        difficulty = jnp.mean(tasks, axis=1)
        p = jax.nn.sigmoid((skill - difficulty) / 0.03)
        success = jax.random.bernoulli(key, p)
        state = teacher.observe(state, Proposals.of(tasks), outcomes(success))
        skill += 0.02 * jnp.mean(4 * p * (1 - p))
        return (state, skill), (skill, jnp.mean(jnp.abs(difficulty - skill)))

    def life(key):
        return jax.lax.scan(update, (teacher.init(key), 0.1), jax.random.split(key, 100))

    (state, _), (skill, away) = jax.jit(life)(jax.random.key(0))
    return teacher, jax.tree.map(np.asarray, (skill, away)), state


def test_proposals_follow_a_frontier_that_moves():
    _, (skill, away), _ = taught("transformer")
    _, (least, aimless), _ = taught("uniform")
    assert skill[-1] > 0.1 + 2 * (least[-1] - 0.1)
    moving = (skill > 0.25) & (skill < 0.8)
    assert moving.sum() > 20
    assert away[moving].mean() < 0.6 * aimless[20:].mean()


def test_the_picture_shows_the_pool_in_task_units():
    space = Box((Dimension("x", -2, 2), Dimension("fixed", 7, 7), Dimension("y", 100, 300)))
    teacher, state, _, observe = made(space=space)
    assert np.all(np.asarray(teacher.picture(state)["weights"]) == 0)
    rng = np.random.default_rng(0)
    for _ in range(25):
        tasks = space.sample(jax.random.key(rng.integers(1000)), 200)
        # Uncertain on the left, where x < 0; a failure elsewhere.
        state = observe(state, tasks, outcomes((tasks[:, 0] < 0) & (rng.random(200) < 0.5)))
    drawn = teacher.picture(state)
    assert drawn["means"].shape == (5, 3)
    assert drawn["covariances"].shape == (5, 3, 3)
    weights, means = np.asarray(drawn["weights"], float), np.asarray(drawn["means"], float)
    np.testing.assert_allclose(weights @ means, np.mean(state.pool, axis=0), rtol=0.02, atol=0.05)
    assert weights @ means[:, 0] < -0.4
    progress = np.asarray(drawn["progress"])
    assert progress[np.argmin(means[:, 0])] > 0.6
    np.testing.assert_allclose(weights @ progress, np.mean(state.worth), atol=0.02)


def test_proposes_from_the_pool_and_some_uniformly():
    _, state, propose, _ = made(random_fraction=0.25)
    state = state._replace(pool=jnp.full_like(state.pool, 0.5), trained=jnp.int32(1))
    tasks = np.asarray(propose(state, jax.random.key(1), 20_000)[0])
    elsewhere = tasks[np.any(tasks != 0.5, axis=1)]
    assert abs(len(elsewhere) / 20_000 - 0.25) < 0.02
    counts = np.histogram2d(*elsewhere.T, bins=4)[0]
    assert np.all(np.abs(counts / len(elsewhere) - 1 / 16) < 0.015)


def test_goes_where_regret_is_high():
    _, state, propose, observe = made(reward="regret", temperature=0.1)
    for step in range(30):
        tasks, state = propose(state, jax.random.key(step), 200)
        # In units of its own: what is large is told by the latest episodes.
        regret = 40 * jnp.maximum(1 - 4 * jnp.abs(tasks[:, 0] - 0.7), 0)
        state = observe(state, tasks, outcomes(tasks[:, 1] < 2, positive_value_loss=regret))
    near = np.mean(np.abs(np.asarray(state.pool)[:, 0] - 0.7) < 0.15)
    assert near > 0.6, near
    with pytest.raises(SettingError, match=r"^score is 'positive_value_loss', .* be one of max_mc"):
        observe(state, tasks, outcomes(tasks[:, 0], max_mc=regret))


@pytest.mark.parametrize(
    "bad",
    [
        {"reward": "praise"},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"random_fraction": 1.1},
        {"train_every": 0},
        {"memory": 0},
        {"learning_rate": 0.0},
        {"steps": 0},
        {"batch": 1},
        {"critic_steps": 0},
        {"bins": 1},
        {"width": 30},
        {"layers": 0},
        {"heads": 0},
    ],
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        teachers.transformer(UNIT, **bad)


def test_masters_more_of_the_toy_grid_than_alp_gmm():
    def score(name):
        teacher = teachers.make(name, toy_grid.task_space(2))
        keys = jax.random.split(jax.random.key(0), 4)
        return np.asarray(jax.jit(jax.vmap(lambda key: toy_teachers.run(teacher, key)))(keys))[
            :, -1
        ].mean()

    assert score("transformer") > 75 > 65 > score("alp_gmm")
