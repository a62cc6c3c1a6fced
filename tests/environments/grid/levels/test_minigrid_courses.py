"""Levels of MiniGrid's own environments with a way to go, beside the official ones."""

import collections
import functools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import mostly_slow
from observed_levels import of_official, of_ours, official_environments, put_into, solvable
from scripted_policies import BIASED, follow_obstacles
from two_samples import same_distribution

import didact.environments
from didact.environments.grid import cells
from didact.environments.grid.levels import GROUPS
from didact.environments.grid.levels.minigrid import (
    crossing,
    door_key,
    dynamic_obstacles,
    four_rooms,
    memory,
    multi_room,
    open_room,
    red_blue_doors,
)

FAMILIES = (
    *(open_room, crossing, dynamic_obstacles, four_rooms),
    *(door_key, multi_room, red_blue_doors, memory),
)
IDS = {name: family for family in FAMILIES for name in family.LEVELS}
NAMES = list(IDS)
FEW = mostly_slow(NAMES, lambda name: IDS[name].GROUP.name)
COUNT = 384  # one shape for all default tests, so that each family is compiled once


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


def where(level, *kinds):
    """The coordinates of the cells of some kinds."""
    y, x = np.nonzero(np.isin(level.grid & cells.KIND_BITS, kinds))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def steps_to_goal(level):
    """The number of cells from the agent to the goal, whatever doors are between them."""
    passable = ~np.isin(level.grid & cells.KIND_BITS, (cells.WALL, cells.LAVA))
    far, queue = {(level.x, level.y): 0}, collections.deque([(level.x, level.y)])
    while queue:
        x, y = queue.popleft()
        for there in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if passable[there[::-1]] and there not in far:
                far[there] = far[x, y] + 1
                queue.append(there)
    return next((far[at] for at in where(level, cells.GOAL) if at in far), -1)


def rivers(level):
    """Rivers from top to bottom and from side to side: {where: where its opening is} of each."""
    blocked = np.isin(level.grid & cells.KIND_BITS, (cells.WALL, cells.LAVA))[1:-1, 1:-1]
    return [
        {
            i + 1: int(np.flatnonzero(~line)[0]) + 1
            for i, line in enumerate(lines)
            if line.sum() == len(line) - 1
        }
        for lines in (blocked.T, blocked)
    ]


def features(level, family):
    """Of one level: lists of categories; where several are of one level, they are exclusive."""
    kind, color = level.grid & cells.KIND_BITS, level.grid >> cells.COLOR_SHIFT
    doors = cells.is_door(kind)
    part = 6 if family is multi_room else 1
    (goal,) = where(level, cells.GOAL) or [(0, 0)]
    told = {
        "size": [level.grid.shape],
        "mission": [level.mission],
        "max_steps": [level.max_steps],
        "clauses": [level.clauses],
        "agent": [(level.x // part, level.y // part)],
        "direction": [level.direction],
        "goal": [(goal[0] // part, goal[1] // part)],
        "distance": [steps_to_goal(level) // part],
        "counts": [tuple(np.bincount(kind.ravel(), minlength=13)[cells.FLOOR :].tolist())],
        "objects": [tuple(sorted(level.grid[cells.is_portable(kind)].tolist()))],
        "object places": where(level, cells.KEY, cells.BALL),
        "meant": [tuple(level.meant)],
        "door colors": color[doors].tolist(),
        "distinct door colors": [len(set(color[doors].tolist()))],
    }
    if family is multi_room:
        extent = [int(np.ptp(axis)) // 5 for axis in np.nonzero(kind == cells.WALL)]
        sideways = sum(kind[y, x - 1] != cells.WALL for x, y in where(level, cells.CLOSED_DOOR))
        told |= {
            "walls": [int((kind == cells.WALL).sum()) // 12],
            "extent": [tuple(extent)],
            "doors to the side": [sideways],
            "highest door": [min(y for _, y in where(level, cells.CLOSED_DOOR)) // 2],
            "leftmost door": [min(x for x, _ in where(level, cells.CLOSED_DOOR)) // 2],
        }
    else:
        told |= {"door places": [tuple(where(level, cells.CLOSED_DOOR, cells.LOCKED_DOOR))]}
        told |= {"lava": where(level, cells.LAVA) if family is open_room else []}
    if family is four_rooms:
        told |= {
            "openings": list(zip(*map(np.ndarray.tolist, np.nonzero(kind[9:10])), strict=True))
        }
        told |= {"walls": [int((kind == cells.WALL).sum())], "upper": [int(kind[:9, 9].argmin())]}
    if family is crossing:
        down, across = rivers(level)
        first = next(iter(down.items()), None), next(iter(across.items()), None)
        told |= {
            "rivers": [(len(down), len(across))],
            "columns": list(down),
            "rows": list(across),
            "first openings": [first] if len(down) + len(across) == 1 else [first[0]],
            "last openings": [tuple(across.items())[-1:]],
        }
        if None not in first:
            (x, open_y), (y, open_x) = first
            told["way"] = [(open_y < y, open_x < x)]
    return told


def samples(levels, family):
    together = collections.defaultdict(list)
    for level in levels:
        for feature, values in features(level, family).items():
            together[feature] += values
    return together


def compare(name, theirs, **how):
    one = samples(of_official(official_environments(name, theirs)), IDS[name])
    other = samples(levels(name, **how), IDS[name])
    assert one.keys() == other.keys()
    p = {f: same_distribution(one[f], other[f]) for f in one}
    wrong = {f: v for f, v in p.items() if v < 1e-3 / len(p) / len(NAMES)}
    assert not wrong, wrong
    for certain in ("size", "mission", "clauses", "max_steps", "direction", "lava"):
        assert set(one[certain]) == set(other[certain]), certain


@pytest.mark.parametrize("name", FEW)
def test_levels_are_distributed_as_the_official_ones(name):
    compare(name, 150)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_levels_of_each_environment_are_distributed_as_the_official_ones(name):
    compare(name, 3000, count=6000, whole=False)


def dry(level):
    """The level with walls where lava is."""
    lava = level.grid & cells.KIND_BITS == cells.LAVA
    return level._replace(grid=np.where(lava, cells.GREY_WALL, level.grid))


@pytest.mark.parametrize("name", FEW)
def test_levels_can_be_solved(name):
    assert all(solvable(dry(level)) for level in levels(name, seed=2)[:150])


def put(e, level):
    """Makes an official environment be at the start of a level."""
    put_into(e, level)
    name = type(e).__name__
    if name == "MemoryEnv":
        end = max(x for x, _ in where(level, cells.KEY, cells.BALL))
        first, upper, lower = (
            level.grid[level.y + dy, x] for x, dy in ((1, -1), (end, -2), (end, 2))
        )
        assert upper != lower
        ends = [(end, level.y - 1), (end, level.y + 1)]
        e.success_pos, e.failure_pos = ends if first == upper else ends[::-1]
    elif name == "RedBlueDoorEnv":
        doors = {t.color: t for t in e.grid.grid if t and t.type == "door"}
        e.red_door, e.blue_door = doors["red"], doors["blue"]
    elif name == "DynamicObstaclesEnv":
        e.obstacles = [t for t in e.grid.grid if t and t.type == "ball"]


@pytest.mark.parametrize("name", FEW)
def test_missions_mean_what_the_official_environment_would_mean_by_them(name):
    """Each of our levels in the official environment, as its mission is read there."""
    (e,) = official_environments(name, 1)
    for level in levels(name, seed=3)[:30]:
        put(e, level)
        (theirs,) = of_official([e])
        assert (theirs.grid == level.grid).all()
        assert theirs._replace(grid=None) == level._replace(grid=None)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.GROUP.name)
def test_our_levels_go_on_as_in_the_official_environments(family):
    """Random play of our own levels in both, from the whole space of the family."""
    each, longest = 3, 50
    names = list(family.LEVELS)
    environment, reset, step = compiled(family.GROUP.name)
    tasks = jnp.asarray([family.LEVELS[names[i % len(names)]][0].low for i in range(COUNT)])
    state, timestep = reset(jax.random.key(4), tasks)
    host, count = jax.device_get(state), each * len(names)
    size, es = (environment.width, environment.height), []
    for i in range(count):
        name = names[i % len(names)]
        (e,) = official_environments(name, 1)
        put(e, of_ours(host, i, size, family.FAMILY.map_size(family.LEVELS[name][0])))
        if hasattr(e, "obstacles"):
            places = [p for p in host.world.places[i].tolist() if p >= 0]
            e.obstacles = [e.grid.get(p % size[0], p // size[0]) for p in places]
        es.append(e)
    rng, alive, compared = np.random.default_rng(0), np.ones(count, bool), 0
    for t in range(longest):
        images = np.asarray(timestep.observation["image"])
        assert all((images[i] == es[i].gen_obs()["image"]).all() for i in np.flatnonzero(alive)), t
        actions = rng.choice(7, COUNT, p=BIASED) % environment.action_space.n
        state, timestep = step(jax.random.key(t), state, jnp.asarray(actions))
        ours = jax.device_get(timestep._replace(observation=None))
        places = np.asarray(state.world.places)
        for i in np.flatnonzero(alive):
            illegal = []
            if hasattr(es[i], "obstacles"):
                illegal = follow_obstacles(es[i], size[0], places[i, : len(es[i].obstacles)])
            _, reward, terminated, truncated, _ = es[i].step(actions[i])
            assert not illegal, (t, i)
            assert abs(float(ours.reward[i]) - reward) < 1e-6, (t, i)
            assert bool(ours.terminated[i]) == terminated, (t, i)
            assert bool(ours.truncated[i]) == truncated, (t, i)
            alive[i] = not (terminated or truncated)
            compared += 1
    assert compared > 5 * count


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.GROUP.name)
def test_every_corner_of_the_space_gives_sound_levels(family):
    environment, reset, step = compiled(family.GROUP.name)
    rng, space = np.random.default_rng(0), family.SPACE
    corners = np.where(rng.random((COUNT, space.size)) < 0.5, space.low, space.high)
    corners[: COUNT // 2] = space.sample(jax.random.key(0), COUNT // 2)
    state, _ = reset(jax.random.key(5), jnp.asarray(corners, jnp.float32))
    _, turned = step(jax.random.key(6), state, jnp.zeros(COUNT, jnp.int32))
    assert not np.asarray(turned.terminated).any()
    state = jax.device_get(state)
    assert 0 < state.max_steps.max() <= environment.max_steps
    for i in range(COUNT):
        level = of_ours(state, i, (environment.width, environment.height))
        assert level.grid[level.y, level.x] == cells.EMPTY
        assert solvable(dry(level)), corners[i]
        placed = state.world.objects[i] > 0
        lying = state.world.cells[i][state.world.places[i][placed]]
        assert (lying == state.world.objects[i][placed]).all()
        beyond = level.grid[[level.y], level.x + 1 :], level.grid[level.y + 1 :, level.x]
        assert all((line & cells.KIND_BITS == cells.WALL).any() for line in beyond)


def test_all_official_environments_of_minigrid_are_registered():
    """But for those that wave function collapse makes, from pictures and by trial and error."""
    known = {name for group in GROUPS for name in group.levels}
    missing = {n for n in gymnasium.registry if n.startswith("MiniGrid-")} - known
    assert all(name.startswith("MiniGrid-WFC-") for name in missing)
    assert len(missing) == 6
