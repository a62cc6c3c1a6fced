"""Scores on the toy grid beside plain NumPy versions of the same algorithms."""

import jax
import numpy as np
import plain_teachers
import pytest

from didact import teachers
from didact.benchmarks.curricula import toy_teachers
from didact.environments.toys import toy_grid

SPACE = toy_grid.task_space(2)
CORNER = SPACE.restricted(x0=(0.0, 0.05), x1=(0.0, 0.05))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "plain", "knowledge", "seeds"),
    [
        ("self_paced", plain_teachers.SelfPaced, False, 6),
        ("self_paced", plain_teachers.SelfPaced, True, 6),
        ("goal_gan", plain_teachers.GoalGan, False, 4),
        ("learnability", plain_teachers.Learnability, False, 3),
    ],
)
def test_masters_as_much_of_the_toy_grid_as_plain_numpy(name, plain, knowledge, seeds):
    ours = {"easy": CORNER} if knowledge else {}
    teacher = getattr(teachers, name)(SPACE, **ours)
    keys = jax.random.split(jax.random.key(0), 8)
    scores = np.asarray(jax.jit(jax.vmap(lambda key: toy_teachers.run(teacher, key)))(keys))[:, -1]
    others = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        made = plain(2, rng, **({"easy": True} if knowledge else {}))
        others.append(plain_teachers.toy_grid(made, rng))
    apart = scores.mean() - np.mean(others)
    # One cell, and two standard deviations as between any two teachers of the published table.
    assert abs(apart) < 1 + 2 * max(scores.std(ddof=1), np.std(others, ddof=1))


def test_the_plain_toy_grid_is_that_of_the_library():
    """The same tasks master the same cells."""
    tasks = np.asarray(SPACE.sample(jax.random.key(0), 3000)) * 0.3

    class Given:
        def __init__(self):
            self.rewards, self.left = [], list(tasks)

        def propose(self, rng):
            return self.left.pop(0)

        def observe(self, task, reward, success, rng):
            self.rewards.append(reward)

    given = Given()
    score = plain_teachers.toy_grid(given, None, episodes=3000)
    competence, rewards = jax.lax.scan(
        toy_grid.visit, toy_grid.initial_competence(), jax.numpy.asarray(tasks)
    )
    np.testing.assert_allclose(given.rewards, rewards, atol=1e-6)
    assert score == pytest.approx(float(toy_grid.score(competence)))
