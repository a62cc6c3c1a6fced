"""What holds in every world, whatever is done there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.crafting import Crafter, layout
from didact.environments.crafting.layout import ACHIEVEMENTS, ITEMS, unpack
from didact.environments.crafting.rules import balance
from didact.environments.crafting.rules.bits import nth_flag, packed
from didact.environments.crafting.rules.nearby import REACH, ROWS, gather

N = 16


@pytest.fixture(scope="module")
def crafter():
    return Crafter()


@pytest.fixture(scope="module")
def play(crafter):
    """Play one action after the other in all worlds, without restarts; dead players go on."""

    def step(carry, actions):
        key, state = carry
        key, now = jax.random.split(key)
        state, seen = crafter.step(now, state, actions)
        health = jnp.maximum(state.inventory[:, 0], 3)
        revived = state.inventory.at[:, 0].set(health)
        return (key, state._replace(inventory=revived)), (seen.reward, seen.observation["light"])

    return jax.jit(lambda key, state, actions: jax.lax.scan(step, (key, state), actions))


def check_state(state):
    """Check the invariants of all worlds."""
    rows = jax.tree.map(np.asarray, state)
    objects = [np.asarray(x) for x in unpack(state.objects)]
    assert ((rows.inventory >= 0) & (rows.inventory <= layout.MOST)).all()
    assert ((rows.material >= 0) & (rows.material < len(layout.MATERIALS))).all()
    for world in range(len(rows.position)):
        kind, cell, health, extra = (x[world] for x in objects)
        used = kind > 0
        assert not used[rows.num_slots[world] :].any()
        cells = np.append(cell[used], rows.position[world])
        assert len(np.unique(cells)) == len(cells), "two objects in a cell"
        ground = rows.material[world]
        mobile = np.isin(kind, (layout.COW, layout.ZOMBIE, layout.SKELETON))
        assert np.isin(ground[cell[mobile]], layout.WALKABLE).all()
        assert np.isin(ground[cell[kind == layout.ARROW]], layout.FLYABLE).all()
        assert (ground[cell[kind == layout.PLANT]] == layout.GRASS).all()
        assert ground[rows.position[world]] in (*layout.WALKABLE, layout.LAVA)
        assert (health <= np.array(layout.HEALTH)[kind]).all()
        assert (extra[kind == layout.ARROW] < 4).all()
        known = rows.chunks[world][np.asarray(layout.chunk_of(cells)) // 32]
        assert ((known >> (np.asarray(layout.chunk_of(cells)) % 32)) & 1).all()


def crowd(crafter, size):
    """Return grassland with `size` cows within a distance of 12; the last one is at the right."""
    tasks = jnp.tile(crafter.evaluation_tasks["original"], (N, 1))
    state, _ = jax.jit(crafter.reset)(jax.random.key(0), tasks)
    y, x = np.mgrid[-12:13, -12:13]
    cells = (layout.START + y * layout.SIDE + x)[np.abs(x) + np.abs(y) <= 12]
    beside = layout.START + 1
    free = cells[~np.isin(cells, (layout.START, beside))]
    rng = np.random.default_rng(size)
    chosen = np.array([[*rng.choice(free, size - 1, replace=False), beside] for _ in range(N)])
    kind, health, extra = (np.full_like(chosen, number) for number in (layout.COW, 3, 0))
    objects = layout.pack(kind, chosen, health, extra)
    occupied = jnp.concatenate([chosen.T, state.position[None]])
    return state._replace(
        material=jnp.full_like(state.material, layout.GRASS),
        objects=jnp.pad(objects, ((0, 0), (0, layout.MAX_OBJECTS - size))).astype(jnp.int32),
        num_slots=jnp.full(N, size, jnp.int32),
        chunks=balance.chunk_bits(occupied.astype(jnp.int32)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [ROWS - 1, ROWS, ROWS + 1, 200])
def test_the_nearest_objects_of_a_crowd_act(crafter, play, size):
    """They are in the way, and no two are ever in a cell."""
    state = crowd(crafter, size)
    near = jax.device_get(jax.jit(gather)(state.objects, state.position))
    distance = np.asarray(layout.distance(unpack(state.objects).cell[:, :size], layout.START))

    def within(limit):
        return (distance <= limit[:, None]).sum(1)

    assert (near.count == within(near.reach + 1)).all()
    assert (near.count <= ROWS).all()
    assert ((near.reach == REACH) | (within(near.reach + 2) > ROWS)).all()
    assert (near.cell == layout.START + 1).any(0).all()
    right = jnp.full((1, N), layout.ACTION["move_right"], jnp.int32)
    (_, stopped), _ = play(jax.random.key(0), state, right)
    assert (stopped.position == layout.START).all()
    actions = np.random.default_rng(0).integers(0, 6, (60, N))
    (_, state), _ = play(jax.random.key(1), state, jnp.asarray(actions, jnp.int32))
    check_state(state)


@pytest.mark.parametrize("hostile", [False, True])
def test_random_and_hostile_actions(crafter, play, hostile):
    tasks = np.tile(crafter.evaluation_tasks["original"], (N, 1))
    tasks[N // 2 :] = crafter.task_space.sample(jax.random.key(5), N - N // 2)
    state, _ = jax.jit(crafter.reset)(jax.random.key(0), jnp.asarray(tasks))
    check_state(state)
    rng = np.random.default_rng(0)
    for part in range(4):
        actions = rng.integers(0, 17, (150, N))
        if hostile:
            actions = np.where(rng.random(actions.shape) < 0.6, 5 + rng.integers(0, 6), actions)
            actions[rng.random(actions.shape) < 0.2] = rng.choice([-(2**31), -1, 17, 2**31 - 1])
            full = state.inventory.at[:, 4:].set(9)
            state = state._replace(inventory=full, steps=state.steps * 0 + 200)
        (_, state), (reward, light) = play(
            jax.random.key(part), state, jnp.asarray(actions, jnp.int32)
        )
        assert np.isfinite(reward).all()
        assert ((light >= 0) & (light <= 1)).all()
        check_state(state)


@pytest.mark.slow
def test_a_million_steps(crafter, play):
    """Random and hostile actions in random tasks and in the original game."""
    n, steps = 256, 400
    tasks = np.array(crafter.task_space.sample(jax.random.key(6), n))
    tasks[::2] = crafter.evaluation_tasks["original"]
    state, _ = jax.jit(crafter.reset)(jax.random.key(1), jnp.asarray(tasks))
    rng = np.random.default_rng(1)
    for part in range(10):
        actions = rng.integers(0, 17, (steps, n))
        actions[rng.random(actions.shape) < 0.05] = rng.choice([-(2**31), -1, 17, 2**31 - 1])
        items = jnp.asarray(rng.integers(0, 10, (n, 12)))
        state = state._replace(inventory=state.inventory.at[:, 4:].set(items))
        (_, state), _ = play(jax.random.key(part), state, jnp.asarray(actions, jnp.int32))
        check_state(state)


def test_what_is_seen_is_what_is_there(crafter):
    state, seen = jax.jit(crafter.reset)(
        jax.random.key(3), jnp.asarray(np.tile(crafter.evaluation_tasks["original"], (4, 1)))
    )
    rows = jax.tree.map(np.asarray, state)
    for world in range(4):
        ground = np.pad(rows.material[world].reshape(64, 64), 9)
        x, y = rows.position[world] % 64 + 9, rows.position[world] // 64 + 9
        view = np.asarray(seen.observation["view"])[world]
        np.testing.assert_array_equal(view[..., 0], ground[y - 3 : y + 4, x - 4 : x + 5])
        kind, cell, *_ = (np.asarray(part)[world] for part in unpack(state.objects))
        dx, dy = cell % 64 + 9 - x, cell // 64 + 9 - y
        near = (kind > 0) & (abs(dx) <= 4) & (abs(dy) <= 3)
        assert (view[..., 1] > 0).sum() == near.sum()
        assert (view[dy[near] + 3, dx[near] + 4, 1] == kind[near]).all()


def test_tables_are_consistent():
    assert len(ACHIEVEMENTS) == 22
    assert list(ACHIEVEMENTS) == sorted(ACHIEVEMENTS)
    rules = [*layout.COLLECTS, *layout.PLACES, *layout.MAKES]
    assert {rule.achievement for rule in rules} <= set(ACHIEVEMENTS)
    assert {rule.tool for rule in layout.MAKES} < set(ITEMS)


def test_packed_objects():
    rng = np.random.default_rng(0)
    fields = [rng.integers(0, limit, 100) for limit in (6, 4096, 6, 302)]
    found = unpack(layout.pack(*(jnp.asarray(x, jnp.int32) for x in fields)))
    for a, b in zip(found, fields, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_nth_flag_finds_the_set_bits():
    flags = np.random.default_rng(0).random((50, 96)) < np.linspace(0, 1, 50)[:, None]
    rank = jnp.broadcast_to(jnp.arange(96)[:, None], (96, 50))
    place, total = jax.jit(nth_flag)(packed(jnp.asarray(flags)).T, rank)
    for row in range(50):
        expected = np.flatnonzero(flags[row])
        assert total[row] == len(expected)
        np.testing.assert_array_equal(place[: len(expected), row], expected)
        assert (place[len(expected) :, row] == 96).all()
