"""Our grid world beside the real minigrid: the same levels, the same actions, the same everything.

Every check is on every step of every episode; worlds that have finished are no longer compared.
"""

import contextlib
import io
import itertools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.world_object import Ball, Box, Floor, Key
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from minigrid.envs.babyai.core.verifier import GoToInstr, ObjDesc
from minigrid.utils.baby_ai_bot import BabyAIBot

from didact.environments.grid import cells, env, minigrid_import
from didact.environments.grid.levels.babyai import go_to
from didact.environments.language import grammar
from didact.environments.language.vocabulary import decode

# left, right, forward, pickup, drop, toggle, done
BIASED = np.array([0.14, 0.14, 0.36, 0.14, 0.1, 0.1, 0.02])
BABYAI = sorted(name for name in gymnasium.registry if name.startswith("BabyAI-"))
MISSION_LENGTH = 80
BEYOND_THE_BOT = ("Clutter", "UnlockToUnlock", "KeyInBox")  # where it may think for ever


class Clutter(RoomGridLevel):
    """Rooms full of everything: locked doors and their keys, boxes that hold things, floors."""

    def __init__(self, **kwargs):
        super().__init__(room_size=5, num_rows=2, num_cols=2, **kwargs)

    def gen_mission(self):
        self.place_agent()
        for i, j, k in ((0, 0, 0), (1, 0, 1), (0, 0, 1)):
            self.add_door(i, j, k)  # locked or not
        for i, j in itertools.product(range(2), range(2)):
            for _ in range(2):
                self.place_in_room(i, j, self.thing(2))
        for door in [d for row in self.room_grid for room in row for d in room.doors if d]:
            if door.is_locked:
                where = self.room_from_pos(*self.agent_pos).top
                self.place_in_room(where[0] // 4, where[1] // 4, Key(door.color))
        for room in (r for row in self.room_grid for r in row):
            self.place_obj(Floor(self._rand_color()), room.top, room.size, max_tries=1000)
        things = [t for t in self.grid.grid if t and t.type in cells.TYPES]
        target = self._rand_elem(things)
        if self._rand_bool() and self.grid.get(*self.front_pos) is None:
            # Within reach: picked up at once, it still counts as gone to where it was.
            target = self.thing(0)
            self.put_obj(target, *self.front_pos)
        kind, color = target.type, target.color
        if self._rand_int(0, 3) == 0:
            color = None
        loc = self._rand_elem([None, None, "front", "behind", "left", "right"])
        if not ObjDesc(kind, color, loc).find_matching_objs(self)[0]:
            loc = None
        self.instrs = GoToInstr(ObjDesc(kind, color, loc))

    def thing(self, depth):
        color = self._rand_elem(COLOR_NAMES)
        kind = self._rand_elem([Key, Ball, Box, Box])
        if kind is Box:
            inside = self.thing(depth - 1) if depth and self._rand_bool() else None
            return Box(color, inside)
        return kind(color)


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def official_environment(name, seed):
    e = Clutter() if name == "Clutter" else gymnasium.make(name, disable_env_checker=True).unwrapped
    with quiet():
        e.reset(seed=seed)
    return e


def by_size(episodes):
    """Official environments, some of every level, grouped by the size of their maps."""
    groups = {}
    names = [*BABYAI, *["Clutter"] * 6]
    for seed, name in enumerate(n for n in names for _ in range(episodes)):
        e = official_environment(name, seed)
        groups.setdefault((e.width, e.height), []).append(e)
    return groups


def policies(environments, rng, patience=120):
    """For each environment a function from nothing to the next action; some are BabyAI's bot.

    The bot takes long to think, and sometimes for ever: after a while it wanders, too.
    """

    def wander():
        return rng.choice(7, p=BIASED)

    def expert(bot):
        thoughts = itertools.count()

        def act():
            try:
                return int(bot.replan()) if next(thoughts) < patience else wander()
            except Exception:  # it gives up on some levels
                return wander()

        return act

    bots = [
        i % 4 == 0 and type(e).__name__ not in BEYOND_THE_BOT for i, e in enumerate(environments)
    ]
    return [
        expert(BabyAIBot(e)) if bot else wander for e, bot in zip(environments, bots, strict=True)
    ]


def observations_differ(ours, theirs, world):
    image = np.array_equal(ours["image"][world], theirs["image"])
    direction = int(ours["direction"][world]) == int(theirs["direction"])
    mission = decode(ours["instruction"][world]) == theirs["mission"]
    return [
        k
        for k, same in zip(
            ("image", "direction", "mission"), (image, direction, mission), strict=True
        )
        if not same
    ]


def play(environments, seed, longest):
    """Plays both; returns (mismatches, steps compared, successes, failures, truncations)."""
    rng = np.random.default_rng(seed)
    width = environments[0].width
    state = minigrid_import.from_minigrid(environments, MISSION_LENGTH)
    world = env.GridWorld(go_to.SPACE)
    world.width, world.height = width, environments[0].height
    world.kinds = grammar.KINDS
    step = jax.jit(lambda s, a: world.step(None, s, a))
    acts = policies(environments, rng)
    alive = np.ones(len(environments), bool)
    mismatches, compared, successes, failures, truncations = [], 0, 0, 0, 0

    _, timestep = step(state, jnp.full(len(environments), 6))
    first = jax.device_get(timestep.observation)
    for i, e in enumerate(environments):
        mismatches += [(0, i, what) for what in observations_differ(first, e.gen_obs(), i)]

    t = 0
    while alive.any() and t < longest:
        t += 1
        actions = np.array([act() if on else 6 for act, on in zip(acts, alive, strict=True)])
        state, timestep = step(state, jnp.asarray(actions))
        ours = jax.device_get(timestep)
        for i in np.flatnonzero(alive):
            obs, reward, terminated, truncated, _ = environments[i].step(actions[i])
            compared += 1
            wrong = observations_differ(ours.observation, obs, i)
            wrong += ["terminated"] * (bool(ours.terminated[i]) != terminated)
            wrong += ["truncated"] * (bool(ours.truncated[i]) != truncated)
            wrong += ["reward"] * int(abs(float(ours.reward[i]) - reward) > 1e-6)
            wrong += ["success"] * (bool(ours.success[i]) != (terminated and reward > 0))
            mismatches += [(t, i, type(environments[i]).__name__, what) for what in wrong]
            successes += terminated and reward > 0
            failures += terminated and reward == 0
            truncations += truncated
            alive[i] = not (terminated or truncated)
    return mismatches, compared, successes, failures, truncations


def compare(episodes, longest):
    """Plays some episodes of every level; (steps, successes, failures, truncations) seen."""
    seen = np.zeros(4, int)
    for seed, environments in enumerate(by_size(episodes).values()):
        mismatches, *counts = play(environments, seed, longest)
        assert not mismatches, (len(mismatches), mismatches[:5])
        seen += counts
    return seen


@pytest.mark.slow
def test_every_step_is_minigrids():
    compared, *ends = compare(2, 200)
    # The comparison means something only if every end of an episode and enough steps were seen.
    assert compared > 20_000
    assert min(ends) >= 5
    assert sum(ends) > 60


@pytest.mark.slow
def test_every_step_of_many_episodes_is_minigrids():
    compared, *ends = compare(50, 10_000)
    assert compared > 1_000_000
    assert min(ends) > 50


def test_pictures_are_minigrids():
    environments = [official_environment("Clutter", seed) for seed in range(3)]
    world = env.GridWorld(go_to.SPACE)
    world.width, world.height = environments[0].width, environments[0].height
    state = minigrid_import.from_minigrid(environments, MISSION_LENGTH)
    for i, e in enumerate(environments):
        theirs = e.get_full_render(highlight=True, tile_size=16)
        assert np.array_equal(world.render(state, i, tile_size=16), theirs)
        symbols = world.symbols(state, i)
        assert np.array_equal(symbols.grid, e.grid.encode())
        assert symbols.agent_position == tuple(e.agent_pos)
        assert symbols.carried is None
