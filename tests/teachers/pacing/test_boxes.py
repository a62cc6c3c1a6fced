"""Teachers whose box of tasks grows or slides: ADR, the growing box, paced tasks and the oracle.

Each is compared with a plain version that processes one episode after the other.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import FOREIGN, Outcomes, Proposals, propose
from didact.teachers.pacing import success_rates, unit_boxes

pytestmark = pytest.mark.slow

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 0, 20, integer=True), Dimension("c", 5, 5)))
EASY = SPACE.restricted(x=(8, 10), n=(0, 2))
ALL = {
    "adr": teachers.adr,
    "growing_box": teachers.growing_box,
    "oracle": teachers.oracle,
    "paced": teachers.paced,
}


def outcomes(success, weights=None):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(success, success, one, weights, {})


@functools.cache
def compiled(name, **settings):
    teacher = ALL[name](SPACE, EASY, **settings)
    proposing = jax.jit(lambda s, k, n: propose(teacher, s, k, n), static_argnums=2)
    return teacher, proposing, jax.jit(teacher.observe)


def lives(name, chance, batches, **settings):
    """Yield (state, proposals, outcomes, next state) of a student that succeeds by chance."""
    teacher, proposing, observe = compiled(name, **settings)
    state, rng = teacher.init(jax.random.key(0)), np.random.default_rng(0)
    for i, n in enumerate(batches):
        proposals, _ = proposing(state, jax.random.key(i), n)
        unit = np.asarray(SPACE.normalise(proposals.tasks))
        success = (rng.random(n) < [chance(x) for x in unit]).astype(float)
        rows = outcomes(success, rng.random(n) < 0.8)
        after = observe(state, proposals, rows)
        yield state, proposals, rows, after
        state = after


def hard_at_left(point):
    return 0.95 if point[0] > 0.4 and point[1] < 0.7 else 0.05


def test_the_corner_is_where_easy_tasks_touch_the_space():
    space = Box((*(Dimension(name, 0, 10) for name in "abcd"), Dimension("e", 3, 3)))
    easy = space.restricted(a=(0, 2), b=(9, 10), c=(4, 5))
    corner, unknown = unit_boxes.corner_of(space, easy)
    np.testing.assert_allclose(corner, [0, 1, 0.45, 0.5, 0.5])
    assert unknown.tolist() == [False, False, False, True, True]


def test_samples_of_boxes_are_even():
    low, high = jnp.full((40_000, 3), 0.2), jnp.full((40_000, 3), 0.4)
    tasks = np.asarray(unit_boxes.sample(SPACE, jax.random.key(0), low, high))
    assert np.all(np.abs(np.histogram(tasks[:, 0], bins=4, range=(2, 4))[0] - 10_000) < 400)
    values, counts = np.unique(tasks[:, 1], return_counts=True)
    np.testing.assert_array_equal(values, [4, 5, 6, 7, 8])
    assert np.all(np.abs(counts - 8000) < 350)
    assert np.all(tasks[:, 2] == 5)
    between = unit_boxes.sample(SPACE, jax.random.key(0), low[:9] + 0.01, low[:9] + 0.02)
    assert np.all(np.asarray(between)[:, 1] == 4)


@pytest.mark.parametrize("name", ALL)
def test_starts_with_easy_tasks(name):
    teacher, proposing, _ = compiled(name)
    tasks = proposing(teacher.init(jax.random.key(0)), jax.random.key(1), 2000)[0].tasks
    assert np.all(SPACE.contains(tasks))
    width = {"oracle": 1 / 6, "paced": 0}.get(name, 0.2)
    unit = np.asarray(SPACE.normalise(tasks))
    np.testing.assert_allclose(unit[:, 0].min(), 1 - width, atol=0.01)
    assert unit[:, 1].max() <= width + 1e-6


@pytest.mark.parametrize("name", ALL)
def test_reaches_the_whole_space_where_everything_succeeds(name):
    teacher, _, _ = compiled(name)
    *_, (_, _, _, state) = lives(name, lambda point: 1.0, [100] * 150)
    picture = teacher.picture(state)
    reached = 1.0 if name != "oracle" else 1 / 6
    x = np.asarray([picture["low"][0, 0], picture["high"][0, 0]])
    np.testing.assert_allclose(x, [0, 10 * reached], atol=1e-3)
    np.testing.assert_allclose(picture["high"][0, 1], 20, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_stays_at_the_easy_tasks_where_nothing_succeeds(name):
    _, proposing, _ = compiled(name)
    *_, (_, _, _, state) = lives(name, lambda point: 0.0, [64] * 20)
    tasks = proposing(state, jax.random.key(1), 500)[0].tasks
    unit = np.asarray(SPACE.normalise(tasks))
    assert unit[:, 0].min() >= 0.8 - 1e-3
    assert unit[:, 1].max() <= 0.2 + 1e-3


@pytest.mark.parametrize("name", ALL)
def test_episodes_of_others_change_nothing(name):
    teacher, proposing, observe = compiled(name)
    state = teacher.init(jax.random.key(0))
    proposals, _ = proposing(state, jax.random.key(0), 100)
    shown = proposals._replace(tag=jnp.full(100, FOREIGN))
    after = observe(state, shown, outcomes(np.ones(100)))
    assert all(np.array_equal(a, b) for a, b in zip(state, after, strict=True))


class PlainAdr:
    """Automatic domain randomization with a queue for each bound."""

    def __init__(self, queue, step, high, low):
        self.queue, self.step, self.high, self.low = queue, step, high, low
        self.bounds = np.array([[0.8, 0, 0], [1, 0.1, 0]])
        self.start = self.bounds.copy()
        self.queues = {(s, i): [] for s in (0, 1) for i in (0, 1)}

    def add(self, task, tag, value):
        if tag < 1:
            return
        side, i = (tag - 1) % 2, (tag - 1) // 2
        if abs(task[i] - self.bounds[side, i]) > 1e-4:
            return
        row = self.queues[side, i]
        row.append(value)
        if len(row) == self.queue:
            mean, sign = np.float32(np.sum(row)) / np.float32(self.queue), (-1, 1)[side]
            move = (mean >= np.float32(self.high)) * 1 - (mean <= np.float32(self.low))
            limits = [(0, self.start[0, i]), (self.start[1, i], 1)][side]
            self.bounds[side, i] = np.clip(self.bounds[side, i] + sign * move * self.step, *limits)
            row.clear()


@pytest.mark.parametrize(
    ("queue", "batches"),
    [(4, [1] * 60), (4, [7, 64, 1, 200, 33] * 6), (10, [7, 64, 1, 200, 33] * 6)],
)
def test_bounds_of_adr_move_exactly_at_thresholds(batches, queue):
    settings = {"queue": queue, "high": 0.75, "low": 0.5, "boundary_fraction": 0.8}
    plain, moves = PlainAdr(queue, 0.1, 0.75, 0.5), 0
    for state, proposals, rows, after in lives("adr", hard_at_left, batches, **settings):
        unit = np.asarray(SPACE.normalise(proposals.tasks))
        for i in np.flatnonzero(rows.weights):
            plain.add(unit[i], int(proposals.tag[i]), float(rows.success[i]))
        np.testing.assert_allclose(after.bounds, plain.bounds, atol=1e-5)
        for (side, i), row in plain.queues.items():
            assert int(after.counts[side, i]) == len(row)
            assert float(after.totals[side, i]) == sum(row)
        moves += not np.array_equal(state.bounds, after.bounds)
    assert moves >= (1 if sum(batches) < 100 else 4)


@pytest.mark.parametrize(("wins", "moves"), [(8, 1), (7, 0), (2, -1), (3, 0)])
def test_thresholds_of_adr_are_inclusive(wins, moves):
    teacher, _, observe = compiled("adr", high=0.8, low=0.2)
    state = teacher.init(jax.random.key(0))._replace(bounds=jnp.array([[0.5, 0, 0], [1, 0.1, 0]]))
    shown = Proposals.of(jnp.tile(jnp.array([5.0, 1, 5]), (10, 1)), tag=1)
    after = observe(state, shown, outcomes(np.arange(10) < wins))
    np.testing.assert_allclose(after.bounds[0, 0], 0.5 - 0.1 * moves, atol=1e-6)
    assert int(after.counts.sum()) == 0


def test_steps_of_adr_in_task_units():
    """As in TeachMyAgent, whose stumps are up to 3 high and 6 apart."""
    space = Box((Dimension("height", 0, 3), Dimension("spacing", 0, 6)))
    easy = space.restricted(height=0, spacing=6)
    teacher = teachers.make("adr", space, preset="tma", easy=easy)
    state = teacher.init(jax.random.key(0))
    ten = outcomes(np.ones(10))._replace(returns=jnp.full(10, 200.0))
    for tag in (2, 3):  # the upper bound of the height, the lower one of the spacing
        rows = Proposals.of(jnp.tile(jnp.array([0.0, 6]), (10, 1)), tag=tag)
        state = teacher.observe(state, rows, ten)
    box = teacher.picture(state)
    np.testing.assert_allclose(box["low"], [[0, 5.9]], atol=1e-5)
    np.testing.assert_allclose(box["high"], [[0.1, 6]], atol=1e-5)


def test_tags_of_adr_say_at_which_bound_a_task_is():
    teacher, proposing, _ = compiled("adr", boundary_fraction=0.5)
    state = teacher.init(jax.random.key(0))
    proposals, _ = proposing(state, jax.random.key(0), 4000)
    unit, tag = np.asarray(SPACE.normalise(proposals.tasks)), np.asarray(proposals.tag)
    assert abs(np.mean(tag == 0) - 0.5) < 0.03
    assert set(tag) == {0, 1, 2, 3, 4}  # the dimension without extent has no bounds
    for t in (1, 2, 3, 4):
        bound = state.bounds[(t - 1) % 2, (t - 1) // 2]
        np.testing.assert_allclose(unit[tag == t, (t - 1) // 2], bound, atol=1e-5)


def plain_growing_box(state, tasks, success, weights, up, down, minimum, horizon):
    """One call of `observe`, episode by episode and face by face."""
    bounds, wins, seen = (np.array(x, float) for x in state)
    new = bounds.copy()
    least = np.array([[1, 0, 0], [1, 0, 0]])
    for side in (0, 1):
        for i in (0, 1):
            thick = 0.1 if i == 0 else 0.05
            low, high = bounds[:, i]
            ends = (low, min(low + thick, high)) if side == 0 else (max(high - thick, low), high)
            w, s, move = wins[side, i], seen[side, i], 0
            for task, won, weight in zip(tasks, success, weights, strict=True):
                inside = np.all((task >= bounds[0] - 1e-4) & (task <= bounds[1] + 1e-4))
                if not weight or not inside or not ends[0] - 1e-4 <= task[i] <= ends[1] + 1e-4:
                    continue
                keep = 1 - 1 / horizon
                w, s = keep * w + won, keep * s + 1
                rate, end = w / max(s, 1), (0, 1)[side]
                if s >= minimum and not move:
                    move = int(rate > up and abs(bounds[side, i] - end) > 1e-4)
                    move -= int(rate < down and abs(bounds[side, i] - least[side, i]) > 1e-4)
            step = 0.1 * (-1, 1)[side] * move
            limits = [(0, least[0, i]), (least[1, i], 1)][side]
            new[side, i] = np.clip(bounds[side, i] + step, *limits)
            wins[side, i], seen[side, i] = (0, 0) if move else (w, s)
    return new, wins, seen


@pytest.mark.parametrize("batches", [[1] * 80, [40, 150, 7] * 10])
def test_a_growing_box_is_that_of_numpy(batches):
    settings = {"up": 0.7, "down": 0.2, "minimum": 10, "horizon": 32}
    moved = set()
    for state, proposals, rows, after in lives("growing_box", hard_at_left, batches, **settings):
        unit = np.asarray(SPACE.normalise(proposals.tasks))
        expected = plain_growing_box(
            state, unit, np.asarray(rows.success), np.asarray(rows.weights), **settings
        )
        for found, value in zip(after, expected, strict=True):
            np.testing.assert_allclose(np.asarray(found)[:, :2], value[:, :2], atol=1e-4)
        moved |= {tuple(x) for x in np.argwhere(state.bounds != after.bounds)}
    assert len(moved) >= 1


def test_a_growing_box_shrinks_to_the_corner_and_recovers():
    corner = np.array([1, 0])
    *_, (_, _, _, state) = lives(
        "growing_box", lambda point: float(np.abs(point[:2] - corner).max() < 0.06), [64] * 30
    )
    np.testing.assert_allclose(state.bounds[0, 0], 1, atol=0.11)
    np.testing.assert_allclose(state.bounds[1, 1], 0, atol=0.11)
    assert np.all(np.isfinite(state.bounds))


def plain_paced(state, success, weights, episodes, up, down, minimum, horizon):
    level, wins, seen = map(float, state)
    for won, weight in zip(success, weights, strict=True):
        if weight:
            keep = 1 - 1 / horizon
            wins, seen = keep * wins + won, keep * seen + 1
            rate = wins / max(seen, 1)
            if seen >= minimum:
                level += ((rate > up) * 1 - (rate < down) * 1) / episodes
                level = min(max(level, 0), 1)
    return level, wins, seen


@pytest.mark.parametrize("batches", [[1] * 80, [40, 150, 7] * 10])
def test_the_level_of_paced_tasks_is_that_of_numpy(batches):
    settings = {"episodes": 60, "up": 0.6, "down": 0.4, "minimum": 10, "horizon": 20}
    levels = []
    for state, _, rows, after in lives("paced", hard_at_left, batches, **settings):
        plain = plain_paced(state, np.asarray(rows.success), np.asarray(rows.weights), **settings)
        np.testing.assert_allclose(after, plain, atol=1e-4)
        levels.append(plain[0])
    assert max(levels) > 0.3


def test_the_pace_does_not_depend_on_the_size_of_batches():
    rng = np.random.default_rng(0)
    success = (rng.random(600) < 0.72).astype(float)
    teacher, _, observe = compiled("paced")
    ends = []
    for n in (1, 60, 600):
        state = teacher.init(jax.random.key(0))
        for start in range(0, 600, n):
            part = outcomes(success[start : start + n])
            state = observe(state, Proposals.of(jnp.zeros((n, 3))), part)
        ends.append(float(state.level))
    np.testing.assert_allclose(ends, ends[0], atol=1e-4)
    assert 0.02 < ends[0] < 0.5


def test_paced_tasks_have_the_stated_distribution():
    teacher, proposing, _ = compiled("paced", spread=0.1)
    state = teacher.init(jax.random.key(0))._replace(level=jnp.float32(0.5))
    unit = np.asarray(SPACE.normalise(proposing(state, jax.random.key(0), 20_000)[0].tasks))
    np.testing.assert_allclose(unit[:, 0].mean(), 0.75, atol=0.005)
    np.testing.assert_allclose(unit[:, 0].std(), 0.05, atol=0.003)
    np.testing.assert_allclose(unit[:, 1].mean(), 0.25, atol=0.005)
    picture = teacher.picture(state)
    np.testing.assert_allclose(picture["low"][0], [7, 4, 5], atol=1e-5)
    np.testing.assert_allclose(picture["high"][0], [8, 6, 5], atol=1e-5)


@pytest.mark.parametrize("batches", [[1] * 120, [7, 64, 1, 200, 33] * 6])
def test_the_window_of_the_oracle_is_shifted_by_the_mean(batches):
    settings = {"every": 12, "threshold": 0.7}
    shifts, queue = 0, []
    for _, proposals, rows, after in lives("oracle", hard_at_left, batches, **settings):
        present = int(proposals.tag[0])
        assert present == shifts
        for i in np.flatnonzero(rows.weights):
            if shifts != present:
                continue  # proposed before the window was shifted
            queue.append(float(rows.success[i]))
            if len(queue) == 12:
                shifts += np.mean(queue) > 0.7
                queue = []
        assert int(after.shifts) == shifts
        assert int(after.count) == len(queue)
        np.testing.assert_allclose(after.total, sum(queue))
    assert shifts >= 5


def test_sums_and_walks_are_those_of_loops():
    rng = np.random.default_rng(0)
    values, counts = rng.random(300).astype(np.float32), rng.random(300) < 0.5
    steps = np.where(rng.random(300) < 0.5, -0.2, 0.2).astype(np.float32)
    total, place, sums = 2.0, 0.4, []
    for value, count, step in zip(values, counts, steps, strict=True):
        total = total * 0.9 + value if count else total
        place = min(max(place + step, 0), 1)
        sums.append(total)
    found = success_rates.decayed_sums(
        jnp.where(counts, values, jnp.nan), jnp.asarray(counts), jnp.float32(2), 10
    )
    np.testing.assert_allclose(found, sums, rtol=1e-4)
    end = success_rates.bounded_walk(jnp.float32(0.4), jnp.asarray(steps))
    np.testing.assert_allclose(end, place, atol=1e-5)


BAD = {
    "adr": [
        {"boundary_fraction": 0.0},
        {"queue": 0},
        {"step": 0.0},
        {"high": float("nan")},
        {"low": 0.9},
        {"outcome": "reward"},
    ],
    "growing_box": [
        {"edge_fraction": 0.0},
        {"step": 2.0},
        {"up": 1.1},
        {"down": 0.8},
        {"minimum": 64},
        {"horizon": 1},
    ],
    "paced": [
        {"episodes": 0},
        {"up": -0.1},
        {"down": 0.8},
        {"minimum": 100},
        {"horizon": 1},
        {"spread": 0.0},
    ],
    "oracle": [
        {"window": 0.0},
        {"step": 0.0},
        {"every": 0},
        {"threshold": float("inf")},
        {"outcome": "reward"},
    ],
}


@pytest.mark.parametrize(("name", "bad"), [(name, bad) for name in ALL for bad in BAD[name]])
def test_bad_settings_are_named(name, bad):
    (setting,) = bad
    with pytest.raises(SettingError, match=f"^{setting} is .*, but must be .*\\.$"):
        ALL[name](SPACE, EASY, **bad)


@pytest.mark.parametrize("name", ALL)
def test_easy_tasks_must_be_a_part_of_the_space(name):
    other = Box((Dimension("x", 0, 10),))
    for easy in (SPACE, other, Box((*SPACE.dimensions[:2], Dimension("c", 6, 6))), None):
        with pytest.raises(SettingError, match=r"^easy is .*, but must be a part of the"):
            ALL[name](SPACE, easy)
    with pytest.raises(SettingError, match=r"^space is 'int'"):
        ALL[name](3, EASY)
