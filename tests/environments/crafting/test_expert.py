"""The planner in the original game, and its boards against plain arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crafting_states import grassland, placed

from didact.environments import make
from didact.environments.crafting import layout, tasks
from didact.environments.crafting.expert import boards, paths
from didact.environments.crafting.expert.scene import scene, stations
from didact.environments.crafting.layout import SIDE
from didact.environments.crafting.rules import nearby, player

N = 3


def board_of(mask):
    """The board of bool[n, 64, 64]."""
    words = np.packbits(mask.reshape(len(mask), -1), axis=1, bitorder="little").view(np.uint32)
    return jnp.asarray(words.T.reshape(SIDE, 2, len(mask)))


def mask_of(board):
    """The inverse of `board_of`."""
    words = np.ascontiguousarray(np.asarray(board).reshape(SIDE * 2, -1).T)
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return bits.reshape(-1, SIDE, SIDE).astype(bool)


@pytest.fixture(scope="module")
def material():
    return np.random.default_rng(0).integers(0, 13, (N, layout.CELLS)).astype(np.uint8)


def test_boards_are_masks(material):
    chosen = mask_of(boards.Materials(jnp.asarray(material))(layout.TREE, layout.COAL))
    plain = np.isin(material, (layout.TREE, layout.COAL)).reshape(N, SIDE, SIDE)
    np.testing.assert_array_equal(chosen, plain)
    wide = np.pad(plain, ((0, 0), (2, 2), (2, 2)))
    rolled = [np.roll(wide, by, axis) for axis in (1, 2) for by in (1, -1)]
    around = np.any(rolled, 0)[:, 2:-2, 2:-2]
    np.testing.assert_array_equal(mask_of(boards.around(board_of(plain))), around)
    near = [np.roll(wide, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    block = np.any(near, 0)[:, 2:-2, 2:-2]
    np.testing.assert_array_equal(mask_of(boards.blocks(board_of(plain), 1)), block)
    cell = np.array([0, 31 + 64 * 5, 64 * 63 + 32])
    y, x = np.mgrid[:SIDE, :SIDE]
    window = [(abs(y - c // 64) <= 9) & (abs(x - c % 64) <= 9) for c in cell]
    np.testing.assert_array_equal(mask_of(boards.window(jnp.array(cell), 9)), window)
    found = boards.at([board_of(plain)], jnp.array([cell, [-1, 5, 5]]))
    expected = [plain.reshape(N, -1)[np.arange(N), cell], [False, *plain[1:, 0, 5]]]
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize(("x", "y"), [(0, 20), (20, 0), (1, 1), (0, 0), (63, 63)])
def test_tools_are_made_where_the_rules_allow_it(x, y):
    """Against the rules of the player."""
    state = placed(grassland(wood=3), y * SIDE + x, layout.TABLE)
    places = mask_of(stations(scene(state), state.position).tables)[0]
    cells = jnp.arange(layout.CELLS, dtype=jnp.int32)
    every = jax.tree.map(lambda leaf: jnp.repeat(leaf, layout.CELLS, 0), state)
    near = nearby.gather(every.objects, cells)
    make = jnp.full(layout.CELLS, layout.ACTION["make_wood_pickaxe"])
    acted = player.update(every._replace(position=cells), near, make, jnp.zeros(layout.CELLS))
    made = np.asarray(acted.state.achieved)[:, layout.ACHIEVEMENT["make_wood_pickaxe"]]
    np.testing.assert_array_equal(places, made.reshape(SIDE, SIDE))


@pytest.mark.slow
def test_the_planner_leaves_the_edge_to_make_a_tool():
    world, cell = make("Crafter"), 20 * SIDE
    state = placed(grassland(at=cell, wood=3), cell + 1, layout.TABLE)
    act, step = jax.jit(world.expert().act), jax.jit(world.step)
    for number in range(30):
        state, _ = step(jax.random.key(number), state, act(state))
    assert state.inventory[0, layout.ITEM["wood_pickaxe"]] == 1


def test_searches_find_the_shortest_way():
    """Against Dijkstra's algorithm on plain arrays."""
    rng = np.random.default_rng(1)
    kind = rng.choice(4, (N, SIDE, SIDE), p=[0.55, 0.2, 0.1, 0.15])
    delays = 0, 6
    ends = np.zeros((2, N, SIDE, SIDE), bool)
    for which in range(2):
        for world in range(N):
            ends[which, world][tuple(rng.integers(0, SIDE, (2, 2)))] = True
    position = np.array([64 * 30 + 30, 0, 64 * 10 + 63])
    ground = paths.Ground(*(board_of(kind == k) for k in range(3)))
    starts = jnp.stack([board_of(end) for end in ends])
    times = np.asarray(paths.arrivals(ground, starts, delays, jnp.asarray(position)))
    steps = np.array([paths.WALK, paths.CLEAR, paths.BRIDGE, 10**6])[kind]
    for world in range(N):
        cost = np.where(ends[0, world], 0, np.where(ends[1, world], 6, 10**5))
        for _ in range(400):
            entered = np.pad(cost + steps[world], 1, constant_values=10**6)
            sides = entered[2:, 1:-1], entered[:-2, 1:-1], entered[1:-1, 2:], entered[1:-1, :-2]
            cost = np.minimum(cost, np.minimum.reduce(sides))
        x, y = position[world] % SIDE, position[world] // SIDE
        own = cost[y, x]
        assert times[paths.HERE, world] == (own if own < paths.LONGEST else paths.NEVER)
        for side in range(4):
            i, j = y + layout.DY[side], x + layout.DX[side]
            if 0 <= i < SIDE and 0 <= j < SIDE:
                reached = cost[i, j] <= own and cost[i, j] < paths.LONGEST
                expected = cost[i, j] if reached else paths.NEVER
                assert times[side, world] == expected


def played(world, n, steps, seed=0):
    """The achievements unlocked by the planner, bool[n, 22]."""
    expert = world.expert()

    def step(carry, key):
        state, over = carry
        new, seen = world.step(key, state, expert.act(state))
        state = jax.tree.map(
            lambda x, y: jnp.where(over.reshape(-1, *(1,) * (x.ndim - 1)), x, y), state, new
        )
        return (state, over | seen.done), None

    @jax.jit
    def play(key):
        start = jnp.asarray(tasks.ORIGINAL)[None].repeat(n, 0)
        state, _ = world.reset(key, start)
        carry = state, jnp.zeros(n, bool)
        return jax.lax.scan(step, carry, jax.random.split(key, steps))[0][0].unlocked

    return np.asarray(play(jax.random.key(seed)))


@pytest.mark.slow
def test_the_planner_unlocks_the_first_achievements():
    unlocked = played(make("Crafter"), 16, 100)
    assert unlocked.sum(1).mean() > 10


@pytest.mark.slow
def test_the_planner_unlocks_seventeen_achievements():
    unlocked = played(make("Crafter"), 64, 700, seed=1)
    assert np.mean(unlocked.sum(1) >= 17) > 0.8
