"""SPDL: the bound on the divergence at every update, its optimum by SciPy, and where it goes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import FOREIGN, Outcomes, Proposals, propose
from didact.teachers.pacing.gaussian_trust_region import (
    Gaussian,
    divergence,
    log_density,
    maximized,
)

pytestmark = pytest.mark.slow

KEY = jax.random.key(3)
UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
MIXED = Box(
    (
        Dimension("x", -1, 3),
        Dimension("n", 0, 4, integer=True),
        Dimension("c", 5, 5),
        Dimension("z", 100, 300),
    )
)


def outcomes(values, success=None, weights=None, lengths=None):
    values = jnp.asarray(values, jnp.float32)
    one = jnp.ones_like(values)
    success = (values > 0) * one if success is None else jnp.asarray(success, jnp.float32)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(values, success, one if lengths is None else lengths, weights, {})


def exact_divergence(p, q):
    """KL(p || q) of two (mean, factor) in double precision."""
    (mp, lp), (mq, lq) = [[np.asarray(x, np.float64) for x in pair] for pair in (p, q)]
    cp, cq = lp @ lp.T, lq @ lq.T
    inverse = np.linalg.inv(cq)
    away = mp - mq
    size = np.trace(inverse @ cp) + away @ inverse @ away - len(mp)
    return 0.5 * (size + np.linalg.slogdet(cq)[1] - np.linalg.slogdet(cp)[1])


@functools.cache
def made(space, **kwargs):
    teacher = teachers.self_paced(space, **kwargs)
    return teacher, jax.jit(teacher.observe), jax.jit(lambda s, k: propose(teacher, s, k, 40))


@settings(max_examples=25)
@given(
    st.sampled_from([UNIT, MIXED]),
    st.integers(0, 2**31 - 1),
    st.sampled_from(["random", "huge", "sparse", "smooth", "none", "negative"]),
)
def test_the_divergence_is_bounded_at_every_update(space, seed, kind):
    bound = 0.1
    teacher, observe, propose_40 = made(space, update_every=40, alpha_offset=3, max_kl=bound)
    state = teacher.init(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    for number in range(8):
        proposals, state = propose_40(state, jax.random.key(number))
        unit = np.asarray(space.normalise(proposals.tasks))
        values = {
            "random": rng.normal(size=40),
            "huge": 1e6 * rng.random(40),
            "sparse": rng.random(40) < 0.05,
            "smooth": 1 - unit[:, 0],
            "none": np.zeros(40),
            "negative": -rng.random(40),
        }[kind]
        before = state
        state = observe(state, proposals, outcomes(values))
        assert int(state.updates) == number + 1
        old, new = (before.mean, before.factor), (state.mean, state.factor)
        assert np.all(np.isfinite(state.factor))
        assert exact_divergence(old, new) <= bound


@pytest.mark.parametrize("d", [1, 2, 5])
def test_divergence_and_density_are_those_of_numpy(d):
    rng = np.random.default_rng(d)
    pair = [
        (rng.normal(size=d), np.tril(rng.normal(size=(d, d)), -1) + np.diag(1 + rng.random(d)))
        for _ in range(2)
    ]
    p, q = (Gaussian(*(jnp.asarray(x, jnp.float32) for x in one)) for one in pair)
    np.testing.assert_allclose(divergence(p, q), exact_divergence(*pair), rtol=1e-4)
    points = rng.normal(size=(7, d))
    mean, factor = pair[0]
    white = np.linalg.solve(factor, (points - mean).T)
    expected = -0.5 * (white**2).sum(0) - np.log(np.diag(factor)).sum() - d / 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(log_density(p, jnp.asarray(points)), expected, atol=1e-4)


@pytest.mark.parametrize(("alpha", "seed"), [(0.0, 0), (0.05, 1), (2.0, 2)])
def test_the_update_is_the_optimum_of_scipy(alpha, seed):
    """Sequential quadratic programming in double precision, from several starts."""
    rng, bound = np.random.default_rng(seed), 0.1
    old = (np.array([0.3, 0.6]), np.array([[0.1, 0], [0.04, 0.15]]))
    target = (np.array([0.5, 0.5]), 0.25 * np.eye(2))
    points = old[0] + rng.normal(size=(300, 2)) @ old[1].T
    values = np.exp(-8 * ((points - [0.5, 0.4]) ** 2).sum(1)) + 0.1 * rng.normal(size=300)
    gains = (values - values.mean()) / 300

    def density(gaussian):
        mean, factor = gaussian
        white = np.linalg.solve(factor, (points - mean).T)
        return -0.5 * (white**2).sum(0) - np.log(np.diag(factor)).sum()

    def unpacked(x):
        factor = np.array([[np.exp(x[2]), 0], [x[4], np.exp(x[3])]])
        return x[:2], factor

    def loss(x):
        p = unpacked(x)
        ratio = np.exp(density(p) - density(old))
        return alpha * exact_divergence(p, target) - ratio @ gains

    start = np.array([*old[0], *np.log(np.diag(old[1])), old[1][1, 0]])
    limit = {"type": "ineq", "fun": lambda x: bound - exact_divergence(old, unpacked(x))}
    box = optimize.Bounds(start - 0.7, start + 0.7)
    starts = [start, *(start + 0.01 * rng.normal(size=(4, 5)))]
    tries = [
        optimize.minimize(loss, x, method="SLSQP", bounds=box, constraints=[limit], tol=1e-9)
        for x in starts
    ]
    best = min(x.fun for x in tries if limit["fun"](x.x) > -1e-6)

    rows, weights = jnp.asarray(points, jnp.float32), jnp.asarray(gains, jnp.float32)
    first, goal = (Gaussian(*(jnp.asarray(x, jnp.float32) for x in g)) for g in (old, target))

    def objective(p):
        ratio = jnp.exp(log_density(p, rows) - log_density(first, rows))
        return ratio @ weights - alpha * divergence(p, goal)

    found = jax.jit(lambda old: maximized(objective, old, bound))(first)
    assert exact_divergence(old, found) <= bound
    reached = np.array(
        [*found.mean, *np.log(np.diag(found.factor)), found.factor[1, 0]], np.float64
    )
    # The part of the possible improvement that is realized.
    assert (loss(start) - loss(reached)) > 0.97 * (loss(start) - best)


def taught(teacher, success_of, rounds, n=250, seed=0, until=lambda state: False):
    """Teach a simulated student whose success depends on the task alone."""

    @jax.jit
    def lesson(state, key):
        proposals, state = propose(teacher, state, key, n)
        return teacher.observe(state, proposals, outcomes(success_of(proposals.tasks))), proposals

    state = teacher.init(jax.random.key(seed))
    history = []
    for number in range(rounds):
        state, proposals = lesson(state, jax.random.key(number))
        history.append(proposals)
        if until(state):
            break
    return state, history


def test_it_reaches_the_target_if_everything_succeeds():
    easy = UNIT.restricted(x=(0.0, 0.1), y=(0.0, 0.1))
    teacher = teachers.self_paced(UNIT, easy=easy, alpha_offset=2)
    state, history = taught(teacher, lambda tasks: jnp.ones(len(tasks)), 40)
    first = np.asarray(history[0].tasks)
    assert np.all(first.mean(0) < 0.1)
    assert float(state.fallback) == 0
    np.testing.assert_allclose(state.mean, 0.5, atol=0.05)
    np.testing.assert_allclose(state.factor, 0.25 * np.eye(2), atol=0.03)


def test_it_goes_no_farther_than_success_permits():
    easy = UNIT.restricted(x=(0.0, 0.1))
    teacher = teachers.self_paced(UNIT, easy=easy, alpha_offset=2)
    state, _ = taught(teacher, lambda tasks: (tasks[:, 0] < 0.3) * 1.0, 40)
    assert 0.05 < float(state.mean[0]) < 0.35


def test_where_nothing_succeeds_tasks_are_uniform_or_easy():
    def nothing(tasks):
        return jnp.zeros(len(tasks))

    for easy in (None, UNIT.restricted(x=(0.0, 0.2))):
        teacher = teachers.self_paced(UNIT, easy=easy)
        state, history = taught(teacher, nothing, 3, n=1000)
        tasks = np.asarray(history[-1].tasks)
        assert float(state.fallback) == 1
        widest = 1 if easy is None else 0.2
        np.testing.assert_allclose(tasks.mean(0), [widest / 2, 0.5], atol=0.04)
        np.testing.assert_allclose(tasks.std(0), np.array([widest, 1]) / 12**0.5, atol=0.03)


def test_from_an_unknown_start_it_finds_where_tasks_succeed():
    teacher = teachers.self_paced(UNIT)

    def corner(tasks):
        return jnp.all(tasks < 0.2, axis=1) * 1.0

    for seed in range(3):
        state, _ = taught(teacher, corner, 60, seed=seed)
        assert float(state.fallback) == 0
        assert np.all(np.asarray(state.mean) < 0.3)


def test_episodes_of_other_teachers_are_no_samples_of_the_gaussian():
    teacher, observe, _ = made(UNIT, update_every=40)
    state = teacher.init(jax.random.key(0))
    tasks = state.mean + jnp.zeros((40, 2)) + 0.01 * jnp.arange(40)[:, None]
    values = jnp.arange(40) / 40
    own = observe(state, Proposals.of(tasks), outcomes(values, success=jnp.zeros(40)))
    other = observe(state, Proposals.of(tasks, tag=FOREIGN), outcomes(jnp.zeros(40)))
    assert float(own.fallback) == 0
    assert np.any(np.asarray(own.mean) != np.asarray(state.mean))
    assert float(other.fallback) == 1
    np.testing.assert_array_equal(other.mean, state.mean)


def test_updates_are_counted_in_episodes_or_steps():
    rows = Proposals.of(jnp.full((10, 2), 0.5))
    for counted, updates in [("episodes", [0, 0, 1, 1, 2]), ("steps", [1, 2, 3, 4, 5])]:
        teacher = teachers.self_paced(UNIT, update_every=20, start=30, counted=counted)
        observe, state = jax.jit(teacher.observe), teacher.init(jax.random.key(0))
        for expected in updates:
            lengths = jnp.full(10, 7.0)
            state = observe(state, rows, outcomes(jnp.arange(10) / 10, lengths=lengths))
            assert int(state.updates) == expected


def test_the_standard_deviation_has_a_minimum_far_from_the_target():
    teacher = teachers.self_paced(
        UNIT, min_std=0.08, kl_threshold=0.5, alpha_offset=100, update_every=250
    )

    def peak(tasks):
        return jnp.exp(-500 * jnp.sum((tasks - 0.1) ** 2, axis=1))

    state, _ = taught(teacher, peak, 60)
    assert np.all(np.diag(state.factor) >= 0.08 - 1e-6)
    assert np.all(np.diag(state.factor) < 0.12)


def test_a_standard_deviation_below_the_minimum_is_raised():
    corner, end = UNIT.restricted(x=(0, 0.02), y=(0, 0.02)), UNIT.restricted(x=1, y=1)
    settings = {"min_std": 0.025, "update_every": 40, "easy": corner, "target": end}
    for threshold, least in ((0.5, 0.025), (1e9, 0.01)):
        teacher = teachers.self_paced(UNIT, kl_threshold=threshold, **settings)
        state = teacher.init(jax.random.key(0))
        np.testing.assert_allclose(jnp.diagonal(state.factor), 0.01, rtol=1e-5)
        state = teacher.observe(state, propose(teacher, state, KEY, 40)[0], outcomes(np.ones(40)))
        np.testing.assert_allclose(jnp.diagonal(state.factor), least, rtol=1e-5)


def test_presets_follow_the_target_from_the_tenth_update_on():
    """The authors' code counts updates from 1, and has alpha = 0 below 10."""
    for preset in ("tma", "paper"):
        teacher = teachers.make("self_paced", UNIT, preset=preset, iterations=2)
        first = teacher.init(jax.random.key(0))
        rows = propose(teacher, first, KEY, 40)[0]
        for before, follows in ((8, False), (9, True)):
            state = first._replace(updates=jnp.int32(before))
            lengths = jnp.full(40, 10_000.0)
            state = teacher.observe(state, rows, outcomes(np.ones(40), lengths=lengths))
            assert int(state.updates) == before + 1
            assert follows != bool(jnp.all(state.mean == first.mean))


def test_picture_is_in_task_units():
    teacher = teachers.self_paced(MIXED)
    state = teacher.init(jax.random.key(0))
    picture = teacher.picture(state)
    unit = np.array([*np.asarray(state.mean)[:2], 0, float(state.mean[2])])
    np.testing.assert_allclose(picture["means"][0], MIXED.low + unit * (MIXED.high - MIXED.low))
    expected = (0.1 * np.array([4, 4, 0, 200])) ** 2
    np.testing.assert_allclose(picture["covariances"][0], np.diag(expected), atol=1e-3)


@pytest.mark.parametrize(
    "bad",
    [
        {"update_every": 0},
        {"memory": 1},
        {"zeta": -1.0},
        {"counted": "days"},
        {"outcome": "reward"},
        {"max_kl": 0.0},
        {"min_std": 1.0},
        {"kl_threshold": -1.0},
        {"iterations": 0},
        {"start": -1},
        {"alpha_offset": -1},
        {"easy": MIXED},
        {"target": Box((Dimension("x", 0, 2), Dimension("y", 0, 1)))},
    ],
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is "):
        teachers.self_paced(UNIT, **bad)
