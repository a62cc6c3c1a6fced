"""The level buffer, against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Box, Dimension
from didact.teachers.replay import level_buffer
from didact.teachers.replay.level_buffer import NewLevels

C, D = 24, 3
probabilities = jax.jit(level_buffer.replay_probabilities)
insert = jax.jit(level_buffer.insert)
slots_of = jax.jit(level_buffer.slots_of)
distinct = jax.jit(level_buffer.distinct)
marks_of = jax.jit(level_buffer.marks_of)


def random_buffer(rng, levels=None, values=None):
    """A buffer of distinct levels in random slots; with few values, scores have ties."""
    levels = rng.integers(0, C + 1) if levels is None else levels
    filled = np.zeros(C, bool)
    filled[rng.permutation(C)[:levels]] = True
    tasks = np.stack([np.arange(C), rng.random(C), rng.random(C)], axis=1).astype(np.float32)
    scores = rng.normal(size=C) if values is None else rng.choice(values, C)
    clock = int(rng.integers(0, 1000))
    buffer = level_buffer.empty_buffer(D, C)
    return buffer._replace(
        tasks=jnp.asarray(tasks * filled[:, None]),
        marks=marks_of(tasks * filled[:, None]),
        filled=jnp.asarray(filled),
        scores=jnp.asarray(np.where(filled, scores, 0), jnp.float32),
        seen=jnp.asarray(rng.integers(0, clock + 1, C), jnp.int32),
        clock=jnp.int32(clock),
    )


def reference_probabilities(buffer, temperature, staleness):
    """P(level) from its definition, level by level."""
    filled, scores = np.asarray(buffer.filled), np.asarray(buffer.scores)
    ages = int(buffer.clock) - np.asarray(buffer.seen)
    used = [i for i in range(C) if filled[i]]
    by_score, by_age = np.zeros(C), np.zeros(C)
    for i in used:
        better = sum(scores[j] > scores[i] for j in used)
        equal = sum(scores[j] == scores[i] for j in used)
        ranks = np.arange(better + 1, better + equal + 1)
        by_score[i] = np.mean((1 / ranks) ** (1 / temperature))
        by_age[i] = ages[i]
    if used and by_age.sum() == 0:
        by_age[used] = 1
    if used:
        by_score, by_age = by_score / by_score.sum(), by_age / by_age.sum()
    return (1 - staleness) * by_score + staleness * by_age


@pytest.mark.parametrize("values", [None, [0.0], [0.0, 0.5], [-1.0, 0.0, 2.0, 5.0]])
def test_the_replay_distribution(values):
    rng = np.random.default_rng(0)
    for _ in range(60):
        buffer = random_buffer(rng, values=values)
        if rng.random() < 0.2:
            buffer = buffer._replace(seen=jnp.full(C, buffer.clock))  # nothing is stale
        temperature, staleness = rng.choice([0.1, 0.3, 1.0, 3.0]), rng.choice([0, 0.3, 1.0])
        found = np.asarray(probabilities(buffer, temperature, staleness))
        expected = reference_probabilities(buffer, temperature, staleness)
        np.testing.assert_allclose(found, expected, atol=2e-6)
        assert (found[~np.asarray(buffer.filled)] == 0).all()
        assert found.sum() == pytest.approx(1 if np.asarray(buffer.filled).any() else 0, abs=1e-5)


def test_equal_scores_are_replayed_alike():
    """Wherever the levels are: a rule that breaks ties by slot gives the first one nearly all."""
    buffer = random_buffer(np.random.default_rng(1), levels=10, values=[0.0])
    found = np.asarray(probabilities(buffer, 0.3, 0.0))
    np.testing.assert_allclose(found[np.asarray(buffer.filled)], 0.1, rtol=1e-5)


def test_counts_do_not_overflow():
    buffer = random_buffer(np.random.default_rng(3), levels=C)
    assert all(
        np.array_equal(x, y)
        for x, y in zip(
            jax.tree.leaves(buffer),
            jax.tree.leaves(level_buffer.without_overflow(buffer)),
            strict=True,
        )
    )
    expected = probabilities(buffer, 0.3, 0.5)
    for _ in range(8):  # half of the range of int32 each time
        later = 2**30 - buffer.clock
        buffer = buffer._replace(
            clock=buffer.clock + later,
            seen=buffer.seen + later,
            attempts=jnp.full(C, 2**30 + 100),
        )
        buffer = level_buffer.without_overflow(buffer)
        assert int(buffer.clock) < 2**30
        assert int(buffer.attempts.max()) <= 2**30
        np.testing.assert_allclose(probabilities(buffer, 0.3, 0.5), expected, atol=1e-6)
    # A level that is never played gets as old as can be counted.
    for _ in range(8):
        later = 2**30 - buffer.clock
        buffer = level_buffer.without_overflow(buffer._replace(clock=buffer.clock + later))
    age = np.asarray(buffer.clock - buffer.seen)
    assert (age >= 2**30).all()


def test_draws_follow_the_distribution():
    buffer = random_buffer(np.random.default_rng(2), levels=12)
    p = probabilities(buffer, 1.0, 0.3)
    n = 100_000
    slots = np.asarray(jax.jit(level_buffer.draw, static_argnums=2)(jax.random.key(0), p, n))
    np.testing.assert_allclose(np.bincount(slots, minlength=C) / n, p, atol=0.006)
    assert (np.bincount(slots, minlength=C)[np.asarray(p) == 0] == 0).all()


def candidates(rng, n, valid=1.0, values=None):
    tasks = np.stack([100 + rng.permutation(n), rng.random(n), rng.random(n)], axis=1)
    scores = rng.normal(size=n) if values is None else rng.choice(values, n)
    return NewLevels(
        jnp.asarray(tasks, jnp.float32),
        jnp.asarray(rng.random(n) < valid),
        jnp.asarray(scores, jnp.float32),
        jnp.asarray(rng.integers(1, 5, n), jnp.int32),
        jnp.asarray(rng.random(n), jnp.float32),
        jnp.asarray(rng.random(n), jnp.float32),
    )


def reference_insert(buffer, new, p):
    """Slot of each new level, or C: a list of dictionaries and loops."""
    filled, scores = np.asarray(buffer.filled), np.asarray(buffer.scores)
    victims = [i for i in range(C) if not filled[i]]
    victims += sorted((i for i in range(C) if filled[i]), key=lambda i: p[i])
    rows = [j for j in range(len(new.valid)) if new.valid[j]]
    rows.sort(key=lambda j: -float(new.scores[j]))
    slots = np.full(len(new.valid), C)
    for j, i in zip(rows, victims, strict=False):
        if not filled[i] or float(new.scores[j]) >= scores[i]:
            slots[j] = i
    return slots


@pytest.mark.parametrize("n", [1, 5, 2 * C])
@pytest.mark.parametrize("values", [None, [0.0, 1.0]])
def test_insertion_and_eviction(n, values):
    rng = np.random.default_rng(n)
    for _ in range(20):
        buffer = random_buffer(rng, values=values)
        new = candidates(rng, n, valid=0.8, values=values)
        p = probabilities(buffer, 0.3, 0.3)
        after, slots = insert(buffer, new, p)
        expected = reference_insert(buffer, new, np.asarray(p))
        np.testing.assert_array_equal(slots, expected)
        for name in ("tasks", "scores", "attempts", "estimate", "highest"):
            values_before, now = np.array(getattr(buffer, name)), np.asarray(getattr(after, name))
            for j, i in enumerate(expected):
                if i < C:
                    values_before[i] = np.asarray(getattr(new, name))[j]
            np.testing.assert_array_equal(now, values_before, err_msg=name)
        entered = expected[expected < C]
        assert (np.asarray(after.seen)[entered] == int(buffer.clock)).all()
        assert int(after.filled.sum()) == len({*np.flatnonzero(buffer.filled), *entered})
        np.testing.assert_array_equal(after.marks, marks_of(after.tasks * after.filled[:, None]))


def test_one_level_at_a_time_is_the_published_rule():
    """The first free slot; then that of least P(level), if the new score is not lower."""
    rng = np.random.default_rng(3)
    buffer = level_buffer.empty_buffer(D, C)
    for number in range(4 * C):
        new = candidates(rng, 1)._replace(tasks=jnp.array([[1000.0 + number, 0, 0]]))
        p = reference_probabilities(buffer, 0.3, 0.3)
        filled = np.asarray(buffer.filled)
        target = int(filled.sum()) if not filled.all() else int(np.argmin(p))
        enters = not filled.all() or float(new.scores[0]) >= float(buffer.scores[target])
        buffer = buffer._replace(clock=buffer.clock + 1)
        before = np.asarray(buffer.tasks)
        buffer, slot = insert(buffer, new, probabilities(buffer, 0.3, 0.3))
        assert int(slot[0]) == (target if enters else C)
        changed = (np.asarray(buffer.tasks) != before).any(axis=1)
        assert changed.sum() == enters


def test_levels_are_found_by_slot_and_by_content():
    buffer = random_buffer(np.random.default_rng(4), levels=16)
    used, free = np.flatnonzero(buffer.filled), np.flatnonzero(~np.asarray(buffer.filled))
    tasks = np.array(buffer.tasks)[[used[0], used[1], used[2], used[3], used[4], free[0]]]
    tasks[2, 1] += 0.5  # another level by now
    slots = np.array([used[0], C, used[2], used[0], C + 7, free[0]])
    counts = np.array([True, True, True, True, False, True])
    found = np.asarray(slots_of(buffer, tasks, slots, counts, np.zeros(tasks.shape[1])))
    # By slot; by content; replaced since; another level's slot; ignored; the slot is free.
    np.testing.assert_array_equal(found, [used[0], used[1], C, C, C, C])


def test_a_level_may_be_a_little_off_in_its_own_slot_only():
    """`shuffled` moves tasks by rounding errors; a new level must not be taken for another one."""
    buffer = random_buffer(np.random.default_rng(6), levels=16)
    used = np.flatnonzero(buffer.filled)
    tasks = np.array(buffer.tasks)[used[:3]] + np.float32([[1e-4, 0, 0]])
    tasks[2, 0] += 1e-2
    slots, counts = np.array([used[0], C, used[2]]), np.ones(3, bool)
    tolerance = np.array([1e-3, 0, 0])
    found = np.asarray(slots_of(buffer, tasks, slots, counts, tolerance))
    np.testing.assert_array_equal(found, [used[0], C, C])


def test_equal_rows_are_one_level():
    rng = np.random.default_rng(5)
    tasks = rng.integers(0, 3, (40, D)).astype(np.float32)
    counts = rng.random(40) < 0.8
    first = np.asarray(distinct(tasks, counts))
    for i in range(40):
        same = [j for j in range(40) if counts[j] and (tasks[j] == tasks[i]).all()]
        assert first[i] == (same[0] if counts[i] else 40)


def test_hashes_tell_levels_apart():
    """Of all mazes of 4x4 cells, which differ in single bits, and of -0 and 0."""
    cells = (np.arange(2**14)[:, None] >> np.arange(14)) & 1
    marks = np.asarray(marks_of(cells.astype(np.float32)))
    assert len(np.unique(marks, axis=0)) == 2**14
    # Each half alone has few collisions as well: about 2^28 / 2^33.
    assert min(len(np.unique(marks[:, i])) for i in range(2)) > 2**14 - 5
    np.testing.assert_array_equal(*marks_of(jnp.array([[0.0, 1], [-0.0, 1]])))
    swapped = np.asarray(marks_of(jnp.array([[1.0, 2.0], [2.0, 1.0]])))
    assert (swapped[0] != swapped[1]).all()


def test_the_capacity_of_small_spaces():
    whole = Box((Dimension("a", 1, 3, integer=True), Dimension("b", 0, 4, integer=True)))
    assert level_buffer.capacity_for(whole, 100) == 15
    assert level_buffer.capacity_for(whole, 10) == 10
    real = Box((Dimension("a", 1, 3, integer=True), Dimension("b", 0, 4)))
    assert level_buffer.capacity_for(real, 100) == 100
    fixed = Box((*whole.dimensions, Dimension("c", 0.5, 0.5)))
    assert level_buffer.capacity_for(fixed, 100) == 15
    many = Box(tuple(Dimension(f"x{i}", 0, 1_000_000, integer=True) for i in range(12)))
    assert level_buffer.capacity_for(many, 100) == 100
