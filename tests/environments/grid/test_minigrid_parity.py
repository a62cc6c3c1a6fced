"""MiniGrid's own environments beside ours: the same levels, the same actions, the same everything.

Every check is on every step of every episode; worlds that have finished are no longer compared.
Obstacles that move at random are moved by our world; the official environment then makes the same
moves, after a check that it could have made them, and what it makes of them is compared. Their
distribution is compared apart from that.
"""

import collections

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Goal, Lava, Wall
from minigrid.envs.wfc.wfcenv import WFCEnv
from minigrid.minigrid_env import MiniGridEnv
from scripted_policies import follow_obstacles, policy
from two_samples import same_distribution

from didact.environments import SettingError
from didact.environments.grid import minigrid_import
from didact.environments.language.vocabulary import decode

MISSION_LENGTH = 24
# Their generator reads pictures that the package on PyPI lacks, so `Maze` stands for them.
WAVE_FUNCTION_COLLAPSE = "MiniGrid-WFC-"
# What these ask for is a clause of Baby Language, too.
IN_BABY_LANGUAGE = tuple(
    f"MiniGrid-{name}" for name in ("Unlock", "BlockedUnlock", "KeyCorridor", "ObstructedMaze")
)
NAMES = sorted(
    name
    for name in gymnasium.registry
    if name.startswith("MiniGrid-") and not name.startswith(WAVE_FUNCTION_COLLAPSE)
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Maze(WFCEnv):
    """Walls and lava anywhere, as wave function collapse might make them."""

    def _gen_grid(self, width, height):
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        for thing in (*[Wall] * (width * height // 5), *[Lava] * 3, Goal):
            self.place_obj(thing())
        self.place_agent()
        self.mission = self._gen_mission()


def environment(name, seed):
    if name == "Maze":
        e = Maze(size=11)
    else:
        e = gymnasium.make(name, disable_env_checker=True).unwrapped
    e.reset(seed=seed)
    return e


def alike(names, episodes, apart=False):
    """Official environments, some of every id, grouped by what one world can step together.

    Args:
        apart: whether every kind of mission and size of map gets a world of its own, which then
            computes nothing else, as our families do.
    """
    groups = collections.defaultdict(list)
    for i, name in enumerate(names):
        for episode in range(episodes):
            e = environment(name, 1000 * i + episode)
            kind = e.see_through_walls, name.startswith(IN_BABY_LANGUAGE)
            kind += (e.width, e.height, type(e).__name__) if apart else ()
            groups[kind].append((name, episode, e))
    return groups.values()


def differences(ours, i, obs, reward, terminated, truncated):
    image = np.array_equal(ours.observation["image"][i], obs["image"])
    direction = int(ours.observation["direction"][i]) == int(obs["direction"])
    mission = decode(ours.observation["instruction"][i]) == obs["mission"]
    same = {
        "image": image,
        "direction": direction,
        "mission": mission,
        "reward": abs(float(ours.reward[i]) - reward) < 1e-6,
        "terminated": bool(ours.terminated[i]) == bool(terminated),
        "truncated": bool(ours.truncated[i]) == bool(truncated),
        "success": bool(ours.success[i]) == bool(terminated and reward > 0),
    }
    return [name for name, is_same in same.items() if not is_same]


def play(group, seed, longest):
    """Plays both; (mismatches, steps compared, how episodes ended: a counter of (id, end))."""
    names, episodes, environments = zip(*group, strict=True)
    rng = np.random.default_rng(seed)
    world = minigrid_import.world_of(environments, MISSION_LENGTH)
    levels = jnp.arange(len(environments), dtype=jnp.float32)[:, None]
    state, timestep = jax.jit(world.reset)(jax.random.key(0), levels)
    step = jax.jit(world.step)
    acts = [policy(e, k % 3, rng) for e, k in zip(environments, episodes, strict=True)]
    alive = np.ones(len(environments), bool)
    mismatches, compared, ends = [], 0, collections.Counter()
    first = jax.device_get(timestep)
    for i, e in enumerate(environments):
        mismatches += [(0, names[i], d) for d in differences(first, i, e.gen_obs(), 0, 0, 0)]
    for t in range(1, longest + 1):
        if not alive.any():
            break
        actions = np.array([act() if on else 6 for act, on in zip(acts, alive, strict=True)])
        state, timestep = step(jax.random.key(t), state, jnp.asarray(actions))
        ours, places = jax.device_get((timestep, state.world.places))
        for i in np.flatnonzero(alive):
            e = environments[i]
            if hasattr(e, "obstacles"):
                illegal = follow_obstacles(e, world.width, places[i, : len(e.obstacles)])
            else:
                illegal = []
            obs, reward, terminated, truncated, _ = e.step(actions[i])
            wrong = differences(ours, i, obs, reward, terminated, truncated)
            mismatches += [(t, names[i], d) for d in [*wrong, *illegal]]
            compared += 1
            end = "success" if reward > 0 else "failure" if terminated else "truncation"
            ends[names[i], end] += bool(terminated or truncated)
            ends[names[i], "both"] += bool(terminated and truncated)
            alive[i] = not (terminated or truncated)
    return mismatches, compared, ends


def compare(names, episodes, longest, apart=False):
    """Plays some episodes of every id; (steps, ends) seen."""
    compared, ends = 0, collections.Counter()
    for seed, group in enumerate(alike(names, episodes, apart)):
        mismatches, steps, seen = play(group, seed, longest)
        assert not mismatches, (len(mismatches), mismatches[:5])
        compared, ends = compared + steps, ends + seen
    return compared, ends


def total(ends, end, part=""):
    return sum(n for (name, e), n in ends.items() if e == end and part in name)


def test_every_step_is_minigrids():
    compared, ends = compare([*NAMES, "Maze"], 6, 125)
    # The comparison means something only if every end of an episode was seen, of every kind.
    assert compared > 10_000
    assert total(ends, "truncation") > 20
    for part in ("Empty", "Dynamic", "GoToDoor", "GoToObject", "Fetch", "PutNear", "Memory"):
        assert total(ends, "success", part) >= 2, part
    for part in ("RedBlue", "Unlock-", "UnlockPickup", "KeyCorridor", "LavaGap", "Maze", "DoorKey"):
        assert total(ends, "success", part) >= 2, part
    for part in ("Dynamic", "GoToDoor", "GoToObject", "Fetch", "PutNear", "Memory", "RedBlue"):
        assert total(ends, "failure", part) >= 2, part
    assert total(ends, "failure", "Lava") >= 5


@pytest.mark.slow
def test_every_step_of_many_episodes_is_minigrids():
    compared, ends = compare([*NAMES, "Maze"], 54, 10_000, apart=True)
    print(f"{compared} steps", {end: total(ends, end) for _, end in ends})
    assert compared > 500_000
    for end in ("success", "failure", "truncation"):
        assert total(ends, end) > 500
    assert total(ends, "both") > 0
    finished = collections.Counter(name for name, end in ends.elements() if end != "both")
    assert all(finished[name] == 54 for name in [*NAMES, "Maze"])


def test_obstacles_wander_as_minigrids_do():
    """One step of all obstacles from the same crowded place, many times."""
    e = environment("MiniGrid-Dynamic-Obstacles-6x6-v0", 0)
    e.grid.set(2, 3, Wall())
    spots = ((2, 2), (1, 2), (3, 1))
    for at in [o.cur_pos for o in e.obstacles]:
        e.grid.set(*at, None)
    for obstacle, at in zip(e.obstacles, spots, strict=True):
        e.put_obj(obstacle, *at)
    world, n = minigrid_import.world_of([e]), 4000
    state, _ = world.reset(jax.random.key(0), jnp.zeros((n, 1)))
    state, timestep = jax.jit(world.step)(jax.random.key(1), state, jnp.zeros(n, int))
    ours = [tuple(row) for row in np.asarray(state.world.places).tolist()]
    assert not timestep.done.any()
    balls = np.sum(np.asarray(state.world.cells) == np.asarray(state.world.objects)[0, 0], 1)
    assert (balls == len(spots)).all()

    theirs = []
    for _ in range(1500):
        e.step(0)
        theirs.append(tuple(int(o.cur_pos[1]) * e.width + int(o.cur_pos[0]) for o in e.obstacles))
        for obstacle in e.obstacles:
            e.grid.set(*obstacle.cur_pos, None)
        for obstacle, at in zip(e.obstacles, spots, strict=True):
            e.put_obj(obstacle, *at)
    assert same_distribution(theirs, ours) > 1e-3
    for k in range(len(spots)):
        assert same_distribution([p[k] for p in theirs], [p[k] for p in ours]) > 1e-3


def test_obstacles_that_cannot_move_stay():
    e = environment("MiniGrid-Dynamic-Obstacles-5x5-v0", 0)
    for at in [o.cur_pos for o in e.obstacles]:
        e.grid.set(*at, None)
    for x, y in ((2, 1), (2, 2), (1, 2), (1, 3), (2, 3), (3, 2)):
        e.grid.set(x, y, Wall())
    for obstacle, at in zip(e.obstacles, ((3, 1), (2, 3)), strict=True):
        e.put_obj(obstacle, *at)
    world = minigrid_import.world_of([e])
    state, _ = world.reset(jax.random.key(0), jnp.zeros((50, 1)))
    after, _ = jax.jit(world.step)(jax.random.key(1), state, jnp.zeros(50, int))
    assert (after.world.places == state.world.places).all()
    assert (after.world.cells == state.world.cells).all()


@pytest.mark.parametrize("name", ["DistShift1", "GoToDoor-8x8", "MultiRoom-N2-S4", "LavaGapS7"])
def test_pictures_are_minigrids(name):
    """What the agent sees is lighter: all of its field of view where walls are seen through."""
    e = environment(f"MiniGrid-{name}-v0", 0)
    world = minigrid_import.world_of([e])
    state, _ = world.reset(jax.random.key(0), jnp.zeros((1, 1)))
    theirs = e.get_full_render(highlight=True, tile_size=16)
    assert np.array_equal(world.render(state, 0, tile_size=16), theirs)


def test_what_cannot_be_stepped_together_is_refused():
    empty = environment("MiniGrid-Empty-5x5-v0", 0)
    with pytest.raises(SettingError, match="what is hidden"):
        minigrid_import.world_of([empty, environment("MiniGrid-DoorKey-5x5-v0", 0)])
    with pytest.raises(SettingError, match="their rules"):
        minigrid_import.world_of(
            [environment(f"MiniGrid-{n}-v0", 0) for n in ("Unlock", "FourRooms")]
        )

    class Other(MiniGridEnv):
        pass

    empty.__class__ = Other
    with pytest.raises(SettingError, match="'Other'"):
        minigrid_import.from_minigrid([empty])
    dodging = minigrid_import.world_of([environment("MiniGrid-Dynamic-Obstacles-5x5-v0", 0)])
    assert dodging.action_space.n == 3
    state, _ = dodging.reset(jax.random.key(0), jnp.zeros((1, 1)))
    with pytest.raises(SettingError, match="move at random"):
        dodging.step(None, state, jnp.zeros(1, int))
