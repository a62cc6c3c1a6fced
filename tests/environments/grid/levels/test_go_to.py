"""Our levels beside the official ones: the same distributions, and always solvable."""

import collections
import contextlib
import io

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest
from families import mostly_slow
from two_samples import same_distribution

import didact.environments
from didact.environments.grid import cells, minigrid_import
from didact.environments.grid.levels.babyai import go_to
from didact.environments.language import vocabulary

NAMES = {  # with how many official samples
    "BabyAI-GoToRedBallGrey-v0": 250,
    "BabyAI-GoToRedBall-v0": 250,
    "BabyAI-GoToObjS4-v0": 250,
    "BabyAI-GoToLocal-v0": 250,
    "BabyAI-GoToLocalS5N2-v0": 250,
    "BabyAI-GoToObjMazeS4R2-v0": 250,
    "BabyAI-GoToOpen-v0": 80,
    "BabyAI-GoTo-v0": 120,
}
FEW = mostly_slow(NAMES, lambda name: "Maze" in name)
OURS = 1000


def theirs(name, count):
    e = gymnasium.make(name, disable_env_checker=True).unwrapped
    states = []
    with contextlib.redirect_stdout(io.StringIO()):
        for seed in range(count):
            e.reset(seed=seed)
            states.append(minigrid_import.from_minigrid([e]))
    return states, e.width, e.room_size


def ours(name, count, seed=0):
    environment = didact.environments.make(name)
    tasks = environment.task_space.sample(jax.random.key(1), count)
    state, _ = jax.jit(environment.reset)(jax.random.key(seed), tasks)
    state = jax.device_get(state)
    return [jax.tree.map(lambda x, i=i: x[i : i + 1], state) for i in range(count)], tasks


def features(state, width, room_size):
    """What one level shows, as a dict of lists of categories."""
    grid = np.asarray(state.world.cells[0])
    kind, color = cells.kind_of(grid), cells.color_of(grid)
    where = np.arange(len(grid))
    position = int(state.world.position[0])
    x, y, ax, ay = where % width, where // width, position % width, position // width
    far = room_size - 1

    def inner(x, y):  # folded: rooms are symmetric
        return tuple(sorted(min(v % far, far - v % far) for v in (x, y)))

    things, doors = cells.is_portable(kind), cells.is_door(kind)
    distance = np.abs(x - ax) + np.abs(y - ay)
    looks = collections.Counter(zip(kind[things], color[things], strict=True))
    words = vocabulary.decode(np.asarray(state.mission[0])).split()
    facing = {0: x - ax > 0, 1: y - ay > 0, 2: ax - x > 0, 3: ay - y > 0}
    same_room = (x // far == ax // far) & (y // far == ay // far)
    return {
        "type": list(kind[things]),
        "color": list(color[things]),
        "twins": [max(looks.values())],
        "objects": [things.sum()],
        "in the agent's room": [(things & same_room).sum()],
        "nearest": [min(distance[things].min(), 6)],
        "in front": [(things & facing[int(state.world.direction[0])]).sum() // 2],
        "place in room": [inner(i, j) for i, j in zip(x[things], y[things], strict=True)],
        "room": list(zip(x[things] // far, y[things] // far, strict=True)),
        "direction": [int(state.world.direction[0])],
        "agent in room": [inner(ax, ay)],
        "agent's room": [(ax // far, ay // far)],
        "doors": [doors.sum()],
        "door color": list(color[doors]),
        "door state": list(kind[doors]),
        "door at": [min(i % far, far - i % far) for i in (x + y)[doors]],
        "article": [words[2]],
        "target": [words[3]],
        "target type": [words[4]],
        "words": [len(words)],
        "max_steps": [int(state.max_steps[0])],
    }


@pytest.mark.parametrize("name", FEW)
def test_levels_are_distributed_as_the_official_ones(name):
    official_states, width, room_size = theirs(name, NAMES[name])
    samples = []
    for states in (official_states, ours(name, OURS)[0]):
        sample = collections.defaultdict(list)
        for state in states:
            for feature, values in features(state, width, room_size).items():
                sample[feature] += [
                    tuple(map(int, v)) if isinstance(v, tuple) else v for v in values
                ]
        samples.append(sample)
    p = {f: same_distribution(samples[0][f], samples[1][f]) for f in samples[0]}
    wrong = {f: v for f, v in p.items() if v < 1e-3 / len(p)}
    assert not wrong, wrong
    for feature in ("objects", "words", "max_steps"):
        assert set(samples[0][feature]) == set(samples[1][feature]), feature


def reachable(grid, width, start):
    """Plain flood fill: the cells an agent can stand next to, with all doors passable."""
    seen, stack = set(), [start]
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        kind = grid[at] & cells.KIND_BITS
        if kind == cells.EMPTY or kind in (cells.DOOR, cells.CLOSED_DOOR):
            stack += [at + 1, at - 1, at + width, at - width]
    return seen


@pytest.mark.parametrize("name", ["GoTo", "BabyAI-GoTo-v0", "BabyAI-GoToLocal-v0"])
def test_levels_can_be_solved_but_are_not_yet(name):
    environment = didact.environments.make(name)
    states, tasks = ours(name, 400, seed=5)
    tasks = np.asarray(tasks)
    named = go_to.Task(*tasks.T)
    for i, state in enumerate(states):
        grid, world = np.asarray(state.world.cells[0]), state.world
        reach = reachable(grid, environment.width, int(world.position[0]))
        placed = world.objects[0] > 0
        places = world.places[0][placed]
        assert placed[0]
        assert set(places.tolist()) <= reach
        assert grid[int(world.position[0])] == cells.EMPTY
        assert (grid[places] == world.objects[0][placed]).all()
        assert cells.is_portable(cells.kind_of(grid)).sum() == len(places)
        # As many objects as were asked for, where there is room; the size of the map as asked for.
        rooms = named.rows[i] * named.columns[i]
        if named.distractors[i] + 1 <= go_to.most_in_room(int(named.room_size[i])):
            assert len(places) == named.distractors[i] + 1
        assert len(places) <= rooms * go_to.most_in_room(int(named.room_size[i]))
        side = (int(named.room_size[i]) - 2) ** 2
        doors = cells.is_door(cells.kind_of(grid)).sum()
        inside = (grid == cells.EMPTY).sum() + len(places)
        assert inside == side * rooms
        assert doors >= rooms - 1
        assert int(state.max_steps[0]) == named.room_size[i] ** 2 * rooms
    state, _ = jax.jit(environment.reset)(jax.random.key(5), jnp.asarray(tasks))
    _, timestep = jax.jit(environment.step)(None, state, jnp.full(len(tasks), 6))
    assert not timestep.success.any()


def test_every_corner_of_the_space_gives_levels_quickly():
    environment = didact.environments.make("GoTo")
    space = environment.task_space
    corners = np.array(np.meshgrid(*zip(space.low, space.high, strict=True))).reshape(
        space.size, -1
    )
    reset = jax.jit(environment.reset)
    state, _ = reset(jax.random.key(0), jnp.asarray(corners.T))
    assert (np.asarray(state.world.objects)[:, 0] > 0).all()
    draft_counts = (np.asarray(state.world.objects) > 0).sum(1)
    crowded = (corners[3] == 17) & (corners[0] == 8) & (corners[1] * corners[2] == 9)
    assert (draft_counts[crowded] == 18).all()  # nothing fell back to a lone target


def test_random_play_loses_nothing():
    environment = didact.environments.make("GoTo")
    n = 128
    tasks = environment.task_space.sample(jax.random.key(1), n)
    state, _ = jax.jit(environment.reset)(jax.random.key(0), tasks)
    step = jax.jit(environment.step)
    start = np.sort(np.asarray(state.world.objects), 1)
    rng = np.random.default_rng(0)
    carried_some = 0
    for _ in range(200):
        actions = rng.choice(7, n, p=[0.12, 0.12, 0.4, 0.15, 0.1, 0.1, 0.01])
        # Without toggling boxes open: they would vanish with nothing inside.
        front = np.asarray(_front(state, environment.width))
        ahead = np.asarray(state.world.cells)[np.arange(n), front] & cells.KIND_BITS
        actions[(actions == 5) & (ahead == cells.BOX)] = 6
        state, _ = step(None, state, jnp.asarray(actions))
        world = jax.device_get(state.world)
        grid = world.cells
        at = grid[np.arange(n), world.position] & cells.KIND_BITS
        assert np.isin(at, [cells.EMPTY, cells.DOOR]).all()
        portable = cells.is_portable(grid & cells.KIND_BITS)
        for i in range(n):
            held = [world.carried[i]] if world.carried[i] != cells.EMPTY else []
            carried_some += len(held)
            now = np.sort(np.concatenate([grid[i][portable[i]], held]))
            assert (now == start[i][start[i] > 0]).all()
    assert carried_some > 100


def _front(state, width):
    world = jax.device_get(state.world)
    return world.position + np.array([1, width, -1, -width])[world.direction]


def test_all_official_levels_are_registered_with_their_parameters():
    official_names = [name for name in gymnasium.registry if name.startswith("BabyAI-GoTo")]
    later = ("ImpUnlock", "Seq", "RedBlueBall", "Door", "ObjDoor")
    expected = {n for n in official_names if not any(part in n for part in later)}
    assert set(go_to.LEVELS) == expected
    for name in expected:
        e = gymnasium.make(name, disable_env_checker=True).unwrapped
        environment = didact.environments.make(name)
        assert (environment.width, environment.height) == (e.width, e.height)
        with contextlib.redirect_stdout(io.StringIO()):
            e.reset(seed=0)
        assert environment.max_steps == e.max_steps
        assert go_to.SPACE.contains(environment.task_space.low[None]).all()
