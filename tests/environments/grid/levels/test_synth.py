"""Levels with whole sentences beside BabyAI's own: the same distributions, meanings and rules."""

import collections

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from babyai_levels import (
    grid_features,
    meant_places,
    mission_features,
    official,
    ours,
    parse,
    parts,
    rebuild,
)
from families import mostly_slow
from minigrid.envs.babyai.core.levelgen import LevelGen
from two_samples import same_distribution

import didact.environments
from didact.environments.grid import cells
from didact.environments.grid.levels.babyai import synth
from didact.environments.language import grammar, vocabulary

THEIRS, OURS = 120, 600
NAMES = list(synth.LEVELS)
FEW = mostly_slow(NAMES, lambda name: "family", count=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_levels_are_distributed_as_the_official_ones(name):
    samples = [collections.defaultdict(list), collections.defaultdict(list)]

    def add(sample, grid, x, y, room_size, mission, max_steps):
        told = grid_features(grid, x, y, room_size) | mission_features(mission)
        for feature, values in (told | {"max_steps": [max_steps]}).items():
            sample[feature] += values

    for e in official(name, THEIRS):
        grid = cells.pack(e.grid.encode()).T
        add(samples[0], grid, *map(int, e.agent_pos), e.room_size, e.mission, int(e.max_steps))
    environment, _, state, _ = ours(name, OURS)
    assert (environment.width, environment.height) == (e.width, e.height)
    for i in range(OURS):
        grid = state.world.cells[i].reshape(environment.height, environment.width)
        y, x = divmod(int(state.world.position[i]), environment.width)
        mission = vocabulary.decode(state.mission[i])
        add(samples[1], grid, x, y, e.room_size, mission, int(state.max_steps[i]))
        assert int(state.max_steps[i]) <= environment.max_steps
    p = {f: same_distribution(samples[0][f], samples[1][f]) for f in samples[1]}
    wrong = {f: v for f, v in p.items() if v < 1e-3 / len(p)}
    assert not wrong, wrong


@pytest.fixture(scope="module")
def boss():
    return next(official("BabyAI-BossLevel-v0", 1))


@pytest.mark.parametrize("name", ["BabyAI-BossLevel-v0", "BabyAI-SynthLoc-v0", "BabyAI-Synth-v0"])
def test_missions_mean_what_babyai_says_they_mean(name, boss):
    """Each of our levels in the official environment: its own code reads our missions there."""
    count = 150
    environment, tasks, state, _ = ours(name, count, seed=3)
    named = synth.Task(*np.asarray(tasks).T)
    kinds_seen = collections.Counter()
    for i in range(count):
        rebuild(boss, state, i, environment.width, environment.height)
        boss.unblocking = bool(named.unblocking[i])
        text = vocabulary.decode(state.mission[i])
        instruction = parse(text)
        assert instruction.surface(boss) == text
        boss.validate_instrs(instruction)
        instruction.reset_verifier(boss)
        assert boss.num_navs_needed(instruction) * 64 * 9 == state.max_steps[i]

        clauses = parts(instruction)
        kinds_seen.update(type(clause).__name__ for _, clause in clauses)
        for c, clause in clauses:
            for d, expected in enumerate(meant_places(clause), 2 * c):
                meant = np.flatnonzero(state.goal.members[i] & (1 << d))
                places = [divmod(int(at), 22)[::-1] for at in state.world.places[i][meant]]
                assert sorted(places) == expected, text
    assert set(kinds_seen) == {"GoToInstr", "OpenInstr", "PickupInstr", "PutNextInstr"}


def test_every_corner_of_the_space_gives_sound_levels():
    environment = didact.environments.make("Synth")
    rng = np.random.default_rng(0)
    space = environment.task_space
    corners = np.where(rng.random((400, space.size)) < 0.5, space.low, space.high)
    corners = np.concatenate([corners, [space.low, space.high]]).astype(np.float32)
    state, _ = jax.jit(environment.reset)(jax.random.key(0), jnp.asarray(corners))
    step = jax.jit(environment.step)
    _, timestep = step(None, state, jnp.full(len(corners), 6))
    state, named = jax.device_get(state), synth.Task(*corners.T)
    assert not np.asarray(timestep.terminated).any() or _only_gone_to(state, timestep)
    for i in range(len(corners)):
        grid = state.world.cells[i]
        kind = grid & cells.KIND_BITS
        assert grid[state.world.position[i]] == cells.EMPTY
        rooms = named.rows[i] * named.columns[i]
        area = (named.room_size[i] - 2) ** 2
        capacity = max(area // 3 * rooms, 1)
        if not named.unblocking[i]:
            capacity = min(capacity, max(area // 4 * rooms, 2))
        locked = (kind == cells.LOCKED_DOOR).sum()
        assert locked == (named.locked_room[i] == 1 and rooms > 1)
        expected = min(named.objects[i], capacity) + locked
        assert cells.is_portable(kind).sum() == expected
        placed = state.world.objects[i] > 0
        assert (grid[state.world.places[i][placed]] == state.world.objects[i][placed]).all()
        clauses = state.goal.clauses[i] & grammar.KIND_BITS
        assert clauses[0] != grammar.NONE
        for c in np.flatnonzero(clauses):
            assert (state.goal.members[i] & (1 << (2 * c))).any()


def _only_gone_to(state, timestep):
    """To stand before what is to be gone to is all that can be fulfilled from the start."""
    over = np.flatnonzero(np.asarray(timestep.terminated))
    said = state.goal.clauses[over] & grammar.KIND_BITS
    return np.isin(said, (grammar.NONE, grammar.GO_TO)).all()


def test_the_longest_sentence_has_as_many_tokens_as_there_is_room_for():
    clauses = jnp.full((1, 4), grammar.PUT_NEXT)
    each = jnp.ones((1, 8), jnp.int32)
    longest = grammar.Sentence(
        clauses, cells.BALL * each, each, grammar.FRONT * each, jnp.array([False])
    )
    told = np.asarray(grammar.words(longest, each == 1, vocabulary.MAX_LENGTH))[0]
    assert (told > 0).all()
    assert vocabulary.decode(told).count("next to a green ball in front of you") == 4


def test_all_official_levels_of_the_generator_are_registered():
    made_by_it = {
        name
        for name in gymnasium.registry
        if name.startswith("BabyAI-") and isinstance(gymnasium.make(name).unwrapped, LevelGen)
    }
    assert made_by_it == set(NAMES)
