"""Setter-Solver: the flow against autodiff and integration, the losses against NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import FOREIGN, Outcomes, Proposals, propose
from didact.teachers.learned.real_nvp import RealNvp
from didact.teachers.learned.setter_losses import (
    GRADES,
    Judge,
    feasibility,
    judge_loss,
    setter_loss,
)

pytestmark = pytest.mark.slow

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
OTHER = Box((Dimension("z", 0, 1),))


@functools.cache
def flow_of(d, seed=0):
    """A flow with random weights, also where it starts with zeros."""
    flow = RealNvp(d, 16)
    parameters = flow.init(jax.random.key(seed))
    leaves, tree = jax.tree.flatten(parameters)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    pairs = zip(leaves, keys, strict=True)
    leaves = [x + 0.3 * jax.random.normal(key, x.shape) for x, key in pairs]
    return flow, jax.tree.unflatten(tree, leaves)


SIZES = [2, *(pytest.param(d, marks=pytest.mark.slow) for d in (1, 3, 7))]


@pytest.mark.parametrize("d", SIZES)
def test_the_flow_inverts(d):
    flow, parameters = flow_of(d)
    noise = jax.random.normal(jax.random.key(2), (200, d))
    condition = jax.random.uniform(jax.random.key(3), (200,))
    points, slope = jax.jit(flow.transform)(parameters, noise, condition)
    inside = np.all((points > 1e-3) & (points < 1 - 1e-3), axis=1)
    assert inside.mean() > 0.3
    back, same = flow.inverse(parameters, points, condition)
    np.testing.assert_allclose(back[inside], noise[inside], atol=2e-2)
    np.testing.assert_allclose(same[inside], slope[inside], atol=2e-2)


@pytest.mark.parametrize("d", SIZES)
def test_its_log_determinant_is_that_of_autodiff(d):
    flow, parameters = flow_of(d)
    noise = jax.random.normal(jax.random.key(2), (60, d))
    condition = jax.random.uniform(jax.random.key(3), (60,))

    def one(z, f):
        return flow.transform(parameters, z[None], f[None])[0][0]

    jacobians = np.asarray(jax.jit(jax.vmap(jax.jacobian(one)))(noise, condition), np.float64)
    expected = np.linalg.slogdet(jacobians)[1]
    points, slope = flow.transform(parameters, noise, condition)
    # At the bounds, derivatives of the sigmoid have few digits.
    inside = np.all((points > 1e-3) & (points < 1 - 1e-3), axis=1)
    assert inside.sum() >= 5
    np.testing.assert_allclose(slope[inside], expected[inside], atol=1e-3)


def test_densities_integrate_to_one():
    flow, parameters = flow_of(2)
    side = (np.arange(400) + 0.5) / 400
    grid = jnp.asarray(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2), jnp.float32)
    for f in (0.1, 0.9):
        condition = jnp.full(len(grid), f)
        density = np.exp(flow.log_density(parameters, grid, condition))
        assert abs(density.mean() - 1) < 0.02


def test_it_starts_as_the_sigmoid_of_noise():
    flow = RealNvp(3, 16)
    parameters = flow.init(jax.random.key(0))
    noise = jax.random.normal(jax.random.key(1), (50, 3))
    points, _ = flow.transform(parameters, noise, jnp.full(50, 0.5))
    np.testing.assert_allclose(points, 1 / (1 + np.exp(-np.asarray(noise))), atol=1e-5)


def test_every_number_is_changed_given_the_others():
    for d in (2, 3, 8):
        change = RealNvp(d, 4, 3).masks
        assert change.shape == (9, d)
        assert change.any(0).all()
        assert not change.all(1).any()
    assert RealNvp(1, 4, 3).masks.tolist() == [[True]] * 6


def test_losses_are_those_of_numpy():
    rng = np.random.default_rng(0)
    logits, densities, likelihoods = rng.normal(size=(3, 30))
    success = rng.random(30) < 0.4
    p = 1 / (1 + np.exp(-logits))
    expected = -np.mean(np.where(success, np.log(p), np.log(1 - p)))
    np.testing.assert_allclose(
        judge_loss(jnp.asarray(logits), jnp.asarray(success, jnp.float32)), expected, rtol=1e-5
    )
    f = rng.random(30)
    expected = np.mean((logits - np.log(f / (1 - f))) ** 2) + densities.mean()
    valid = expected - likelihoods[success].mean()
    args = [jnp.asarray(x) for x in (logits, f, densities, likelihoods)]
    np.testing.assert_allclose(setter_loss(*args, jnp.asarray(success)), valid, rtol=1e-4)
    # Without solved tasks, the mean over them is left out.
    np.testing.assert_allclose(setter_loss(*args, jnp.zeros(30, bool)), expected, rtol=1e-4)


def test_the_judge_is_the_perceptron_of_numpy():
    judge = Judge(8)
    points = np.random.default_rng(0).random((5, 3)).astype(np.float32)
    parameters = judge.init(jax.random.key(0), points)
    x = 2 * points - 1
    for i in range(4):
        layer = parameters["params"][f"Dense_{i}"]
        x = x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
        x = np.maximum(x, 0) if i < 3 else x
    np.testing.assert_allclose(judge.apply(parameters, points), x[:, 0], atol=1e-5)


def outcomes(success):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    return Outcomes(success, success, one, one, {})


def taught(teacher, success_of, rounds, n=256):
    @jax.jit
    def lesson(state, key):
        proposals, state = propose(teacher, state, key, n)
        return teacher.observe(state, proposals, outcomes(success_of(proposals.tasks))), None

    keys = jax.random.split(jax.random.key(1), rounds)
    return jax.lax.scan(lesson, teacher.init(jax.random.key(0)), keys)[0]


def test_feasible_tasks_are_where_the_student_succeeds(optimised):
    """The student succeeds with a probability that falls from 1 at the left to 0 at the right."""
    teacher = teachers.setter_solver(UNIT, steps=10, width=32, learning_rate=3e-3)

    def often(tasks):
        coins = jax.random.uniform(jax.random.key(jnp.int32(1e6 * tasks[0, 1])), (len(tasks),))
        return (coins < 1 - tasks[:, 0]) * 1.0

    state = taught(teacher, often, 100)
    points, f = np.asarray(state.pool), np.asarray(feasibility(state.pool_grades))
    assert points[f > 0.8, 0].mean() < 0.3
    assert points[f < 0.2, 0].mean() > 0.7
    assert np.corrcoef(points[:, 0], f)[0, 1] < -0.8
    # Coverage: in the other dimension tasks are everywhere.
    assert points[:, 1].std() > 0.2
    judged = np.asarray(teacher.picture(state)["values"])
    assert np.abs(judged - (1 - points[:, 0])).mean() < 0.1


def test_where_nothing_succeeds_tasks_are_uniform_or_easy():
    easy = UNIT.restricted(x=(0.0, 0.2))
    for part, widest in [(None, 1.0), (easy, 0.2)]:
        teacher = teachers.setter_solver(UNIT, easy=part, steps=2, pool=2000)
        state = taught(teacher, lambda tasks: jnp.zeros(len(tasks)), 3)
        np.testing.assert_allclose(state.pool.mean(0), [widest / 2, 0.5], atol=0.03)
        np.testing.assert_allclose(state.pool.std(0), np.array([widest, 1]) / 12**0.5, atol=0.02)
        for leaf in jax.tree.leaves(state.setter):
            assert np.all(np.isfinite(leaf))


def test_feasibilities_are_uniform_and_travel_in_the_tag():
    teacher = teachers.setter_solver(UNIT, pool=4000)
    state = teacher.init(jax.random.key(0))
    proposals, _ = propose(teacher, state, jax.random.key(1), 4000)
    f = np.asarray(feasibility(proposals.tag))
    assert np.all((f > 0) & (f < 1))
    assert np.all(np.abs(np.histogram(f, bins=8, range=(0, 1))[0] - 500) < 120)
    after = teacher.observe(state, proposals, outcomes(jnp.ones(4000)))
    np.testing.assert_array_equal(np.sort(after.grades)[-10:], np.sort(proposals.tag[-512:])[-10:])
    assert int(proposals.tag.max()) < GRADES


def test_solved_tasks_of_other_teachers_train_the_judge_only():
    teacher = teachers.setter_solver(UNIT, update_every=64, steps=3)
    state = teacher.init(jax.random.key(0))
    tasks = UNIT.sample(jax.random.key(1), 64)
    observe = jax.jit(teacher.observe)
    solved, failed = (
        observe(state, Proposals.of(tasks, tag=FOREIGN), outcomes(jnp.full(64, x)))
        for x in (1.0, 0.0)
    )
    same = jax.tree.map(np.array_equal, solved.judge, failed.judge)
    assert not any(jax.tree.leaves(same))


@pytest.mark.parametrize(
    "bad",
    [{"update_every": 0}, {"noise": 1.0}, {"learning_rate": 0.0}, {"pool": 0}, {"easy": OTHER}],
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is "):
        teachers.setter_solver(UNIT, **bad)
