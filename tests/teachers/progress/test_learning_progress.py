"""Learning progress over cells, against a plain version."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, Proposals
from didact.teachers.progress.learning_progress import cells_of

pytestmark = pytest.mark.slow

SPACE = Box(
    (
        Dimension("x", -2, 2),
        Dimension("few", 0, 2, integer=True),
        Dimension("many", 1, 10, integer=True),
        Dimension("fixed", 5, 5),
    )
)


def outcomes(success, weights=None):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(success, success, one, weights, {})


def test_cells_divide_the_space():
    shape, edges = cells_of(SPACE, 4)
    assert shape == (4, 3, 4, 1)
    np.testing.assert_allclose(edges[0], [[0, 0.25, 0.5, 0.75], [0.25, 0.5, 0.75, 1]])
    np.testing.assert_allclose(edges[1], [[0, 0.5, 1], [0, 0.5, 1]])
    np.testing.assert_allclose(np.array(edges[2]) * 9 + 1, [[1, 4, 7, 9], [3, 6, 8, 10]])


def plain_cell(task):
    x = min(int(np.floor(task[0] + 2)), 3)
    many = np.searchsorted([4, 7, 9], task[2], side="right")
    return (x * 3 + int(task[1])) * 4 + many


class Plain:
    """The averages of the papers, one call after the other."""

    def __init__(self, rate, q):
        self.rate, self.q = rate, q
        self.fast, self.slow = {}, {}

    def observe(self, tasks, success, weights):
        rows = {}
        for task, won, weight in zip(tasks, success, weights, strict=True):
            if weight:
                rows.setdefault(plain_cell(task), []).append(won)
        for cell, won in rows.items():
            mean = np.mean(won)
            if cell not in self.fast:
                self.fast[cell] = self.slow[cell] = mean
            for _ in won:
                self.fast[cell] += self.rate * (mean - self.fast[cell])
                self.slow[cell] += self.rate * (self.fast[cell] - self.slow[cell])

    def chances(self):
        def f(p):
            return p * (1 - self.q) / (p + self.q * (1 - 2 * p))

        active = [cell for cell in self.fast if self.fast[cell] > 0]
        progress = np.array([abs(f(self.fast[c]) - f(self.slow[c])) for c in active])
        score = 1 / (1 + np.exp(-(progress - progress.mean()) / (progress.std() or 1)))
        return dict(zip(active, score / score.sum(), strict=True))


@pytest.mark.parametrize("batch", [1, 200])
def test_chances_are_those_of_the_papers(batch):
    teacher = teachers.learning_progress(SPACE, random_fraction=0.0)
    plain, rng = Plain(0.1, 0.1), np.random.default_rng(0)
    observe = jax.jit(teacher.observe)
    state = teacher.init(jax.random.key(0))
    for i in range(60 if batch == 1 else 8):
        tasks = SPACE.sample(jax.random.key(i), batch)
        success = (rng.random(batch) < 0.2 + 0.1 * (np.asarray(tasks)[:, 0] > 0) * i / 4) * 1.0
        weights = rng.random(batch) < 0.9
        state = observe(state, Proposals.of(tasks), outcomes(success, weights))
        plain.observe(np.asarray(tasks), success, weights)
    chances = plain.chances()
    proposed = np.asarray(teacher.propose(state, jax.random.key(9), 60_000)[0])
    cells = np.array([plain_cell(task) for task in proposed])
    shares = {cell: np.mean(cells == cell) for cell in set(cells)}
    assert set(shares) <= set(chances)
    for cell, chance in chances.items():
        assert abs(shares.get(cell, 0) - chance) < 0.004 + 0.05 * chance
    picture = teacher.picture(state)
    assert picture["low"].shape == (48, 4)
    weights = np.sort(np.asarray(picture["weights"]))[::-1][: len(chances)]
    np.testing.assert_allclose(weights, sorted(chances.values(), reverse=True), atol=1e-4)
    best = np.asarray(picture["low"][0] + picture["high"][0]) / 2
    assert plain_cell(np.round(best * [1e6, 1, 1, 1]) / [1e6, 1, 1, 1]) in chances


@pytest.mark.parametrize("count", [1, 7, 40, 300])
def test_a_call_counts_as_its_episodes_one_by_one(count):
    teacher = teachers.learning_progress(SPACE)
    observe = jax.jit(teacher.observe)
    tasks = jnp.tile(SPACE.sample(jax.random.key(0), 1), (count, 1))
    before = observe(
        teacher.init(jax.random.key(0)), Proposals.of(tasks[:1]), outcomes([0.0], [True])
    )
    for success in (1.0, 0.0):
        weights = np.ones(count, bool)
        together = observe(before, Proposals.of(tasks), outcomes(np.full(count, success), weights))
        alone = before
        for _ in range(count):
            alone = observe(alone, Proposals.of(tasks[:1]), outcomes([success], [True]))
        for name in ("fast", "slow"):
            a, b = np.asarray(getattr(together, name)), np.asarray(getattr(alone, name))
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
        before = together
    assert np.max(before.fast) > 0  # a cell that once succeeded is not forgotten


def test_tasks_are_uniform_until_something_succeeds():
    teacher = teachers.learning_progress(SPACE, random_fraction=0.0)
    tasks = SPACE.sample(jax.random.key(0), 500)
    state = teacher.init(jax.random.key(0))
    state = teacher.observe(state, Proposals.of(tasks), outcomes(np.zeros(500)))
    proposed = np.asarray(teacher.propose(state, jax.random.key(1), 30_000)[0])
    counts = np.histogram2d(*proposed[:, :2].T, bins=[4, 3])[0]
    assert np.all(np.abs(counts - 2500) < 250)


@pytest.mark.parametrize(
    "bad", [{"bins": 0}, {"bins": 200}, {"rate": 0.0}, {"reweighting": 0.6}, {"random_fraction": 2}]
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        teachers.learning_progress(SPACE, **bad)
