"""Levels with whole sentences beside BabyAI's own: the same distributions, meanings and rules."""

import collections
import contextlib
import io

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest
from distributions import same_distribution
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core import verifier as babyai
from minigrid.envs.babyai.core.levelgen import LevelGen

import didact.environments
from didact.environments.grid import cells, language, sentences, verifier
from didact.environments.grid.families import synth

THEIRS, OURS = 120, 600
NAMES = list(synth.LEVELS)


def official(name, count):
    e = gymnasium.make(name, disable_env_checker=True).unwrapped
    with contextlib.redirect_stdout(io.StringIO()):
        for seed in range(count):
            e.reset(seed=seed)
            yield e


def ours(name, count, seed=0):
    environment = didact.environments.make(name)
    tasks = environment.task_space.sample(jax.random.key(1), count)
    state, timestep = jax.jit(environment.reset)(jax.random.key(seed), tasks)
    return environment, tasks, jax.device_get(state), jax.device_get(timestep)


def grid_features(grid, x, y, room_size):
    """Of a map of packed cells [height, width]: lists of categories."""
    kind, color = grid & cells.KIND_BITS, (grid & cells.SEEN_BITS) >> 4
    things, doors = cells.is_portable(kind), cells.is_door(kind)
    far = room_size - 1
    row, column = np.nonzero(things)
    here = (column // far == x // far) & (row // far == y // far)
    inner = [_folded(at, far) for at in zip(row, column, strict=True)]
    looks = collections.Counter(grid[things].tolist())
    return {
        "objects": [int(things.sum())],
        "types": kind[things].tolist(),
        "colors": color[things].tolist(),
        "twins": [max(looks.values())],
        "in the agent's room": [int(here.sum())],
        "place in room": inner,
        "doors": [int(doors.sum())],
        "door state": kind[doors].tolist(),
        "door color": color[doors].tolist(),
        "agent in room": [_folded((x, y), far)],
        "agent's room": [(int(x // far), int(y // far))],
    }


def _folded(at, far):
    """The place in a room; rooms are symmetric."""
    return tuple(sorted(int(min(v % far, far - v % far)) for v in at))


def mission_features(text):
    words = text.replace(",", " ,").split()
    count = collections.Counter(words)
    form = ("then" in count, "after" in count, count["and"])
    verbs = tuple(sorted(w for w in words if w in ("go", "open", "pick", "put")))
    return {
        "form": [form],
        "verbs": [verbs if len(verbs) == 1 else len(verbs)],
        "each verb": list(verbs),
        "article": [w for w in words if w in ("a", "the")],
        "said color": [w for w in words if w in cells.COLORS],
        "colors": [sum(count[c] for c in cells.COLORS)],
        "said type": [w for w in words if w in cells.TYPES],
        "location": [w for w in words if w in ("left", "right", "front", "behind")],
        "locations": [count["you"] + count["your"]],
        "length": [min(len(words) // 4, 8)],
    }


@pytest.mark.parametrize("name", NAMES)
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
        mission = language.decode(state.mission[i])
        add(samples[1], grid, x, y, e.room_size, mission, int(state.max_steps[i]))
        assert int(state.max_steps[i]) <= environment.max_steps
    p = {f: same_distribution(samples[0][f], samples[1][f]) for f in samples[1]}
    wrong = {f: v for f, v in p.items() if v < 1e-3 / len(p)}
    assert not wrong, wrong


def parse(text):
    """The official instruction that a mission says."""
    for word, kind in ((", then ", babyai.BeforeInstr), (" after you ", babyai.AfterInstr)):
        if word in text:
            return kind(*(parse(part) for part in text.split(word)))
    if " and " in text:
        return babyai.AndInstr(*(parse(part) for part in text.split(" and ")))
    if text.startswith("put "):
        return babyai.PutNextInstr(*(described(p) for p in text[4:].split(" next to ")))
    for start, kind in (
        ("go to ", babyai.GoToInstr),
        ("open ", babyai.OpenInstr),
        ("pick up ", babyai.PickupInstr),
    ):
        if text.startswith(start):
            return kind(described(text.removeprefix(start)))
    raise ValueError(text)


def described(text):
    loc = None
    for end, name in (
        (" on your left", "left"),
        (" on your right", "right"),
        (" in front of you", "front"),
        (" behind you", "behind"),
    ):
        if text.endswith(end):
            text, loc = text.removesuffix(end), name
    *_, kind = words = text.split()[1:]
    return babyai.ObjDesc(kind, words[0] if len(words) == 2 else None, loc)


@pytest.fixture(scope="module")
def boss():
    e = gymnasium.make("BabyAI-BossLevel-v0", disable_env_checker=True).unwrapped
    with contextlib.redirect_stdout(io.StringIO()):
        e.reset(seed=0)
    return e


@pytest.mark.parametrize("name", ["BabyAI-BossLevel-v0", "BabyAI-SynthLoc-v0", "BabyAI-Synth-v0"])
def test_missions_mean_what_babyai_says_they_mean(name, boss):
    """Each of our levels in the official environment: its own code reads our missions there."""
    count = 150
    environment, tasks, state, _ = ours(name, count, seed=3)
    named = synth.Task(*np.asarray(tasks).T)
    kinds_seen = collections.Counter()
    for i in range(count):
        triples = cells.unpack(state.world.cells[i].reshape(environment.height, environment.width))
        for y, x in np.ndindex(*triples.shape[:2]):
            boss.grid.set(x, y, WorldObj.decode(*map(int, triples[y, x])))
            if boss.grid.get(x, y) is not None:
                boss.grid.get(x, y).cur_pos = boss.grid.get(x, y).init_pos = (x, y)
        y, x = divmod(int(state.world.position[i]), environment.width)
        boss.agent_pos, boss.agent_dir = np.array([x, y]), int(state.world.direction[i])
        boss.carrying, boss.unblocking = None, bool(named.unblocking[i])
        for room in (room for row in boss.room_grid for room in row):
            doors = [boss.grid.get(*at) if at else None for at in room.door_pos]
            room.doors = [d if d is not None and d.type == "door" else None for d in doors]

        text = language.decode(state.mission[i])
        instruction = parse(text)
        assert instruction.surface(boss) == text
        boss.validate_instrs(instruction)
        instruction.reset_verifier(boss)
        assert boss.num_navs_needed(instruction) * 64 * 9 == state.max_steps[i]

        clauses = _clauses(instruction)
        kinds_seen.update(type(clause).__name__ for _, clause in clauses)
        members = state.goal.members[i]
        for c, clause in clauses:
            names = ("desc_move", "desc_fixed") if hasattr(clause, "desc_move") else ("desc",)
            for d, description in enumerate((getattr(clause, n) for n in names), 2 * c):
                meant = np.flatnonzero(members & (1 << d))
                places = sorted(map(int, state.world.places[i][meant]))
                assert places == sorted(y * 22 + x for x, y in description.obj_poss), text
    assert set(kinds_seen) == {"GoToInstr", "OpenInstr", "PickupInstr", "PutNextInstr"}


def _clauses(instruction, first=0):
    name = type(instruction).__name__
    if name in ("BeforeInstr", "AfterInstr"):
        parts = [instruction.instr_a, instruction.instr_b]
        earlier, later = parts if name == "BeforeInstr" else parts[::-1]
        return _clauses(earlier) + _clauses(later, 2)
    if name == "AndInstr":
        return [(first, instruction.instr_a), (first + 1, instruction.instr_b)]
    return [(first, instruction)]


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
        capacity = max((named.room_size[i] - 2) ** 2 // 3 * rooms, 1)
        locked = (kind == cells.LOCKED_DOOR).sum()
        assert locked == (named.locked_room[i] == 1 and rooms > 1)
        expected = min(named.objects[i], capacity) + locked
        assert cells.is_portable(kind).sum() == expected
        placed = state.world.objects[i] > 0
        assert (grid[state.world.places[i][placed]] == state.world.objects[i][placed]).all()
        clauses = state.goal.clauses[i] & verifier.KIND_BITS
        assert clauses[0] != verifier.NONE
        for c in np.flatnonzero(clauses):
            assert (state.goal.members[i] & (1 << (2 * c))).any()


def _only_gone_to(state, timestep):
    """To stand before what is to be gone to is all that can be fulfilled from the start."""
    over = np.flatnonzero(np.asarray(timestep.terminated))
    said = state.goal.clauses[over] & verifier.KIND_BITS
    return np.isin(said, (verifier.NONE, verifier.GO_TO)).all()


def test_the_longest_sentence_has_as_many_tokens_as_there_is_room_for():
    clauses = jnp.full((1, 4), verifier.PUT_NEXT)
    each = jnp.ones((1, 8), jnp.int32)
    longest = sentences.Sentence(
        clauses, cells.BALL * each, each, sentences.FRONT * each, jnp.array([False])
    )
    told = np.asarray(sentences.words(longest, each == 1, language.LONGEST))[0]
    assert (told > 0).all()
    assert language.decode(told).count("next to a green ball in front of you") == 4


def test_all_official_levels_of_the_generator_are_registered():
    made_by_it = {
        name
        for name in gymnasium.registry
        if name.startswith("BabyAI-") and isinstance(gymnasium.make(name).unwrapped, LevelGen)
    }
    assert made_by_it == set(NAMES)
