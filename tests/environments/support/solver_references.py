"""What the expert is compared with: BabyAI's bot, random steps, and a search without any tricks."""

import contextlib
import io
import itertools

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
from minigrid.utils.baby_ai_bot import BabyAIBot

from didact.environments.grid import cells, minigrid_import, rules
from didact.environments.grid.rules import CARRIED, DIRECTION_VECTORS, GONE
from didact.environments.grid.solver import planner
from didact.environments.language import grammar

BABYAI = sorted(name for name in gymnasium.registry if name.startswith("BabyAI-"))
# Where the bot does not know what to do, or thinks for ever.
BEYOND_THE_BOT = ("UnlockToUnlock", "KeyInBox", "Carrying")
LONGEST_MISSION = 80


def official_levels(name, seeds):
    """Official environments, each after the reset of another seed."""
    levels = []
    for seed in seeds:
        e = gymnasium.make(name, disable_env_checker=True).unwrapped
        with contextlib.redirect_stdout(io.StringIO()):
            e.reset(seed=seed)
        levels.append(e)
    return levels


def as_states(levels):
    """The world that plays official levels, and its state at their start."""
    return minigrid_import.world_of(levels, LONGEST_MISSION), minigrid_import.from_minigrid(
        levels, LONGEST_MISSION
    )


_compiled = {}


def solved(world, state, key=None):
    """What `planner.solve` gives, compiled once for worlds that differ in their levels only."""
    family = world.family
    told = (world.width, world.height, world.kinds, family.play, family.actions)
    told += (family.see_through_walls, family.random_steps, world.packed, key is None)
    if told not in _compiled:
        _compiled[told] = jax.jit(lambda state, key: planner.solve(world, state, key=key))
    return jax.device_get(_compiled[told](state, key))


def bot_steps(level):
    """How many steps BabyAI's bot takes in an official level; None if it does not succeed."""
    bot = BabyAIBot(level)
    for step in itertools.count(1):
        try:
            action = int(bot.replan())
        except Exception:  # it gives up on some levels
            return None
        _, reward, terminated, truncated, _ = level.step(action)
        if terminated or truncated:
            return step if terminated and reward > 0 else None
    return None


def random_walk(world, state, key, steps):
    """The states after random actions, and the worlds whose episode is not over, bool[n]."""
    draws = jax.random.randint(key, (steps, len(state.steps)), 0, len(rules.ACTIONS))

    def step(carry, actions):
        state, alive = carry
        state, timestep = world.step(None, state, actions)
        return (state, alive & ~timestep.terminated & ~timestep.truncated), None

    carry = (state, jnp.ones(len(state.steps), bool))
    (state, alive), _ = jax.jit(lambda c: jax.lax.scan(step, c, draws))(carry)
    return state, np.asarray(alive)


def lost(state):
    """Worlds where a clause has nothing left that it could mean: a box that was opened, bool[n]."""
    clauses, members, places, done = (
        np.asarray(x)
        for x in (state.goal.clauses, state.goal.members, state.world.places, state.goal.done)
    )
    kinds = clauses & grammar.KIND_BITS
    over = np.zeros(len(clauses), bool)
    for c in range(clauses.shape[1]):
        for d in (2 * c, 2 * c + 1):
            asked = (kinds[:, c] == grammar.PUT_NEXT) | ((kinds[:, c] != 0) & (d == 2 * c))
            left = np.any((members >> d & 1 == 1) & (places != GONE), 1)
            over |= asked & ~done[:, c] & ~left
    return over


class Room:
    """One world with one clause, in plain Python: walls, floor and things that can be carried."""

    def __init__(self, state, index, width):
        world, goal = state.world, state.goal
        things = [int(p) for p in world.places[index]]
        kinds = np.asarray(cells.kind_of(world.cells[index]))
        assert set(kinds.tolist()) <= {cells.EMPTY, cells.WALL, cells.KEY, cells.BALL, cells.BOX}
        assert all(p >= 0 or p == GONE for p in things)
        assert goal.clauses[index, 1:].sum() == 0
        self.width = width
        self.kind = int(goal.clauses[index, 0]) & grammar.KIND_BITS
        self.walls = set(np.flatnonzero(kinds == cells.WALL).tolist())
        self.moved, self.fixed = (
            {k for k, m in enumerate(goal.members[index]) if m >> d & 1} for d in range(2)
        )
        position, direction = int(world.position[index]), int(world.direction[index])
        self.start = (position, direction, None, tuple(things))

    def ahead(self, state):
        position, direction, _, _ = state
        x, y = DIRECTION_VECTORS[direction]
        return position + int(y) * self.width + int(x)

    def after(self, state):
        """(state, whether the clause is fulfilled) after each action that changes anything."""
        position, direction, hand, things = state
        front = self.ahead(state)
        there = things.index(front) if front in things else None
        for turn in (1, 3):
            yield self.judged((position, (direction + turn) % 4, hand, things))
        if there is None and front not in self.walls:
            yield self.judged((front, direction, hand, things))
            if hand is not None:
                laid = (*things[:hand], front, *things[hand + 1 :])
                beside = {front + 1, front - 1, front + self.width, front - self.width}
                put = self.kind == grammar.PUT_NEXT and hand in self.moved
                put = put and any(laid[k] in beside for k in self.fixed)
                yield (position, direction, None, laid), put
        if there is not None and hand is None:
            taken = (*things[:there], CARRIED, *things[there + 1 :])
            picked = self.kind == grammar.PICK_UP and there in self.moved
            yield (position, direction, there, taken), picked

    def judged(self, state):
        things = state[3]
        targets = {things[k] for k in self.moved}
        return state, self.kind == grammar.GO_TO and self.ahead(state) in targets

    def least_steps(self):
        """The fewest actions that fulfil the clause, by trying all in turn."""
        # Whoever already stands right has to do something; to say "done" is enough.
        if self.judged(self.start)[1]:
            return 1
        seen, edge = {self.start}, [self.start]
        for steps in itertools.count(1):
            later = []
            for state in edge:
                for new, fulfilled in self.after(state):
                    if fulfilled:
                        return steps
                    if new not in seen:
                        seen.add(new)
                        later.append(new)
            edge = later
        return None
