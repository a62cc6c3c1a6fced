"""RIAC against NumPy, and against the published figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from didact import teachers
from didact.benchmarks.curricula import toy_teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.toys import toy_grid
from didact.teachers import Outcomes, Proposals
from didact.teachers.pacing import unit_boxes
from didact.teachers.progress import region_splits

pytestmark = pytest.mark.slow

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))


def outcomes(returns):
    returns = jnp.asarray(returns, jnp.float32)
    one = jnp.ones_like(returns)
    return Outcomes(returns, returns, one, one, {})


def plain_progress(values, window=1000):
    values = np.asarray(values, float)[-window:]
    half = len(values) // 2
    return abs(values[-half:].mean() - values[:-half].mean()) if len(values) > 2 else 0.0


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 30])
def test_progress_is_that_of_numpy(count):
    values = np.random.default_rng(count).random(30).astype(np.float32)
    mask = np.zeros(30, bool)
    mask[np.random.default_rng(1).permutation(30)[:count]] = True
    for window in (7, 100):
        found = region_splits.progress_of(jnp.asarray(values), jnp.asarray(mask), window)
        np.testing.assert_allclose(found, plain_progress(values[mask], window), atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_a_split_is_the_best_by_brute_force(seed):
    """Of all thresholds, as found by NumPy; thousands of attempts come close to each of them."""
    rng = np.random.default_rng(seed)
    space = Box((Dimension("x", 0, 1), Dimension("n", 0, 5, integer=True), Dimension("c", 2, 2)))
    s, held = 61, 40 + seed
    tasks = np.asarray(space.normalise(space.sample(jax.random.key(seed), s)))
    values = (rng.random(s) * (1 + np.arange(s) * (tasks[:, 0] > 0.6))).astype(np.float32)
    mask = np.arange(s) < held
    low, high = np.float32([0.1, 0, 0]), np.float32([0.9, 1, 1])
    mask &= np.all((tasks >= low) & (tasks <= high), axis=1)
    rules = region_splits.Rules(unit_boxes.spacing(space), np.array([0, 1]), 4000, 3, 0.1, 60)
    split = region_splits.best_split(
        jax.random.key(seed), *map(jnp.asarray, (tasks, values, mask, low, high)), rules
    )
    scores = {}
    for dimension in (0, 1):
        ordered = np.unique(tasks[mask, dimension])
        for threshold in (ordered[1:] + ordered[:-1]) / 2:
            below = mask & (tasks[:, dimension] < threshold)
            above = mask & ~below
            gap = abs(plain_progress(values[below], 60) - plain_progress(values[above], 60))
            # A random threshold may lie anywhere between two episodes.
            close = ordered[ordered >= threshold][0] - 0.1 - low[dimension] > 0
            close &= high[dimension] - ordered[ordered < threshold][-1] - 0.1 > 0
            if min(below.sum(), above.sum()) >= 3 and close:
                scores[dimension, below.tobytes()] = below.sum() * above.sum() * gap
    assert bool(split.valid)
    chosen = int(split.dimension), np.asarray(split.below).tobytes()
    np.testing.assert_allclose(scores[chosen], max(scores.values()), rtol=1e-3)
    # Thresholds of whole numbers are halfway between them.
    if int(split.dimension) == 1:
        assert abs((float(split.threshold) * 5) % 1 - 0.5) < 1e-4


def test_invalid_splits_are_found():
    tasks = jnp.full((50, 1), 0.5)
    mask, ones = jnp.ones(50, bool), jnp.ones(1)
    rules = region_splits.Rules(np.zeros(1), np.array([0]), 50, 3, 0.1, 50)
    split = region_splits.best_split(
        jax.random.key(0), tasks, jnp.arange(50.0), mask, 0 * ones, ones, rules
    )
    assert not bool(split.valid)


def test_attempts_are_drawn_as_until_both_parts_have_enough_episodes():
    """As in the published code, by rejection; also where few thresholds are possible."""
    rng = np.random.default_rng(0)
    space = Box((Dimension("x", 0, 1), Dimension("n", 0, 5, integer=True), Dimension("c", 2, 2)))
    s, least = 60, 8
    tasks = np.stack([0.5 + 0.1 * rng.random(s) ** 2, rng.integers(2, 5, s) / 5, 0 * rng.random(s)])
    tasks, gap = tasks.T.astype(np.float32), unit_boxes.spacing(space)
    mask = np.arange(s) < s - 5
    low, high = np.float32([0.3, 0.1, 0]), np.float32([0.9, 1, 1])
    rules = region_splits.Rules(gap, np.array([0, 1]), 1, least, 1e-6, s)

    def split(key):
        return region_splits.best_split(
            key, *map(jnp.asarray, (tasks, 0.0 * tasks[:, 0], mask, low, high)), rules
        )

    splits = jax.jit(jax.vmap(split))(jax.random.split(jax.random.key(0), 4000))
    assert np.all(splits.valid)
    expected = []
    while len(expected) < 4000:
        dimension = rng.integers(2)
        threshold = low[dimension] + rng.random() * (high - low)[dimension]
        if gap[dimension] > 0:
            threshold = (np.floor(threshold / gap[dimension]) + 0.5) * gap[dimension]
        below = np.sum(tasks[mask, dimension] < threshold)
        if min(below, mask.sum() - below) >= least:
            expected.append((dimension, threshold))
    found = np.stack([splits.dimension, splits.threshold], axis=1)
    expected = np.array(expected)
    assert abs(found[:, 0].mean() - expected[:, 0].mean()) < 0.035
    for dimension in (0, 1):
        pair = (x[x[:, 0] == dimension, 1].round(5) for x in (found, expected))
        assert stats.ks_2samp(*pair).pvalue > 1e-3


class PlainRegion:
    """A region of a plain implementation, which is given the splits."""

    def __init__(self, low, high, rows=()):
        self.low, self.high, self.rows, self.children = low, high, list(rows), []

    def all(self):
        return [self] + [x for child in self.children for x in child.all()]


@pytest.mark.parametrize("batch", [1, 25])
def test_regions_hold_what_a_plain_tree_holds(batch):
    """Every region has the latest episodes inside of it, and the progress of those."""
    rng = np.random.default_rng(0)
    n = 400
    tasks = rng.random((n, 2)).astype(np.float32)
    returns = np.where(tasks[:, 0] < 0.4, np.arange(n) / n, 0.3).astype(np.float32)
    teacher = teachers.riac(UNIT, max_region_size=40, max_regions=15)
    observe = jax.jit(teacher.observe)
    state = teacher.init(jax.random.key(0))
    low, high = np.zeros(2), np.ones(2)
    tree = {0: PlainRegion(low, high)}
    for start in range(0, n, batch):
        rows = slice(start, start + batch)
        before = int(state.regions)
        shown = Proposals.of(jnp.asarray(tasks[rows]))
        state = observe(state, shown, outcomes(returns[rows]))
        for task, value in zip(tasks[rows], returns[rows], strict=True):
            for region in tree.values():
                if np.all((task >= region.low) & ((task < region.high) | (region.high >= 1))):
                    region.rows = [*region.rows, (task, value)][-41:]
        for i in range(before, int(state.regions), 2):
            bounds = [(np.asarray(state.low[j]), np.asarray(state.high[j])) for j in (i, i + 1)]
            (parent,) = [
                p
                for p in tree.values()
                if np.array_equal(p.low, bounds[0][0])
                and np.array_equal(p.high, bounds[1][1])
                and not p.children
            ]
            for j, (low, high) in zip((i, i + 1), bounds, strict=True):
                inside = [
                    row
                    for row in parent.rows
                    if np.all((row[0] >= low) & ((row[0] < high) | (high >= 1)))
                ]
                tree[j] = PlainRegion(low, high, inside)
                parent.children.append(tree[j])
        for i, region in tree.items():
            held = int(state.held[i])
            region.rows = region.rows[len(region.rows) - held :] if held else []
            assert len(region.rows) == held
            progress = plain_progress([value for _, value in region.rows], 40)
            np.testing.assert_allclose(state.progress[i], progress, atol=1e-5)
            assert bool(state.leaf[i]) == (not region.children)
    assert int(state.regions) == 15
    assert np.all(np.asarray(state.held)[np.asarray(state.leaf)] <= 41)


def test_proposes_where_progress_is_made():
    teacher, shares = teachers.riac(UNIT, max_region_size=60), []
    observe = jax.jit(teacher.observe)
    rng = np.random.default_rng(0)
    state = teacher.init(jax.random.key(0))
    for i in range(40):
        tasks = rng.random((50, 2))
        returns = np.where(tasks[:, 0] < 0.3, i / 40, 0.5)
        state = observe(state, Proposals.of(jnp.asarray(tasks, jnp.float32)), outcomes(returns))
        proposed = np.asarray(teacher.propose(state, jax.random.key(i), 2000)[0])
        shares.append(np.mean(proposed[:, 0] < 0.3))
    assert 0.25 < shares[0] < 0.5
    assert np.mean(shares[20:]) > 0.55


def test_mutates_the_worst_task():
    teacher = teachers.riac(UNIT, random_fraction=0.0, worst_fraction=1.0, noise=0.0)
    rng = np.random.default_rng(0)
    tasks, returns = rng.random((100, 2)).astype(np.float32), rng.random(100)
    shown = Proposals.of(jnp.asarray(tasks))
    state = teacher.observe(teacher.init(jax.random.key(0)), shown, outcomes(returns))
    for n in (5, 400):  # fewer and more than there may be regions
        proposed = np.asarray(teacher.propose(state, jax.random.key(1), n)[0])
        np.testing.assert_allclose(proposed, np.tile(tasks[returns.argmin()], (n, 1)), atol=1e-6)


def test_noise_in_task_units():
    """As in the published code: the same for all dimensions, whatever their ranges."""
    space = Box((Dimension("x", 0, 3), Dimension("y", 0, 60), Dimension("c", 2, 2)))
    for task_units, spread in ((False, [0.03, 0.6, 0]), (True, [0.01, 0.01, 0])):
        teacher = teachers.riac(
            space, random_fraction=0.0, worst_fraction=1.0, noise=0.01, task_units=task_units
        )
        state = teacher.init(jax.random.key(0))
        state = state._replace(
            progress=state.progress.at[0].set(1.0),
            tasks=state.tasks.at[0, 0].set(jnp.array([0.5, 0.5, 0])),
            written=state.written.at[0].set(1),
            held=state.held.at[0].set(1),
        )
        proposed = np.asarray(teacher.propose(state, jax.random.key(1), 2000)[0])
        np.testing.assert_allclose(proposed.mean(0), [1.5, 30, 2], rtol=1e-2)
        np.testing.assert_allclose(proposed.std(0), spread, rtol=0.1)


def test_without_progress_tasks_are_uniform_or_easy():
    easy = UNIT.restricted(x=(0.9, 1), y=(0.9, 1))
    for given in (None, easy):
        teacher = teachers.riac(UNIT, random_fraction=0.0, fallback=given)
        shown = Proposals.of(jnp.full((300, 2), 0.5))
        state = teacher.observe(teacher.init(jax.random.key(0)), shown, outcomes(np.zeros(300)))
        proposed = np.asarray(teacher.propose(state, jax.random.key(1), 2000)[0])
        mean = 0.5 if given is None else 0.95
        np.testing.assert_allclose(proposed.mean(axis=0), mean, atol=0.03)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_region_size": 3},
        {"attempts": 0},
        {"min_share": 0.6},
        {"min_width": 0.0},
        {"max_regions": 0},
        {"discard": 0.0},
        {"random_fraction": 1.5},
        {"worst_fraction": 0.9},
        {"noise": -1.0},
        {"outcome": "reward"},
        {"fallback": UNIT},
    ],
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        teachers.riac(UNIT, **bad)


@pytest.mark.parametrize("useless", [0, 5])
def test_masters_the_toy_grid_as_published(useless, optimised):
    teacher = teachers.make("riac", toy_grid.task_space(2, useless), preset="tma_class")
    keys = jax.random.split(jax.random.key(0), 32)
    scores = jax.jit(jax.vmap(lambda key: toy_teachers.run(teacher, key)))(keys)
    mean, sd = toy_teachers.PUBLISHED["riac", "tma_class", useless]
    assert abs(np.asarray(scores)[:, -1].mean() - mean) < 2 * sd
