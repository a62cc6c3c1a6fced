"""Mazes beside the official package and plain algorithms: what is seen, drawn and told."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from maze_references import (
    backtracker,
    edges_of,
    fewest_actions,
    fewest_moves,
    kruskal,
    to_minigrid,
)
from scipy import stats
from two_samples import same_distribution

from didact.environments import SettingError
from didact.environments.grid import mazes
from didact.environments.grid.mazes import (
    Blocks,
    Crossings,
    FourRooms,
    Levels,
    Perfect,
    maze_world,
    random_mazes,
)

LEAST = 1e-3  # p values


def drawn(sampler, height, width, n, seed=0):
    space = Levels(height, width, sampler)
    return space, np.asarray(jax.jit(space.sample, static_argnums=1)(jax.random.key(seed), n))


@pytest.mark.parametrize(
    ("view_size", "through", "packed"), [(5, True, False), (7, False, False), (7, True, False)]
)
def test_walks_are_those_of_the_official_package(view_size, through, packed):
    """Random walks in random mazes: what is seen, where it ends, and what it is worth."""
    n, length = 12, 120
    world = random_mazes((6, 8), 12, view_size=view_size, see_through_walls=through, packed=packed)
    tasks = world.task_space.sample(jax.random.key(0), n)
    maze = world.task_space.unpack(np.asarray(tasks))
    official = [
        to_minigrid(
            maze.walls[i],
            *(int(part[i]) for part in maze[1:]),
            view_size=view_size,
            see_through_walls=through,
        )
        for i in range(n)
    ]
    state, seen = jax.jit(world.reset)(jax.random.key(1), tasks)
    step = jax.jit(world.step)
    alive = set(range(n))
    chances = [0.2, 0.2, 0.5, *[0.025] * 4]
    actions = np.random.default_rng(0).choice(7, (length, n), p=chances).astype(np.int32)
    ends = 0
    for t in range(length + 1):
        for i in alive:
            theirs = official[i][1]
            np.testing.assert_array_equal(seen.observation["image"][i], theirs["image"])
            assert seen.observation["direction"][i] == theirs["direction"]
            told = {k: np.asarray(v[i]) for k, v in seen.observation.items()}
            assert world.instruction_text(told) == theirs["mission"]
        if t == length:
            break
        state, seen = step(None, state, actions[t])
        for i in list(alive):
            theirs, reward, terminated, truncated, _ = official[i][0].step(int(actions[t, i]))
            official[i] = official[i][0], theirs
            assert float(seen.reward[i]) == pytest.approx(reward, abs=1e-6)
            assert (seen.terminated[i], seen.truncated[i]) == (terminated, truncated)
            assert seen.success[i] == terminated
            if terminated:
                ends += 1
                alive.remove(i)
    assert ends >= 3


@pytest.mark.slow
def test_the_small_view_is_what_is_lit():
    world = random_mazes(5, 5, view_size=5)
    tasks = jnp.asarray(world.task_space.parse(".#...\n.#.G.\n.....\n...#.\n..^..")[None])
    state, seen = world.reset(jax.random.key(0), tasks)
    assert world.observation_space["image"].shape == seen.observation["image"].shape[1:]
    symbols = world.symbols(state, 0)
    inside = slice(1, 6), slice(1, 6)
    assert symbols.visible[inside].all()
    assert symbols.visible.sum() == 25
    np.testing.assert_array_equal(seen.observation["image"][0], symbols.grid[inside])
    picture = world.render(state, 0)
    goal = picture[2 * 32 + 16, 4 * 32 + 16]
    assert goal[1] > 1.5 * max(goal[0], goal[2])
    packed = random_mazes(5, 5, view_size=5, packed=True).reset(jax.random.key(0), tasks)[1]
    assert packed.observation["image"].shape == (1, 5, 5)
    for settings in (
        {"view_size": 6},
        {"view_size": 5, "see_through_walls": False},
        {"view_size": 5, "text": True},
    ):
        with pytest.raises(SettingError):
            random_mazes(**settings)


# Distributions.


def test_every_small_level_is_equally_likely():
    tasks = drawn(Blocks(1, 1), 2, 2, 9600)[1]
    kinds, counts = np.unique(tasks, axis=0, return_counts=True)
    assert len(kinds) == 4 * 3 * 2 * 4  # agent, goal, wall, direction
    assert stats.chisquare(counts).pvalue > LEAST


def opened(space, tasks):
    """The cells between the rooms of perfect mazes that are open, for each maze."""
    walls = np.asarray(space.unpack(tasks).walls)
    between = list(edges_of(space.height // 2 + 1, space.width // 2 + 1).values())
    return [frozenset(cell for cell in between if not w[cell]) for w in walls]


@pytest.mark.parametrize("depth_first", [False, True])
def test_perfect_mazes_are_spanning_trees(depth_first):
    space, tasks = drawn(Perfect(depth_first, corners=False), 9, 15, 100)
    walls = np.asarray(space.unpack(tasks).walls)
    assert not walls[:, ::2, ::2].any()  # rooms
    assert walls[:, 1::2, 1::2].all()  # pillars
    for w, passages in zip(walls, opened(space, tasks), strict=True):
        assert len(passages) == 5 * 8 - 1
        assert all(fewest_moves(w, 0, 2 * y * 15 + 2 * x) >= 0 for y in range(5) for x in range(8))
    assert len({w.tobytes() for w in walls}) == 100


def test_kruskals_mazes_have_their_probabilities():
    space, tasks = drawn(Perfect(), 3, 5, 4000)
    edges = list(edges_of(2, 3).items())
    trees = [kruskal(2, 3, order) for order in itertools.permutations(edges)]
    names = sorted(set(trees), key=sorted)
    assert len(names) == 15  # spanning trees of a ladder of three rungs
    expected = np.array([trees.count(name) for name in names]) / len(trees)
    counts = np.array([opened(space, tasks).count(name) for name in names])
    assert stats.chisquare(counts, expected * 4000).pvalue > LEAST


def test_depth_first_mazes_are_those_of_a_backtracker():
    space, tasks = drawn(Perfect(depth_first=True), 5, 5, 4000)
    rng = np.random.default_rng(0)
    theirs = [tuple(sorted(backtracker(3, 3, rng))) for _ in range(4000)]
    ours = [tuple(sorted(x)) for x in opened(space, tasks)]
    assert same_distribution(ours, theirs) > LEAST


@pytest.mark.parametrize(
    ("sampler", "name", "settings"),
    [
        (Crossings(3), "CrossingEnv", {"size": 9, "num_crossings": 3}),
        (FourRooms(), "FourRoomsEnv", {}),
    ],
)
def test_walls_are_where_the_official_package_puts_them(sampler, name, settings):
    import minigrid.envs
    from minigrid.core.world_object import Wall

    if name == "CrossingEnv":
        settings = settings | {"obstacle_type": Wall}
    official = getattr(minigrid.envs, name)(**settings)
    walls, places = [], []
    for seed in range(300):
        official.reset(seed=seed)
        kind = official.grid.encode()[1:-1, 1:-1, 0].T
        walls.append(kind == 2)
        goal = np.argwhere(kind == 8)[0]
        places.append((official.agent_pos[1] - 1, official.agent_pos[0] - 1, *goal))
    side = official.width - 2
    space, tasks = drawn(sampler, side, side, 2000)
    maze = space.unpack(tasks)

    def told(walls):
        """The number of walls, these numbers by row and by column, and where openings are."""
        return [
            [int(w.sum()) for w in walls],
            *([tuple((w.sum(axis) // 3).tolist()) for w in walls] for axis in (0, 1)),
            *([(int(w[:, i].argmin()), int(w[:, i].sum())) for w in walls] for i in (1, side // 2)),
            *([(int(w[i].argmin()), int(w[i].sum())) for w in walls] for i in (3, side // 2)),
        ]

    tests = [same_distribution(a, b) for a, b in zip(told(maze.walls), told(walls), strict=True)]
    ours = np.stack([maze.agent // side, maze.agent % side, maze.goal // side, maze.goal % side], 1)
    for mine, theirs in zip(ours.T, np.array(places).T, strict=True):
        tests.append(same_distribution(*((x // 4).tolist() for x in (mine, theirs))))
    assert min(tests) > LEAST / len(tests)
    assert np.all(space.solvable(tasks))


def test_edits_are_of_the_kinds_asked_for():
    space, tasks = drawn(Blocks(0, 20), 5, 7, 6000)
    key = jax.random.key(1)
    np.testing.assert_array_equal(space.mutate(key, tasks, edits=0), tasks)
    before, after = (space.unpack(np.asarray(x)) for x in (tasks, space.mutate(key, tasks, 1)))
    flipped = before.walls != after.walls
    agent, goal = before.agent != after.agent, before.goal != after.goal
    flips = ~agent & ~goal
    assert np.all(flipped[flips].sum((1, 2)) == 1)
    # Where agent or goal went, a wall goes; nothing else changes.
    for moved, cell in ((agent, after.agent), (goal, after.goal)):
        i = np.flatnonzero(moved)
        there = before.walls.reshape(len(tasks), -1)[i, cell[i]]
        np.testing.assert_array_equal(flipped[i].sum((1, 2)), there)
        assert there.any()
    assert not np.any(agent & goal)
    assert np.all((before.direction == after.direction) | agent)
    assert stats.chisquare(np.bincount(after.direction[agent])).pvalue > LEAST
    kinds = np.array([flips.sum(), agent.sum(), goal.sum()])
    assert stats.chisquare(kinds, np.array([0.5, 0.25, 0.25]) * 6000).pvalue > LEAST


def test_no_cell_is_favoured_by_edits():
    space = Levels(3, 4, Blocks(0, 0))
    start = jnp.tile(jnp.asarray(space.parse("....\n.>..\n...G")), (11_000, 1))
    after = np.asarray(space.mutate(jax.random.key(0), start, 1, (1, 0, 0)))
    counts = np.delete(after[:, :12].sum(0), [5, 11])
    assert counts.sum() == 11_000
    assert stats.chisquare(counts).pvalue > LEAST


# Named mazes.

# Of each map: its side, cells that are wall, the shortest way to the nearest goal, in minimax (in
# dcd for nine rooms); and its rows as bits, for two of them.
PUBLISHED = {
    "SixteenRooms": (13, 46, 20),
    "SixteenRooms2": (13, 53, 22),
    "Labyrinth": (13, 72, 96),
    "LabyrinthFlipped": (13, 72, 96),
    "Labyrinth2": (13, 72, 96),
    "StandardMaze": (13, 73, 40),
    "StandardMaze2": (13, 72, 56),
    "StandardMaze3": (13, 71, 39),
    "SmallCorridor": (13, 71, 13),
    "LargeCorridor": (19, 161, 19),
    "NineRooms": (13, 36, 20),
    "NineRoomsFewerDoors": (13, 39, 34),
}
BITS = {
    "StandardMaze": "84 EF6 800 FF7 10 1FBE 120 C6F 522 15BA 1488 16EE 228",
    "StandardMaze3": "140 F5E 850 3D5 1A14 2D6 A92 ABB 8A8 EAE 8A2 BAA 888",
}


def test_maps_are_the_published_ones():
    for name, (side, walls, moves) in PUBLISHED.items():
        found = [mazes.text_format.parse(given) for given in mazes.named(name).sampler.texts]
        assert {m.walls.shape for m in found} == {(side, side)}
        assert {int(m.walls.sum()) for m in found} == {walls}
        assert min(fewest_moves(m.walls, int(m.agent), int(m.goal)) for m in found) == moves
        steps = [fewest_actions(m.walls, *(int(x) for x in m[1:])) for m in found]
        assert max(steps) < maze_world(mazes.named(name)).max_steps
        assert len(found) == {"SmallCorridor": 10, "LargeCorridor": 16}.get(name, 1)
        assert len({int(m.goal) for m in found}) == len(found)
        rows = (f"{int(''.join(map(str, row.astype(int))), 2):X}" for row in found[0].walls)
        assert BITS.get(name) in (None, " ".join(rows))
    for side, name in ((13, "SmallCorridor"), (19, "LargeCorridor")):
        comb = np.zeros((side, side), bool)
        comb[1:-1, 1:-1:2] = comb[side // 2, 1:-1] = True
        walls = mazes.text_format.parse(mazes.named(name).sampler.texts[0]).walls
        np.testing.assert_array_equal(walls, comb)


@pytest.mark.slow
def test_a_set_of_named_mazes_shares_a_space():
    found = mazes.evaluation_set(("Labyrinth", "LargeCorridor", "FourRooms"), each=3)
    assert found.names == ("Labyrinth",) * 3 + ("LargeCorridor",) * 3 + ("FourRooms",) * 3
    assert found.space.shape == (19, 19)
    assert np.all(found.space.contains(jnp.asarray(found.tasks)))
    one = mazes.named("Labyrinth")
    for lengths in ("shortest_path", "shortest_actions"):
        row = one.sample(jax.random.key(0), 1)
        alone = int(getattr(one, lengths)(row)[0])
        assert int(getattr(found.space, lengths)(jnp.asarray(found.tasks))[0]) == alone
    walls = found.space.unpack(found.tasks).walls[0]
    assert walls[13:].all()
    assert walls[:, 13:].all()
    again = np.asarray(found.space.sample(jax.random.key(1), 40))
    assert {row.tobytes() for row in again} <= {row.tobytes() for row in found.tasks}
    usual = mazes.evaluation_set()
    assert usual.names == mazes.EVALUATION
    assert usual.space.shape == (13, 13)
    maze_world(usual.space).reset(jax.random.key(0), jnp.asarray(usual.tasks))
    for arguments in ((), ("Labyrint",)):
        with pytest.raises(SettingError):
            mazes.evaluation_set(arguments)


def test_errors_show_the_glyph_plainly():
    with pytest.raises(SettingError, match=r"row 2, column 1, is '\^', but must be"):
        mazes.text_format.parse(">..\n^.G")
