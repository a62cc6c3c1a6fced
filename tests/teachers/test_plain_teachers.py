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
        ("setter_solver", plain_teachers.SetterSolver, False, 6),
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


def test_the_gradients_of_the_plain_flow_are_those_of_differences():
    rng = np.random.default_rng(0)
    made = plain_teachers.SetterSolver(3, rng)
    for coupling in made.couplings:
        for part in coupling.network.parts:
            part += 0.3 * rng.normal(size=part.shape)
    noise, f = rng.normal(size=(64, 3)), rng.random(64)
    points = np.clip(rng.random((64, 3)), 0.01, 0.99)
    wanted = np.log(f) - np.log1p(-f)

    class Again:
        def normal(self, size):
            return noise

    def losses():
        x, logs = made.sample(noise, f)
        u = plain_teachers.sigmoid(x)
        logits = made.judge.forward(2 * u - 1)[:, 0]
        first = np.mean((logits - wanted) ** 2) - np.mean(logs + np.log(u * (1 - u)).sum(1))
        x, logs = np.log(points) - np.log1p(-points), 0.0
        for coupling in reversed(made.couplings):
            x, more = coupling.inverse(x, f)
            logs = logs + more
        return first, np.mean(0.5 * (x**2).sum(1) + logs)

    for number, learn in enumerate(
        (lambda: made.generate_and_learn(f, Again()), lambda: made.remember(points, f))
    ):
        learn()
        for coupling in made.couplings[::4]:
            for part, gradient in zip(coupling.network.parts, coupling.gradients, strict=True):
                at = np.unravel_index(np.argmax(np.abs(gradient)), part.shape)
                part[at] += 1e-5
                above = losses()[number]
                part[at] -= 2e-5
                difference = (above - losses()[number]) / 2e-5
                part[at] += 1e-5
                np.testing.assert_allclose(gradient[at], difference, rtol=1e-3)
        for coupling in made.couplings:
            coupling.gradients = [0 * g for g in coupling.gradients]


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
