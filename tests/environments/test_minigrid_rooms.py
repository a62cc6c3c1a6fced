"""Levels of MiniGrid's environments with rooms, doors and objects, beside the official ones."""

import functools

import jax
import pytest
from distributions import same_distribution
from seen import of_official, of_ours, official_levels, samples

import didact.environments
from didact.environments.grid.families import (
    errands,
    key_corridor,
    locked_room,
    obstructed,
    playground,
    unlock,
)

FAMILIES = (unlock, key_corridor, obstructed, errands, locked_room, playground)
IDS = {
    name: family for family in FAMILIES for name in family.LEVELS if name.startswith("MiniGrid-")
}
NAMES = list(IDS)


@functools.cache
def compiled(name):
    environment = didact.environments.make(name)
    return environment, jax.jit(environment.reset)


def ours(name, count, seed=0, whole=True):
    """Levels of one id, by the environment of its family's whole space or by its own."""
    space, _ = IDS[name].LEVELS[name]
    environment, reset = compiled(IDS[name].GROUP.name if whole else name)
    tasks = space.sample(jax.random.key(1), count)
    state, _ = jax.device_get(reset(jax.random.key(seed), tasks))
    size = environment.width, environment.height
    crop = IDS[name].FAMILY.map_size(space)
    return [of_ours(state, i, size, crop) for i in range(count)]


def wrong_features(one, other):
    """The features in which two samples of levels differ, with their p values."""
    p = {f: same_distribution(one[f], other[f]) for f in one}
    return {f: v for f, v in p.items() if v < 1e-3 / len(p) / len(NAMES)}


def compare(name, theirs, our_count, **how):
    one = samples(of_official(e) for e in official_levels(name, theirs))
    other = samples(ours(name, our_count, **how))
    assert one.keys() == other.keys()
    wrong = wrong_features(one, other)
    assert not wrong, wrong
    for certain in ("size", "mission", "max_steps"):
        assert set(one[certain]) == set(other[certain]), certain


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_distributed_as_the_official_ones(name):
    compare(name, 150, 512)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_levels_of_each_environment_are_distributed_as_the_official_ones(name):
    compare(name, 3000, 6000, whole=False)
