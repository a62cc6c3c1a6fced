"""Levels of putting next, of locked doors and of key corridors beside BabyAI's own."""

import collections

import grid_levels
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from two_samples import same_distribution

import didact.environments
from didact.environments.grid import cells, minigrid_import
from didact.environments.grid.levels.babyai import key_corridor, put_next, unlock
from didact.environments.language import grammar

FAMILIES = (put_next, unlock, key_corridor)
NAMES = [name for family in FAMILIES for name in family.LEVELS]
THEIRS, OURS = 250, 600
# One of each kind; the others are compared in the slow run.
QUICK = {
    "BabyAI-PutNextS5N2Carrying-v0",
    "BabyAI-MoveTwoAcrossS5N2-v0",
    "BabyAI-UnlockLocalDist-v0",
    "BabyAI-KeyInBox-v0",
    "BabyAI-UnlockToUnlock-v0",
    "BabyAI-KeyCorridorS3R2-v0",
}
SPEED = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES]


def sampled(name, count):
    """Official levels that can be solved: in Unlock, all keys that fit may be locked away."""
    e = grid_levels.official(name)
    for seed in range(count):
        level = grid_levels.seen_officially(grid_levels.reset(e, seed))
        locked = level.grid & cells.KIND_BITS == cells.LOCKED_DOOR
        reach = grid_levels.reached(level)
        if all((x, y) in reach for y, x in np.argwhere(cells.is_portable(level.grid & 15))):
            yield level
        else:
            assert name == "BabyAI-Unlock-v0"
            assert locked.any()


def compare(name, theirs, mine):
    e = grid_levels.reset(grid_levels.official(name), 0)
    environment, state, _ = grid_levels.ours(name, mine)
    assert (environment.width, environment.height) == (e.width, e.height)
    samples = [collections.defaultdict(list), collections.defaultdict(list)]
    ours = (grid_levels.seen_in(environment, state, i) for i in range(mine))
    for sample, source in zip(samples, (sampled(name, theirs), ours), strict=True):
        for level in source:
            for feature, values in grid_levels.features(level, e.room_size).items():
                sample[feature] += values
    p = {f: same_distribution(samples[0][f], samples[1][f]) for f in samples[1]}
    wrong = {f: v for f, v in p.items() if v < 1e-3 / len(p)}
    assert not wrong, wrong
    for feature in ("objects", "form", "max_steps", "agent in room"):
        assert set(samples[0][feature]) == set(samples[1][feature]), feature
    assert set(samples[1]["max_steps"]) == {environment.max_steps} == {e.max_steps}


@pytest.mark.parametrize("name", SPEED)
def test_levels_are_distributed_as_the_official_ones(name):
    compare(name, THEIRS, OURS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_levels_are_distributed_as_the_official_ones(name):
    compare(name, 4000, 8000)


# MiniGrid's own environments keep no instructions of this kind; test_minigrid_parity.py has them.
@pytest.mark.parametrize("name", [n for n in SPEED if "MiniGrid-" not in str(n)])
def test_levels_moved_into_the_official_environment_are_the_same_there(name):
    """Its own code reads our missions, accepts them, and means what ours means."""
    environment, state, _ = grid_levels.ours(name, OURS)
    e = grid_levels.reset(grid_levels.official(name), 0)
    for i in range(0, OURS, 25):
        grid_levels.moved_in(e, environment, state, i)
        there = jax.device_get(minigrid_import.from_minigrid([e], environment.mission_length))
        for part in ("cells", "position", "direction", "carried"):
            ours, theirs = getattr(state.world, part)[i], getattr(there.world, part)[0]
            assert np.array_equal(ours, theirs), part
        assert grid_levels.table(state, i) == grid_levels.table(there, 0)
        clauses = np.zeros(4, np.uint8)
        clauses[: len(state.goal.clauses[i])] = state.goal.clauses[i]
        said = there.goal.clauses[0]
        assert np.array_equal(clauses[: len(said)], said)
        assert not clauses[len(said) :].any()
        assert np.array_equal(state.mission[i], there.mission[0])
        assert state.max_steps[i] == there.max_steps[0]


@pytest.mark.parametrize("name", SPEED)
def test_levels_can_be_solved_but_only_with_the_key(name):
    environment, state, timestep = grid_levels.ours(name, OURS)
    assert not timestep.terminated.any()
    for i in range(OURS):
        level = grid_levels.seen_in(environment, state, i)
        everywhere, locked_out = (
            grid_levels.reached(level),
            grid_levels.reached(level, with_keys=False),
        )
        wanted = {
            at for places in grid_levels.meant(environment, state, i).values() for at in places
        }
        assert wanted
        assert wanted <= everywhere, level.mission
        kinds = {int(level.grid[y, x]) & cells.KIND_BITS for x, y in wanted}
        if level.mission.startswith("pick up"):
            assert not wanted & locked_out, level.mission
        elif level.mission.startswith("open"):
            assert cells.LOCKED_DOOR in kinds
            assert kinds <= {cells.LOCKED_DOOR, cells.CLOSED_DOOR}


@pytest.mark.parametrize(
    "name", ["BabyAI-PutNextS5N2Carrying-v0", "BabyAI-KeyInBox-v0", "BabyAI-UnlockToUnlock-v0"]
)
def test_episodes_go_on_as_in_the_official_environment(name):
    """The same actions have the same outcome in our level and in its official copy."""
    environment, state, _ = grid_levels.ours(name, OURS)
    count, rng = 16, np.random.default_rng(0)
    copies = [grid_levels.reset(grid_levels.official(name), 0) for _ in range(count)]
    for i, e in enumerate(copies):
        grid_levels.moved_in(e, environment, state, i)
    state = jax.tree.map(lambda x: jnp.asarray(x[:count]), state)
    step, alive, changes = jax.jit(environment.step), np.ones(count, bool), 0
    for _ in range(100):
        actions = rng.choice(7, count, p=[0.12, 0.12, 0.32, 0.14, 0.12, 0.16, 0.02])
        state, timestep = step(None, state, jnp.asarray(actions))
        ours = jax.device_get(timestep)
        for i in np.flatnonzero(alive):
            theirs, reward, terminated, truncated, _ = copies[i].step(actions[i])
            assert np.array_equal(ours.observation["image"][i], theirs["image"])
            assert ours.reward[i] == pytest.approx(reward, abs=1e-6)
            assert (ours.terminated[i], ours.truncated[i]) == (terminated, truncated)
            changes += actions[i] in (3, 4, 5) and copies[i].carrying is not None
            alive[i] = not (terminated or truncated)
    assert changes > 5


def corners(space, count=200):
    rng = np.random.default_rng(0)
    some = np.where(rng.random((count, space.size)) < 0.5, space.low, space.high)
    return np.concatenate([some, [space.low, space.high]]).astype(np.float32)


def expected(family, task):
    """How many objects lie on the map of a task at a corner."""
    named, third = family.Task(*task), int((task[0] - 2) ** 2 // 3)
    if family is put_next:
        two = named.halves == 1 or named.moves == 2
        third = int((max(task[0], 5 if two else 4) - 2) ** 2 // 3)
        each = max(min(named.objects, max(third, 1)), 2 if two else 1)
        return each * named.halves - named.carrying
    if family is unlock:
        two = named.locks == 2 and named.columns == 3
        needed = named.pick_up + 1 + two + named.blocked  # a box takes the place of its key
        return needed + min(named.distractors, max(third - 1, 0))
    each = min(named.distractors, max(third - 1, 0))
    return named.pick_up + 1 + each * named.rows * key_corridor.COLUMNS


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.GROUP.name)
def test_every_corner_of_the_space_gives_sound_levels(family):
    environment = didact.environments.make(family.GROUP.name)
    tasks = corners(environment.task_space)
    state, _ = jax.jit(environment.reset)(jax.random.key(0), jnp.asarray(tasks))
    _, timestep = jax.jit(environment.step)(None, state, jnp.full(len(tasks), 6))
    assert not np.asarray(timestep.terminated).any()
    state = jax.device_get(state)
    for i, task in enumerate(tasks):
        level = grid_levels.seen_in(environment, state, i)
        x, y, _ = level.agent
        assert level.grid[y, x] == cells.EMPTY
        portable = cells.is_portable(level.grid & cells.KIND_BITS)
        assert portable.sum() == expected(family, task), task
        on_map = state.world.places[i] >= 0
        there = state.world.cells[i][state.world.places[i][on_map]]
        assert np.array_equal(there, state.world.objects[i][on_map])
        wanted = {
            at for places in grid_levels.meant(environment, state, i).values() for at in places
        }
        assert wanted
        assert wanted <= grid_levels.reached(level), (task, level.mission)
        if level.mission.startswith("pick up"):
            assert not wanted & grid_levels.reached(level, with_keys=False), (task, level.mission)
        elif level.mission.startswith("open"):
            assert any(level.grid[y, x] & 15 == cells.LOCKED_DOOR for x, y in wanted)
        assert level.max_steps <= environment.max_steps
        assert set(state.goal.clauses[i]) <= {grammar.NONE, *environment.kinds}


def test_all_official_levels_are_tasks_of_a_space():
    words = ("PutNext", "MoveTwo", "Unlock", "KeyInBox", "KeyCorridor")
    theirs = {
        n for n in gymnasium.registry if n.startswith("BabyAI-") and any(w in n for w in words)
    }
    later = {"BabyAI-GoToImpUnlock-v0", "BabyAI-BossLevelNoUnlock-v0"}
    assert {n for n in NAMES if n.startswith("BabyAI-")} == theirs - later
    for family in FAMILIES:
        for space, _ in family.LEVELS.values():
            assert family.SPACE.contains(space.low[None]).all()
            assert np.array_equal(space.low, space.high)
