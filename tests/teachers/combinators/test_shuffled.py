"""Shuffled cells: a permutation of the space that moves whole cells, and comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, Proposals, Teacher, propose, testing
from didact.teachers.combinators.moved_parts import moved_part

pytestmark = pytest.mark.slow

SPACE = Box(
    (
        Dimension("x", -2, 6),
        Dimension("n", 1, 6, integer=True),
        Dimension("still", 3, 3),
        Dimension("flag", 0, 1, integer=True),
    )
)


def echo(space, tasks):
    """Proposes given tasks; its state is the tasks that it observed."""
    tasks = jnp.asarray(tasks, jnp.float32)
    return Teacher(
        lambda key: tasks,
        lambda state, key, n: (tasks[:n], state),
        lambda state, proposals, outcomes: proposals.tasks,
    )


def outcomes(n):
    one = jnp.ones(n)
    return Outcomes(one, one, one, one, {})


def played(tasks, space=SPACE, **settings):
    teacher = teachers.shuffled(echo(space, tasks), space, **settings)
    state = teacher.init(jax.random.key(0))
    proposals, state = propose(teacher, state, jax.random.key(0), len(tasks))
    return np.asarray(proposals.tasks), teacher, state


def cells_of(tasks, sides):
    """The cell of each task, where all whole numbers of a cell are alike."""
    extent = SPACE.high - SPACE.low + SPACE.integer
    return np.clip(((tasks - SPACE.low) / np.maximum(extent, 1e-9) * sides), 0, sides - 1).astype(
        int
    )


@pytest.mark.parametrize("jointly", [True, False])
def test_cells_are_permuted_as_a_whole(jointly):
    tasks = np.asarray(SPACE.sample(jax.random.key(0), 4000))
    moved, _, _ = played(tasks, cells=4, seed=3, jointly=jointly)
    assert np.asarray(SPACE.contains(jnp.asarray(moved))).all()
    sides = np.array([4, 3, 1, 2])  # 6 whole numbers have no 4 equal parts
    before, after = cells_of(tasks, sides), cells_of(moved, sides)
    pairs = {(tuple(a), tuple(b)) for a, b in zip(before.tolist(), after.tolist(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 24
    assert sum(a != b for a, b in pairs) > 12
    # The place within the cell stays.
    within = lambda x: ((x[:, 0] + 2) % 2, (x[:, 1] - 1) % 2)  # noqa: E731
    for old, new in zip(within(tasks), within(moved), strict=True):
        np.testing.assert_allclose(new, old, atol=2.1 / 1024)
    if not jointly:  # each dimension by itself
        for column in range(4):
            maps = {(a[column], b[column]) for a, b in pairs}
            assert len(maps) == sides[column]


@settings(max_examples=30)
@given(st.integers(0, 2**20), st.integers(0, 30), st.booleans(), st.integers(2, 6))
def test_tasks_come_back(key, seed, jointly, cells):
    tasks = np.array(SPACE.sample(jax.random.key(key), 32))
    tasks[0], tasks[1] = SPACE.low, SPACE.high  # on the faces of cells
    tasks[2, 0] = 2.0
    moved, teacher, state = played(tasks, cells=cells, seed=seed, jointly=jointly)
    back = teacher.observe(state, Proposals.of(jnp.asarray(moved)), outcomes(32))
    width = 8 / cells
    np.testing.assert_allclose(back, tasks, atol=1.01 * width / 1024)
    np.testing.assert_array_equal(np.asarray(back)[:, 1:], tasks[:, 1:])


def test_seeds_permute_differently_and_neighbours_part():
    tasks = np.stack([[x, 1, 3, 0] for x in np.linspace(-2, 6, 40, endpoint=False)])
    first, second = (played(tasks, cells=8, seed=s)[0] for s in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, played(tasks, cells=8, seed=0)[0])
    jumps = np.abs(np.diff(first[:, 0])) > 1
    assert jumps.sum() >= 5


def test_only_named_dimensions_are_cut():
    tasks = np.asarray(SPACE.sample(jax.random.key(0), 500))
    moved, _, _ = played(tasks, cells=4, names=["x"])
    np.testing.assert_array_equal(moved[:, 1:], tasks[:, 1:])
    assert np.abs(moved[:, 0] - tasks[:, 0]).max() > 1


def test_spaces_of_many_dimensions_are_cut_one_by_one():
    space = Box(tuple(Dimension(f"d{i}", 0, 1) for i in range(15)))
    with pytest.raises(SettingError, match=r"cells is 4, .*jointly=False"):
        teachers.shuffled(teachers.uniform(space), space)
    testing.check(lambda s: teachers.shuffled(teachers.uniform(s), s, jointly=False), space)


def test_points_and_levels_move_with_their_cells():
    tasks = np.asarray(SPACE.sample(jax.random.key(0), 8))
    moved, _, state = played(tasks, cells=4)
    drawn = {"means": jnp.zeros((1, 4)), "levels": jnp.asarray(tasks), "points": jnp.asarray(tasks)}
    drawn |= {"scores": jnp.ones(8), "probabilities": jnp.ones(8) / 8, "values": jnp.arange(8.0)}
    inner = echo(SPACE, tasks)._replace(picture=lambda state: drawn)
    picture = teachers.shuffled(inner, SPACE, cells=4).picture(state)
    assert set(picture) == {"levels", "points", "scores", "probabilities", "values"}
    for name in ("levels", "points"):
        np.testing.assert_array_equal(picture[name], moved)


def test_it_keeps_the_promises_of_a_teacher():
    """With all cells permuted at once: see the test of all registered teachers."""

    def make(space):
        inner = teachers.pool(space, 8, space_fraction=0.2)
        return teachers.shuffled(inner, space, jointly=False)

    testing.check(make, SPACE)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"cells": 1}, "cells"), ({"seed": -1}, "seed"), ({"names": ["z"]}, "dimension")],
)
def test_bad_settings_are_named(settings, name):
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        teachers.shuffled(teachers.uniform(SPACE), SPACE, **settings)


@pytest.mark.parametrize("name", ["plr", "sfl", "ncc", "goal_gan", "pool", "adr"])
def test_teachers_recognize_their_tasks(name):
    """Also in spaces whose cells are rounded when they are moved."""
    space = Box(tuple(Dimension(f"x{i}", -1.2, 3.7) for i in range(4)))
    third = (-1.2, -1.2 + 4.9 / 3)  # the bounds of ADR are at faces of cells
    settings = {
        "adr": {
            "easy": space.restricted(**dict.fromkeys(space.names, third)),
            "step": 1 / 3,
            "high": 0.4,
            "low": 0.1,
        },
        "plr": {"capacity": 16, "score": "max_mc"},
        "sfl": {"candidates": 8, "keep": 4, "tries": 2},
        "ncc": {"capacity": 16, "candidates": 8, "tries": 2},
        "goal_gan": {"goals": 8, "update_every": 8, "rollouts": 1, "pretrain": 0},
        "pool": {"capacity": 8},
    }[name]
    inner = teachers.make(name, space, **settings)

    def life(teacher):
        def step(state, key):
            proposals, state = propose(teacher, state, key, 64)
            success = jnp.arange(64) % 2.0
            scores = {"value": success, "positive_value_loss": success}
            result = Outcomes(success, success, jnp.ones(64), jnp.ones(64), scores)
            return teacher.observe(state, proposals, result), None

        keys = jax.random.split(jax.random.key(1), 20)
        return jax.lax.scan(step, teacher.init(jax.random.key(0)), keys)[0]

    plain = jax.jit(lambda: life(inner))()
    rugged = jax.jit(lambda: life(teachers.shuffled(inner, space, cells=3)))()
    count = {
        "plr": lambda state: jnp.sum(state.buffer.attempts),
        "sfl": lambda state: state.candidates.rounds,
        "ncc": lambda state: state.candidates.rounds,
        "goal_gan": lambda state: state.generation,
        "pool": lambda state: state.tried,
        "adr": lambda state: 3 * jnp.sum(state.bounds[1] - 1 / 3) + 0.5,  # steps outwards
    }[name]
    assert int(count(rugged)) >= 0.8 * int(count(plain)) > 1


@pytest.mark.parametrize("jointly", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_part_of_a_shuffled_space_is_played_in_the_true_one(seed, jointly):
    space = Box(
        (
            Dimension("a", -1, 3),
            Dimension("b", 0, 11, integer=True),
            Dimension("c", 2, 2),
            Dimension("d", 0, 1e-3),
        )
    )
    rng = np.random.default_rng(seed)
    ends = np.sort(np.asarray(space.sample(jax.random.key(seed), 2), float), axis=0)
    part = space.restricted(**dict(zip(space.names, map(tuple, ends.T), strict=True)))
    shuffle = {"cells": int(rng.integers(2, 5)), "seed": seed, "jointly": jointly}
    moved = moved_part(part, space, **shuffle)
    shuffled = teachers.shuffled(teachers.uniform(moved), space, **shuffle)
    proposals, _ = propose(shuffled, shuffled.init(jax.random.key(0)), jax.random.key(1), 300)
    played, width = np.asarray(proposals.tasks), (space.high - space.low) / shuffle["cells"]
    assert (played >= part.low - 0.002 * width).all()
    assert (played <= part.high + 0.002 * width).all()
    # It is as large as the part of the true space in the cell of its center.
    size = np.minimum(width, part.high - part.low)
    assert ((moved.high - moved.low)[[0, 3]] >= 0.48 * size[[0, 3]]).all()


@pytest.mark.parametrize("name", ["adr", "growing_box", "paced"])
def test_by_name_the_first_tasks_that_are_played_are_easy(name):
    space = Box((Dimension("x", 0, 3), Dimension("y", 0, 6)))
    easy = space.restricted(x=(0, 0.3), y=(4, 6))
    teacher = teachers.make("shuffled", space, teacher=name, shuffle_seed=1, easy=easy)
    proposals, _ = propose(teacher, teacher.init(jax.random.key(0)), jax.random.key(1), 256)
    x, y = np.asarray(proposals.tasks).T
    assert x.max() <= 0.32
    assert y.min() >= 3.98
