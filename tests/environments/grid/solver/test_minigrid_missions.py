"""The expert on MiniGrid's own missions: squares to reach, things to stop at, doors in order."""

import functools

import jax
import numpy as np
import pytest
from solver_references import as_states, official_levels, solved

from didact.environments import make, registered
from didact.environments.grid import cells, rules
from didact.environments.grid.solver import planner
from didact.environments.language import vocabulary

# Levels that one world plays together: where agents see through walls, and where they do not.
TOGETHER = {
    "open": (
        "MiniGrid-DistShift1-v0",
        "MiniGrid-Empty-8x8-v0",
        "MiniGrid-Fetch-8x8-N3-v0",
        "MiniGrid-GoToDoor-8x8-v0",
        "MiniGrid-GoToObject-8x8-N2-v0",
        "MiniGrid-PutNear-8x8-N3-v0",
    ),
    "walled": (
        "MiniGrid-DoorKey-8x8-v0",
        "MiniGrid-FourRooms-v0",
        "MiniGrid-LavaCrossingS9N3-v0",
        "MiniGrid-MemoryS13Random-v0",
        "MiniGrid-MultiRoom-N4-S5-v0",
        "MiniGrid-RedBlueDoors-8x8-v0",
    ),
}
BY_LUCK = "MiniGrid-Dynamic-Obstacles"  # what wanders may come in anybody's way
FOR_NOTHING = "MiniGrid-Playground"
OURS = [e.name for e in registered() if e.name.startswith("MiniGrid-")]


@pytest.mark.slow
@pytest.mark.parametrize("names", TOGETHER.values(), ids=TOGETHER)
def test_official_levels_are_ended(names):
    levels = [level for name in names for level in official_levels(name, range(20))]
    world, state = as_states(levels)
    success, steps = (
        np.asarray(x) for x in jax.jit(functools.partial(planner.solve, world))(state)
    )
    assert success.all(), [(levels[i].spec.id, i % 20) for i in np.flatnonzero(~success)]
    assert steps.max() < 150


def played(name, count):
    environment, keys = make(name), jax.random.split(jax.random.key(3), 3)
    tasks = environment.task_space.sample(keys[1], count)
    state = jax.device_get(jax.jit(environment.reset)(keys[0], tasks)[0])
    return state, *solved(environment, state, keys[2])


def keyless(state):
    """Levels with a locked door for whose colour there is no key anywhere, bool[n]."""
    world = state.world
    colors = np.arange(len(cells.COLORS))
    locked = cells.kind_of(world.cells) == cells.LOCKED_DOOR
    locked = locked[..., None] & (cells.color_of(world.cells)[..., None] == colors)
    keys = (cells.kind_of(world.objects) == cells.KEY) & (world.places != rules.GONE)
    keys = keys[..., None] & (cells.color_of(world.objects)[..., None] == colors)
    return np.any(locked.any(1) & ~keys.any(1), axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in OURS if not n.startswith((BY_LUCK, FOR_NOTHING))])
def test_every_level_is_ended(name):
    state, success, _ = played(name, 256)
    whole = ~keyless(state)
    # In the package, too, the first version of these mazes may put something over a key.
    assert whole.all() or (name.startswith("MiniGrid-ObstructedMaze-") and name.endswith("-v0"))
    left = [vocabulary.decode(state.mission[i]) for i in np.flatnonzero(whole & ~success)]
    assert success[whole].mean() >= 0.995, left[:5]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in OURS if n.startswith(BY_LUCK)])
def test_obstacles_that_wander_are_mostly_dodged(name):
    assert played(name, 256)[1].mean() >= 0.5
