"""Mazes as tasks: sampling, editing, solving, text and JSON."""

import collections
import json
import re

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maze_search import AHEAD, SPACES, sample, search, shown
from scipy import stats
from two_samples import same_distribution

import didact.environments as environments
from didact.environments import SettingError
from didact.environments.grid import rules
from didact.environments.grid.mazes import (
    Blocks,
    Crossings,
    Levels,
    OneOf,
    Perfect,
    RepeatedBlocks,
    named,
)
from didact.environments.grid.mazes import shortest_paths as solver
from didact.environments.grid.mazes.named import parse_file


@pytest.mark.parametrize("name", SPACES)
def test_whatever_is_sampled_or_edited_is_a_level(name):
    space = SPACES[name]
    tasks = sample(space, 300)
    assert tasks.shape == (300, space.size)
    assert tasks.dtype == np.float32
    edited = jax.jit(lambda key, tasks: space.mutate(key, tasks, edits=20))(
        jax.random.key(1), tasks
    )
    for rows in (tasks, np.asarray(edited)):
        assert space.contains(rows).all()
        np.testing.assert_array_equal(space.clip(rows), rows)
        for row in rows[:40]:
            shown(space, row)
        assert ((rows >= space.low) & (rows <= space.high)).all()
    if space.cells > 4:
        assert (np.asarray(edited) != tasks).any(axis=1).mean() > 0.95


def test_blocks_in_cells_that_repeat():
    """The number of distinct cells among k draws: the chance of each is 1 - (1 - 1/c)^k."""
    space, n = Levels(13, 13, RepeatedBlocks(25)), 4000
    tasks = sample(space, n)
    assert space.contains(tasks).all()
    walls = tasks[:, :169].sum(1)
    assert walls.max() <= 25
    c, k = 169, 25
    mean = c * (1 - (1 - 1 / c) ** k)
    variance = c * (1 - 1 / c) ** k + c * (c - 1) * (1 - 2 / c) ** k - (c * (1 - 1 / c) ** k) ** 2
    assert walls.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / n))
    assert walls.var() == pytest.approx(variance, rel=0.15)
    per_cell = tasks[:, :169].mean(0)
    assert np.abs(per_cell - mean / c).max() < 5 * np.sqrt(mean / c / n)
    with pytest.raises(SettingError, match="draws"):
        Levels(3, 3, RepeatedBlocks(8))


def test_the_number_of_blocks_is_uniform_and_so_are_all_places():
    space, n = Levels(3, 4, Blocks(2, 5)), 12_000
    tasks = sample(space, n)
    walls, (agent, direction, goal) = tasks[:, :12], tasks[:, 12:].astype(int).T
    p = {}
    for what, values, size in (
        ("count", walls.sum(1).astype(int) - 2, 4),
        ("agent", agent, 12),
        ("goal", goal, 12),
        ("direction", direction, 4),
    ):
        p[what] = stats.chisquare(np.bincount(values, minlength=size)).pvalue
    # Of two blocks, each pair of the ten cells that are left is as likely as any other.
    two = walls.sum(1) == 2
    pairs = collections.Counter()
    for row, a, g in zip(walls[two], agent[two], goal[two], strict=True):
        left = [i for i in range(12) if i not in (a, g)]
        pairs[tuple(k for k, i in enumerate(left) if row[i])] += 1
    p["pair"] = stats.chisquare([pairs[i, j] for j in range(10) for i in range(j)]).pvalue
    assert not {what: v for what, v in p.items() if v < 1e-3 / len(p)}, p
    assert (agent != goal).all()


def test_the_usual_space_is_that_of_the_literature():
    tasks = sample(Levels(), 6100)
    count = tasks[:, :169].sum(1).astype(int)
    assert stats.chisquare(np.bincount(count, minlength=61)).pvalue > 1e-3
    assert count.max() == 60
    fewer = sample(Levels().restricted(walls=(0, 25)), 500)[:, :169].sum(1)
    assert (fewer.min(), fewer.max()) == (0, 25)
    assert 0.6 < Levels().solvable(tasks).mean() < 0.99


@pytest.mark.parametrize("name", ["kruskal", "depth first"])
def test_perfect_mazes_are_trees(name):
    space = SPACES[name]
    for task in sample(space, 30):
        grid = shown(space, task)
        free = {(y, x) for y, row in enumerate(grid) for x, g in enumerate(row) if g != "#"}
        edges = sum(((y + 1, x) in free) + ((y, x + 1) in free) for y, x in free)
        assert edges == len(free) - 1
        assert len(free) == 2 * ((space.height + 1) // 2) * ((space.width + 1) // 2) - 1
    assert space.solvable(sample(space, 200)).all()
    corners = {0, space.width - 1, space.cells - space.width, space.cells - 1}
    ends = set(sample(space, 300)[:, [-3, -1]].astype(int).reshape(-1))
    assert (ends == corners) == (name == "kruskal")


def test_kruskals_mazes_are_as_the_plain_algorithm_makes_them():
    """Of the 15 spanning trees of 2x3 rooms, in the shares that random edge orders give."""
    space, n = Levels(3, 5, Perfect()), 6000
    edges = [(y, 2 * x + 1) for y in (0, 2) for x in (0, 1)] + [(1, 2 * x) for x in range(3)]
    rng, plain = np.random.default_rng(0), collections.Counter()
    for _ in range(n):
        of = {(y, x): (y, x) for y in (0, 2) for x in (0, 2, 4)}
        tree = []
        for i in rng.permutation(len(edges)):
            y, x = edges[i]
            ends = ((y, x - 1), (y, x + 1)) if y % 2 == 0 else ((y - 1, x), (y + 1, x))
            one, other = of[ends[0]], of[ends[1]]
            if one != other:
                tree.append(int(i))
                of = {room: one if at == other else at for room, at in of.items()}
        plain[tuple(sorted(tree))] += 1
    ours = collections.Counter()
    for walls in sample(space, n)[:, :15].reshape(n, 3, 5):
        ours[tuple(i for i, at in enumerate(edges) if not walls[at])] += 1
    assert set(ours) == set(plain)
    assert len(ours) == 15
    table = [[c[tree] for tree in plain] for c in (ours, plain)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_rooms_and_crossings_can_be_crossed():
    rooms = SPACES["rooms"]
    tasks = sample(rooms, 200)
    assert (tasks[:, : rooms.cells].sum(1) == 9 + 11 - 1 - 4).all()
    assert rooms.solvable(tasks).all()
    crossings = SPACES["crossings"]
    tasks = sample(crossings, 200)
    assert (crossings.shortest_path(tasks) >= 9 + 11 - 2).all()
    lines = tasks[:, : crossings.cells].reshape(-1, 9, 11)
    full = (lines.mean(2) > 0.8).sum(1) + (lines.mean(1) > 0.8).sum(1)
    assert (full == 5).all()
    assert (tasks[:, -3:] == [0, 0, 98]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs"),
    [("FourRooms", "MiniGrid-FourRooms-v0"), ("SimpleCrossing", "MiniGrid-SimpleCrossingS11N5-v0")],
)
def test_rooms_and_crossings_are_distributed_as_minigrids(name, theirs):
    space, official = named(name), gymnasium.make(theirs, disable_env_checker=True).unwrapped
    tasks, rows = sample(space, 1000), []
    for seed in range(200):
        official.reset(seed=seed)
        kinds = official.grid.encode()[1:-1, 1:-1, 0].T
        assert kinds.shape == space.shape
        goal = int(np.flatnonzero(kinds == 8)[0])
        x, y = official.agent_pos
        agent = (y - 1) * space.width + x - 1
        rows.append([*(kinds == 2).reshape(-1), agent, official.agent_dir, goal])
    rows = np.array(rows, np.float32)
    assert space.contains(rows).all()
    p = {}
    for feature in ("walls", "wall", "moves", "actions", "agent", "goal", "direction"):
        told = []
        for levels in (tasks, rows):
            walls = levels[:, : space.cells].reshape(-1, *space.shape)
            told.append(
                {
                    "walls": walls.sum((1, 2)),
                    "wall": np.nonzero(walls)[1] * 100 + np.nonzero(walls)[2],
                    "moves": np.asarray(space.shortest_path(levels)) // 4,
                    "actions": np.asarray(space.shortest_actions(levels)) // 4,
                    "agent": levels[:, -3] // space.width // 2,
                    "goal": levels[:, -1] % space.width // 2,
                    "direction": levels[:, -2],
                }[feature].tolist()
            )
        p[feature] = same_distribution(*told)
    assert not {feature: v for feature, v in p.items() if v < 1e-3 / len(p)}, p


def test_an_edit_changes_one_thing():
    space = Levels(6, 7, Blocks(5, 20))
    tasks = sample(space, 2000)
    edited = np.asarray(space.mutate(jax.random.key(3), tasks, edits=1))
    walls, edited_walls = tasks[:, :42] > 0, edited[:, :42] > 0
    agent, goal = tasks[:, 42] != edited[:, 42], tasks[:, 44] != edited[:, 44]
    flipped = (walls != edited_walls).sum(1)
    turned = tasks[:, 43] != edited[:, 43]
    still = ~agent & ~goal
    assert (flipped[still] == 1).all()
    assert (flipped[~still] <= 1).all()
    assert (edited_walls <= walls)[~still].all()  # walls only go
    assert not (agent & goal).any()
    assert not (turned & ~agent).any()
    kinds = np.array([still.sum(), agent.sum(), goal.sum()])
    assert stats.chisquare(kinds, np.array([0.5, 0.25, 0.25]) * 2000).pvalue > 1e-3
    never = space.mutate(jax.random.key(3), tasks, edits=5, weights=(1, 0, 0))
    np.testing.assert_array_equal(never[:, 42:], tasks[:, 42:])
    np.testing.assert_array_equal(space.mutate(jax.random.key(3), tasks, edits=0), tasks)
    for bad in ({"edits": -1}, {"weights": (0, 0, 0)}, {"weights": (1, 1)}):
        with pytest.raises(SettingError, match=next(iter(bad))):
            space.mutate(jax.random.key(0), tasks, **bad)


@given(st.lists(st.floats(width=32), min_size=15, max_size=15))
def test_any_row_is_clipped_to_a_level(row):
    space = Levels(3, 4, Blocks(0, 5))
    clipped = np.asarray(space.clip(np.array([row], np.float32)))
    assert space.contains(clipped).all()
    shown(space, clipped[0])


def test_rows_that_are_no_levels_are_told():
    space = Levels(3, 4, Blocks(0, 5))
    good = space.parse(">..#\n....\n#..G")
    rows = np.repeat(good[None], 8, 0)
    rows[1, 0] = 1  # a wall on the agent
    rows[2, 11] = 1  # and on the goal
    rows[3, -1] = rows[3, -3]  # both in one cell
    rows[4, -2] = 4
    rows[5, 1] = 0.5
    rows[6, -3] = np.nan
    rows[7, -1] = 12
    assert list(np.asarray(space.contains(rows))) == [True] + [False] * 7


# Ways.


@pytest.mark.parametrize("name", [*SPACES, "edited"])
def test_shortest_ways_are_those_of_a_plain_search(name):
    space = SPACES.get(name, Levels(7, 6, Blocks(10, 25)))
    tasks = sample(space, 60)
    if name == "edited":
        tasks = np.asarray(space.mutate(jax.random.key(5), tasks, edits=10))
    grids = [shown(space, task) for task in tasks]
    moves = [search(grid, turns=False) for grid in grids]
    np.testing.assert_array_equal(space.shortest_path(tasks), moves)
    np.testing.assert_array_equal(
        space.shortest_actions(tasks), [search(grid, turns=True) for grid in grids]
    )
    np.testing.assert_array_equal(space.solvable(tasks), np.array(moves) >= 0)
    if name in ("blocks", "edited"):
        assert min(moves) == -1


def test_the_actions_that_lower_the_distance_lead_to_the_goal_in_the_world():
    """The solver's optimal actions, taken in the real world, arrive when it says."""
    environment = environments.make("Maze-StandardMaze2")
    space = environment.task_space
    maze = space.unpack(space.sample(jax.random.key(0), 1))
    distances = np.asarray(solver.action_distances(maze))[0]
    tasks = space.pack(maze)
    state, _ = environment.reset(jax.random.key(0), tasks)
    step, wide = jax.jit(environment.step), space.width + 2
    length = int(space.shortest_actions(tasks)[0])
    for t in range(length):
        place, direction = int(state.world.position[0]), int(state.world.direction[0])
        y, x = place // wide - 1, place % wide - 1
        assert distances[direction, y, x] == length - t
        dy, dx = AHEAD[direction]
        ahead = (y + dy, x + dx)
        after = {
            rules.LEFT: distances[(direction - 1) % 4, y, x],
            rules.RIGHT: distances[(direction + 1) % 4, y, x],
        }
        if 0 <= ahead[0] < space.height and 0 <= ahead[1] < space.width:
            after[rules.FORWARD] = distances[direction, *ahead]
        action = next(a for a, d in after.items() if d == length - t - 1)
        state, seen = step(None, state, jnp.array([action]))
    assert seen.success[0]
    assert seen.terminated[0]
    np.testing.assert_allclose(seen.reward[0], 1 - 0.9 * length / 250, atol=1e-6)


# Text and JSON.


@pytest.mark.parametrize("name", SPACES)
def test_text_and_json_give_back_the_same_level(name):
    space = SPACES[name]
    schema = space.json_schema()["properties"]["map"]
    for task in sample(space, 20):
        text = space.format(task)
        assert text == "\n".join("".join(row) for row in shown(space, task))
        np.testing.assert_array_equal(space.parse(text), task)
        written = space.to_json(task)
        np.testing.assert_array_equal(space.from_json(written), task)
        np.testing.assert_array_equal(space.from_json({"map": text}), task)
        rows = json.loads(written)["map"]
        assert schema["minItems"] == schema["maxItems"] == len(rows)
        for row in rows:
            assert re.fullmatch(schema["items"]["pattern"], row)


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        (">..\n..\n..G", "row 2"),
        (">..\n.x.\n..G", "row 2, column 2, is 'x'"),
        (">..\n...\n...", "exactly one goal"),
        ("...\n...\n..G", "exactly one agent"),
        (">..\n..<\n..G", "row 2, column 3, is '<'"),
        (">..\n.G.\n..G", "row 3, column 3, is 'G'"),
        ("", "at least 1 cell"),
        (">.G", r"size of the maze is \(1, 3\)"),
    ],
)
def test_maps_that_are_none_are_told_by_row_and_column(given_, told):
    space = Levels(3, 3, Blocks(0, 2))
    with pytest.raises(SettingError, match=told):
        space.parse(given_)
    with pytest.raises(SettingError):
        space.from_json({"map": given_.split("\n")})


@pytest.mark.parametrize(
    "given_",
    ["{", "[]", "3", "{}", '{"map": 3}', '{"map": [1, 2, 3]}', '{"map": [], "goal": 1}'],
)
def test_json_that_is_no_level_is_told(given_):
    with pytest.raises(SettingError):
        Levels().from_json(given_)


def test_fingerprints_tell_levels_apart():
    space = Levels()
    tasks = sample(space, 500)
    edited = np.asarray(space.mutate(jax.random.key(0), tasks, edits=1))
    both = np.concatenate([tasks, tasks, edited])
    marks = np.asarray(jax.jit(space.fingerprint)(both))
    distinct = {tuple(row) for row in both}
    assert len({tuple(mark) for mark in marks}) == len(distinct)
    np.testing.assert_array_equal(marks[:500], marks[500:1000])


def test_features_are_numbers_of_walls_and_lengths():
    space = Levels(3, 3, Blocks(0, 5))
    rows = np.stack([space.parse(t) for t in (">##\n...\n..G", ">#G\n##.\n...")])
    np.testing.assert_array_equal(space.features(rows), [[2, 4], [3, 0]])
    assert space.feature_space.contains(space.features(rows)).all()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Levels(1, 2), "at least 3 cells"),
        (lambda: Levels(3, 3, Blocks(0, 8)), "from 0 to 7"),
        (lambda: Levels(4, 4, Perfect()), "odd"),
        (lambda: Levels(9, 9, Crossings(9)), "from 0 to 8"),
        (lambda: Levels(3, 3, OneOf((">.G",))), r"\(1, 3\)"),
        (lambda: Levels().restricted(walls=(0, 61)), "from 0 to 60"),
        (lambda: Levels().restricted(rows=3), "no such parameter"),
        (lambda: environments.make("Maze", size=3, max_walls=8), "from 0 to 7"),
        (lambda: environments.make("Maze", max_steps=0), "max_steps"),
        (lambda: named("Labyrint"), "Labyrinth"),
        (lambda: parse_file("...\n"), "below a"),
    ],
)
def test_settings_out_of_range_are_told(make, told):
    with pytest.raises(SettingError, match=told):
        make()
