"""Levels of MiniGrid's environments with rooms, doors and objects, beside the official ones."""

import functools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import mostly_slow
from observed_levels import of_official, of_ours, official_environments, put_into, samples, solvable
from two_samples import same_distribution

import didact.environments
from didact.environments.grid import cells, minigrid_import
from didact.environments.grid.levels.babyai import key_corridor, unlock
from didact.environments.grid.levels.minigrid import (
    locked_room,
    object_missions,
    obstructed_maze,
    playground,
)

FAMILIES = (unlock, key_corridor, obstructed_maze, object_missions, locked_room, playground)
IDS = {
    name: family for family in FAMILIES for name in family.LEVELS if name.startswith("MiniGrid-")
}
NAMES = list(IDS)
FEW = mostly_slow(NAMES, lambda name: IDS[name].GROUP.name)
LOSE_KEYS = [
    n for n in NAMES if IDS[n] is obstructed_maze and obstructed_maze.LEVELS[n][0].low[-1] == 1
]
COUNT = 512  # one shape for all default tests, so that each family is compiled once
# left, right, forward, pickup, drop, toggle, done
BIASED = np.array([0.14, 0.14, 0.34, 0.14, 0.1, 0.12, 0.02])


@functools.cache
def compiled(name):
    environment = didact.environments.make(name)
    return environment, jax.jit(environment.reset), jax.jit(environment.step)


def levels(name, count=COUNT, seed=0, whole=True):
    """Levels of one id, by the environment of its family's whole space or by its own."""
    space, _ = IDS[name].LEVELS[name]
    environment, reset, _ = compiled(IDS[name].GROUP.name if whole else name)
    state, _ = jax.device_get(reset(jax.random.key(seed), space.sample(jax.random.key(1), count)))
    size = environment.width, environment.height
    crop = IDS[name].FAMILY.map_size(space)
    return [of_ours(state, i, size, crop) for i in range(count)]


def compare(name, theirs, **how):
    one, other = (
        samples(of_official(official_environments(name, theirs))),
        samples(levels(name, **how)),
    )
    assert one.keys() == other.keys()
    p = {f: same_distribution(one[f], other[f]) for f in one}
    wrong = {f: v for f, v in p.items() if v < 1e-3 / len(p) / len(NAMES)}
    assert not wrong, wrong
    for certain in ("size", "mission", "clauses", "max_steps"):
        assert set(one[certain]) == set(other[certain]), certain


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_levels_are_distributed_as_the_official_ones(name):
    compare(name, 150)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_levels_of_each_environment_are_distributed_as_the_official_ones(name):
    compare(name, 1500, count=4000, whole=False)


@pytest.mark.parametrize("name", FEW)
def test_levels_can_be_solved(name):
    lose = name in LOSE_KEYS
    ours = [solvable(level) for level in levels(name, seed=2)[: 400 if lose else 100]]
    if lose:
        theirs = [solvable(level) for level in of_official(official_environments(name, 200, 500))]
        assert same_distribution(ours, theirs) > 1e-3 / len(LOSE_KEYS)
        # In the whole maze there is nearly always another way.
        assert all(ours) == ("Full" in name)
    else:
        assert all(ours) == (name != "MiniGrid-Playground-v0")


@pytest.mark.parametrize("name", FEW)
def test_missions_mean_what_the_official_environment_would_mean_by_them(name):
    """Each of our levels in the official environment, as its mission is read there."""
    (e,) = official_environments(name, 1)
    for level in levels(name, seed=3)[:40]:
        put_into(e, level)
        (theirs,) = of_official([e])
        assert (theirs.grid == level.grid).all()
        assert theirs._replace(grid=None) == level._replace(grid=None)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.GROUP.name)
def test_our_levels_go_on_as_in_the_official_environments(family):
    """Random play of our own levels in both, from the whole space of the family."""
    each, longest = 3, 60
    names = [name for name in NAMES if IDS[name] is family]
    environment, reset, step = compiled(family.GROUP.name)
    tasks = jnp.asarray([family.LEVELS[names[i % len(names)]][0].low for i in range(COUNT)])
    state, timestep = reset(jax.random.key(4), tasks)
    host, count = jax.device_get(state), each * len(names)
    size, es = (environment.width, environment.height), []
    for i in range(count):
        name = names[i % len(names)]
        (e,) = official_environments(name, 1)
        put_into(e, of_ours(host, i, size, family.FAMILY.map_size(family.LEVELS[name][0])))
        es.append(e)
    rng, alive, compared = np.random.default_rng(0), np.ones(count, bool), 0
    for t in range(longest):
        images = np.asarray(timestep.observation["image"])
        assert all((images[i] == es[i].gen_obs()["image"]).all() for i in np.flatnonzero(alive)), t
        actions = rng.choice(7, COUNT, p=BIASED)
        state, timestep = step(None, state, jnp.asarray(actions))
        ours = jax.device_get(timestep._replace(observation=None))
        for i in np.flatnonzero(alive):
            _, reward, terminated, truncated, _ = es[i].step(actions[i])
            assert abs(float(ours.reward[i]) - reward) < 1e-6, (t, i)
            assert bool(ours.terminated[i]) == terminated, (t, i)
            assert bool(ours.truncated[i]) == truncated, (t, i)
            alive[i] = not (terminated or truncated)
            compared += 1
    assert compared > 10 * count


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.GROUP.name)
def test_every_corner_of_the_space_gives_sound_levels(family):
    environment, reset, step = compiled(family.GROUP.name)
    rng, space = np.random.default_rng(0), family.SPACE
    corners = np.where(rng.random((COUNT, space.size)) < 0.5, space.low, space.high)
    corners[: COUNT // 2] = space.sample(jax.random.key(0), COUNT // 2)
    state, _ = reset(jax.random.key(5), jnp.asarray(corners, jnp.float32))
    _, turned = step(None, state, jnp.zeros(COUNT, jnp.int32))
    assert not np.asarray(turned.terminated).any()
    state = jax.device_get(state)
    assert 0 < state.max_steps.max() <= environment.max_steps
    for i in range(COUNT):
        grid, objects, places = state.world.cells[i], state.world.objects[i], state.world.places[i]
        kind = grid & cells.KIND_BITS
        assert grid[state.world.position[i]] == cells.EMPTY
        lying = places >= 0
        assert (grid[places[lying]] == objects[lying]).all()
        assert len(set(places[lying].tolist())) == lying.sum()
        assert lying.sum() == (cells.is_portable(kind) | cells.is_door(kind)).sum()
        assert ((objects != 0) == (places != -2)).all()
        assert ((grid & cells.HOLDS) > 0).sum() == (places < -2).sum()
        level = of_ours(state, i, (environment.width, environment.height))
        lost = family is obstructed_maze and corners[i, -1] == 1
        assert lost or family is playground or solvable(level), corners[i]
        assert len(level.mission.split()) >= 3 or family is playground


def test_all_official_levels_are_registered_with_their_sizes():
    said = (
        "Unlock",
        "KeyCorridor",
        "ObstructedMaze",
        "LockedRoom",
        "Fetch",
        "GoTo",
        "Put",
        "Playg",
    )
    assert set(NAMES) == {
        name
        for name in gymnasium.registry
        if name.startswith("MiniGrid-") and any(part in name for part in said)
    }
    for name in NAMES:
        (e,) = official_environments(name, 1)
        environment = didact.environments.make(name)
        assert (environment.width, environment.height) == (e.width, e.height)
        assert environment.max_steps == e.max_steps
        assert environment.family.see_through_walls == e.see_through_walls
        space = environment.task_space
        assert (space.low == space.high).all()
        assert IDS[name].SPACE.contains(space.low[None]).all()
        state = minigrid_import.from_minigrid([e], 32)
        assert set(np.asarray(state.goal.clauses).ravel().tolist()) == set(environment.kinds)
