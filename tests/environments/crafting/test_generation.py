"""Noise and terrain against the `opensimplex` package and the original's own world generation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.crafting import layout, tasks
from didact.environments.crafting.generation import fields, opensimplex, terrain, worlds

pytestmark = pytest.mark.reference


def test_noise_is_that_of_the_package():
    package = pytest.importorskip("opensimplex")
    seeds = [0, 7, 2**31 - 2]
    tables = jnp.asarray(np.stack([opensimplex.permutation_of(seed) for seed in seeds]))
    octaves = opensimplex.Octave(1 / 15, 2 / 3, 7), opensimplex.Octave(0.2, 0.2, 0, 0.3)
    sampled = jax.jit(lambda tables: opensimplex.noise(tables, octaves, 64))(tables)
    ours = np.asarray(opensimplex.to_rows(sampled, 64))
    rng = np.random.default_rng(0)
    errors = []
    for number, seed in enumerate(seeds):
        theirs = package.OpenSimplex(seed)
        for x, y in rng.integers(0, 64, (300, 2)):
            parts = [o.weight * theirs.noise3(x * o.scale_x, y * o.scale_y, o.z) for o in octaves]
            errors.append(abs(sum(parts) - ours[number, y, x]))
    # The original leaves out a few vertices that are almost too far away to count.
    assert np.max(errors) < 1e-4
    assert np.mean(np.array(errors) > 1e-5) < 0.02


class Fixed:
    """Stands for a RandomState: one uniform number until it is changed."""

    def __init__(self, seed):
        self.seed, self.value = seed, 0.0

    def randint(self, low, high):
        return self.seed

    def uniform(self):
        return self.value


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_worlds_are_equal_cell_by_cell(seed, monkeypatch):
    crafter = pytest.importorskip("crafter")
    rng = np.random.default_rng(seed)
    # Each kind of decision about a cell gets a number of its own, by the pass that asks.
    ground, creatures = rng.random((2, 64, 64)).astype(np.float32)
    generator, env = Fixed(1000 + seed), crafter.Env(seed=0)

    def watched(function, numbers):
        def place(world, position, *rest):
            generator.value = float(numbers[position[1], position[0]])
            function(world, position, *rest)

        return place

    monkeypatch.setattr(env, "render", lambda size=None: None)
    monkeypatch.setattr(env._world, "reset", lambda seed: _empty(env._world, generator))
    for name, numbers in (("_set_material", ground), ("_set_object", creatures)):
        function = getattr(crafter.worldgen, name)
        monkeypatch.setattr(crafter.worldgen, name, watched(function, numbers))
    env.reset()

    order, task = fields.cell_order(), jnp.asarray(tasks.ORIGINAL)[None]
    table = jnp.asarray(opensimplex.permutation_of(1000 + seed))[None]
    rows = [x.reshape(-1)[order][None] for x in (*[ground] * 5, *[creatures] * 3)]
    found = terrain.terrain(
        fields.fields(table, task), terrain.Draws(*map(jnp.asarray, rows)), task
    )
    ours = np.asarray(opensimplex.to_rows(found.material, 64))[0]
    beings = np.asarray(opensimplex.to_rows(found.creature, 64))[0]
    theirs = env._world._mat_map.T
    kinds = np.zeros((64, 64), int)
    for thing in env._world.objects[1:]:
        kinds[thing.pos[1], thing.pos[0]] = layout.OBJECTS.index(type(thing).__name__.lower())
    # Noise that is within 1e-4 of a limit may fall on either side of it.
    assert np.sum(ours != theirs) <= 2
    assert np.sum(beings != kinds) <= 1
    assert len(np.unique(ours)) >= 8


def _empty(world, generator):
    world.random, world.daylight = generator, 0.0
    world._chunks.clear()
    world._objects = [None]
    world._mat_map[:] = 0
    world._obj_map[:] = 0


def test_targets_of_balance_are_those_of_the_original():
    from didact.environments.crafting.rules import balance

    for kind, ours in zip(balance.KINDS, balance._TARGETS, strict=True):
        exact = np.array([kind.minimum, kind.maximum])
        np.testing.assert_array_equal(ours, exact.astype(int))


def test_smaller_maps_and_rarities():
    from didact.environments.crafting import Crafter

    world = Crafter()
    rows = [
        tasks.task(size=20),
        tasks.task(trees=1, forests=0.5, mountains=-0.5, water=-0.5),
        tasks.task(mountains=0.5, water=-0.5, coal=1, zombies=0, skeletons=0, cows=0),
        tasks.task(water=0.5, initial_wood=7, initial_stone_pickaxe=1, time=210),
    ]
    state, first = jax.jit(world.reset)(jax.random.key(0), jnp.asarray(np.stack(rows)))
    counts = [np.bincount(row, minlength=13) / 4096 for row in np.asarray(state.material)]
    inside = np.asarray(state.material)[0].reshape(64, 64) != layout.NONE
    assert inside.sum() == 400
    assert inside[22:42, 22:42].all()
    assert counts[1][layout.TREE] > 0.7
    assert counts[2][layout.COAL] > 0.1
    assert state.num_slots[2] == 0
    assert counts[3][layout.WATER] > 0.5
    assert first.observation["inventory"][3, layout.ITEM["wood"]] == 7
    assert first.observation["inventory"][3, layout.ITEM["stone_pickaxe"]] == 1
    assert first.observation["light"][3] == 0


def test_crowded_worlds_keep_a_random_subset():
    rng = np.random.default_rng(0)
    full = rng.random((3, layout.CELLS)) < np.array([[0.07], [0.03], [0.0]])
    kind = np.where(full, rng.integers(1, 4, full.shape), 0).astype(np.uint8)
    keys = jax.random.split(jax.random.key(0), 3)
    kept = np.asarray(worlds.thinned(keys, jnp.asarray(kind)))
    assert ((kept > 0).sum(1) == [layout.MOST_CREATURES, full[1].sum(), 0]).all()
    assert ((kept == kind) | (kept == 0)).all()
    halves = (kept[0] > 0).reshape(2, -1).sum(1) / full[0].reshape(2, -1).sum(1)
    assert np.ptp(halves) < 0.15
    again = worlds.thinned(keys[::-1], jnp.asarray(kind[:1].repeat(3, 0)))
    assert len(np.unique(np.asarray(again), axis=0)) == 3
