"""The toy grid against a dictionary of counters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import environments
from didact.environments import SettingError
from didact.environments.toys import toy_grid


def plain(tasks, dimensions, side):
    """The rules, one task and one neighbour at a time."""
    competence = dict.fromkeys(itertools.product(range(side), repeat=dimensions), 0)
    rewards = []
    for task in tasks:
        cell = tuple(min(int(np.float32(x) * side), side - 1) for x in task[:dimensions])
        free = all(i == 0 for i in cell)
        for count in range(1, dimensions + 1):
            for lowered in itertools.combinations(range(dimensions), count):
                other = tuple(x - (i in lowered) for i, x in enumerate(cell))
                free = free or competence.get(other, 0) >= 75
        if free:
            competence[cell] = min(competence[cell] + 1, 100)
        rewards.append(competence[cell] / 100)
    mastered = [value > 75 for value in competence.values()]
    return competence, rewards, 100 * np.mean(mastered)


@pytest.mark.parametrize(
    ("dimensions", "side", "useless", "episodes"),
    [(1, 6, 0, 3000), (2, 4, 0, 4000), (2, 3, 2, 3000), (3, 3, 1, 6000)],
)
def test_visits_follow_the_rules(dimensions, side, useless, episodes):
    space = toy_grid.task_space(dimensions, useless)
    # Mostly low corners, so that cells are unlocked along the way.
    tasks = space.sample(jax.random.key(0), episodes) ** 2
    tasks = tasks.at[0].set(1.0)
    visits = jax.jit(
        lambda tasks: jax.lax.scan(
            toy_grid.visit, toy_grid.initial_competence(dimensions, side), tasks
        )
    )
    competence, rewards = visits(tasks)
    expected, expected_rewards, score = plain(np.asarray(tasks), dimensions, side)
    for cell, value in expected.items():
        assert competence[cell] == value
    np.testing.assert_allclose(rewards, expected_rewards, atol=1e-6)
    np.testing.assert_allclose(toy_grid.score(competence), score, atol=1e-4)
    assert score > 20


def test_the_toy_grid_is_an_environment():
    env = environments.make("ToyGrid", dimensions=3, side=4, useless=1)
    assert env.name == "ToyGrid"
    tasks = jnp.array([[0.0, 0, 0, 0.9], [0.9, 0.3, 0.5, 0.1]])
    assert env.task_space.size == 4
    state, first = jax.jit(env.reset)(jax.random.key(0), tasks)
    assert not np.any(first.done)
    np.testing.assert_array_equal(first.observation["cell"], [[0, 0, 0], [3, 1, 2]])
    state, then = jax.jit(env.step)(jax.random.key(0), state, jnp.zeros(2, int))
    np.testing.assert_allclose(then.reward, [0.01, 0])
    np.testing.assert_array_equal(then.success, [True, False])
    assert np.all(then.terminated)
    assert not np.any(then.truncated)
    assert state.competence[0, 0, 0, 0] == 1
    assert float(jnp.sum(state.competence)) == 1
    picture = env.render(state, 0)
    assert picture.dtype == np.uint8
    assert picture.shape == (64, 64, 3)
    assert env.instruction_text({"cell": np.array([3, 1, 2])}) == "visit cell 3 1 2"


def test_easy_tasks_are_unlocked():
    env = environments.make("ToyGrid")
    tasks = env.easy_space.sample(jax.random.key(0), 100)
    state, _ = env.reset(jax.random.key(0), tasks)
    _, then = env.step(jax.random.key(0), state, jnp.zeros(100, int))
    assert np.all(then.success)


@pytest.mark.parametrize("bad", [{"dimensions": 0}, {"side": 0}, {"useless": -1}])
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is"):
        environments.make("ToyGrid", **bad)
