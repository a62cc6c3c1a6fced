"""The privileged expert: the first action of a short plan for each of n worlds.

The expert sees the whole state and replans in every state, so it can continue from any situation:
doors left open or closed, objects carried, moved or gone. It plans for the current clause:
`path_search` finds the shortest plan that fulfills it. If there is none, the expert pursues an
intermediate aim:

- open a locked door whose key is available;
- clear what blocks the path of a key, of an object to be put somewhere, or of the agent;
- put down the carried object.

As long as something has yet to be carried along a path, objects are not dropped where they might
block one, unless no other plan is left.

A clause is given up if no object is left that it could refer to (for example, its box was opened).
MiniGrid's own missions are translated to clauses first. Moving obstacles are avoided at their
current places. Without a mission, the expert takes the action "done".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, PRNGKeyArray, UInt8, UInt32

from didact.environments import backends
from didact.environments.base import map_in_groups
from didact.environments.compiler_hints import fold_vmap, varying_as
from didact.environments.grid import cells, missions, rules
from didact.environments.grid.env import GridState, GridWorld
from didact.environments.grid.solver import mission_translation, subgoals
from didact.environments.grid.solver.path_search import NEVER, PLANES, Agent, layers, search
from didact.environments.grid.solver.subgoals import (
    CLEAR,
    GIVE_UP,
    LAY_DOWN,
    NO_COLOR,
    PURSUE,
    UNLOCK,
)
from didact.environments.language import grammar
from didact.environments.language.grammar import PUT_NEXT

GROUP_SIZE = 64  # worlds that are searched together on a CPU; accelerators search all at once


class Plan(NamedTuple):
    """The plans for n worlds."""

    actions: Int32[Array, " n"]  # the next action, an index into `rules.ACTIONS`
    lengths: Int32[Array, " n"]  # approximate number of steps until the aim is reached
    clauses: Int32[Array, " n"]  # the clause that the plan is for
    aims: Int32[Array, " n"]  # PURSUE, UNLOCK, CLEAR, LAY_DOWN or GIVE_UP


class Chart(NamedTuple):
    """Plans, and the distances of all states near the agents from the ends of the plans."""

    plan: Plan
    # Steps from each position and direction, (direction * h + y) * width + x, to the end of the
    # plan with the currently carried object; UNKNOWN if too far away or impossible.
    times: UInt8[Array, "n 4hw"]


UNKNOWN = 255  # the time of states outside a chart


def act(state: GridState, width: int, kinds: tuple[int, ...] = grammar.KINDS) -> Int32[Array, " n"]:
    """Return the expert's next action in each world.

    Args:
        state: n worlds in any reachable state.
        width: the width of the map, in cells; at most 32.
        kinds: the kinds of clauses that occur (`GridWorld.kinds`).
    """
    return plan(state, width, kinds).actions


def expert(environment: GridWorld) -> Callable[[GridState], Int32[Array, " n"]]:
    """Return the expert of an environment, a function from states to actions."""
    return fold_vmap(lambda state: act(state, environment.width, environment.kinds))


def plan(state: GridState, width: int, kinds: tuple[int, ...] = grammar.KINDS) -> Plan:
    """Return the plan for each world; for the arguments, see `act`."""
    if max(kinds) < missions.REACH:
        return _wander(state, _plan(state, width, kinds)[0], width)
    found, _ = _plan(
        mission_translation.as_clauses(state, width), width, mission_translation.known(kinds)
    )
    # In front of the goal square, one step remains. Next to any other target, "done" completes the
    # mission.
    reaches = jnp.isin(state.goal.clauses[:, 0], np.array(mission_translation.SQUARE))
    arrived = reaches & (found.aims == PURSUE) & (found.lengths == 0)
    ahead = rules.cell_in_front(state.world.position, state.world.direction, width)
    ahead = jnp.take_along_axis(state.world.cells, ahead[:, None], 1, mode="clip")[:, 0]
    arrived &= cells.kind_of(ahead) == cells.GOAL
    found = found._replace(
        actions=jnp.where(arrived, rules.FORWARD, found.actions), lengths=found.lengths + reaches
    )
    return _wander(state, found, width)


def chart(state: GridState, width: int, kinds: tuple[int, ...], margin: int) -> Chart:
    """Return plans for Baby Language, without random steps, and the distances of nearby states.

    As long as only the agent's position and direction change, `times` remain valid.

    Args:
        state, width, kinds: see `act`.
        margin: how many steps farther away than the agent the chart reaches.
    """
    plan, planes = _plan(state, width, kinds, margin)
    n = len(state.steps)
    return Chart(plan, planes.reshape(n, -1))


def _wander(state: GridState, plan: Plan, width: int) -> Plan:
    """Replace some actions with pseudo-random steps if an episode takes unusually long.

    This is a last resort and a poor demonstration for a student. Replanning at every step can lead
    to cycles, where one plan puts down what the next one takes away. Cycles are rare, but they are
    the usual reason why an episode is unfinished after many steps. The carried object is then put
    down elsewhere, except in missions where the first drop decides.
    """
    once = state.goal.clauses[:, 0] == missions.PUT_NEAR
    world, steps = state.world, state.steps.astype(jnp.uint32)
    long = jnp.minimum(state.max_steps // 4, 64 + state.max_steps // 16)
    late = (state.steps > long) & ((plan.lengths > 2) | (plan.aims > UNLOCK))
    slot = (steps // 8 + world.carried) * jnp.uint32(2654435761)
    late &= (slot >> 16) & 3 == 0
    front = rules.cell_in_front(world.position, world.direction, width)
    ahead = jnp.take_along_axis(world.cells, front[:, None], 1, mode="clip")[:, 0]
    free = cells.is_walkable(cells.kind_of(ahead)) & (cells.kind_of(ahead) != cells.LAVA)
    turn = jnp.where((slot >> 20) & 1 == 1, rules.LEFT, rules.RIGHT)
    aside = (steps * jnp.uint32(2654435761) >> 24) & 3 == 0
    move = jnp.where(free & ~aside, rules.FORWARD, turn)
    lays = (world.carried != cells.EMPTY) & (cells.kind_of(ahead) == cells.EMPTY)
    move = jnp.where(lays & ~once & (steps % 8 == 7), rules.DROP, move)
    return plan._replace(actions=jnp.where(late, move, plan.actions))


def _plan(
    state: GridState, width: int, kinds: tuple[int, ...], margin: int | None = None
) -> tuple[Plan, UInt8[Array, "n 4 h w"]]:
    """Return the plans of all worlds and the times of a `Chart`, which are empty without a margin.

    The first pass makes one attempt per world, the second one all attempts that the remaining
    worlds need. A search takes as long as the hardest of its worlds, so worlds are searched in
    groups.
    """
    n, cells_ = len(state.steps), state.world.cells.shape[1]
    size = backends.group_size(n, GROUP_SIZE)

    def attempts(found, most):
        def rows(worlds):
            part = jax.tree.map(lambda x: x[worlds], state)
            plan, planes = _attempts(part, width, kinds, most, margin)
            return plan, _unpacked(planes, width)

        plan = found[0]
        return map_in_groups(rows, _unsettled(plan.aims, plan.lengths), found, size), None

    one = jnp.zeros(n, jnp.int32)
    rows = 0 if margin is None else 4
    times = jnp.full((n, rows, cells_ // width, width), UNKNOWN, jnp.uint8)
    start = varying_as(state.steps, (Plan(one, one + NEVER, one, one + PURSUE), times))
    return jax.lax.scan(attempts, start, jnp.array([1, NEVER]))[0]


def _unpacked(planes: UInt32[Array, "b 4 h n"], width: int) -> UInt8[Array, "n 4 h w"]:
    """Convert bit planes of times plus 1 to times; without planes, the result has no rows."""
    if not len(planes):
        return jnp.zeros((planes.shape[-1], 0, planes.shape[2], width), jnp.uint8)
    columns = jnp.arange(width, dtype=jnp.uint32)[:, None]
    times = jnp.zeros((*planes.shape[1:3], width, planes.shape[3]), jnp.uint8)
    for number, plane in enumerate(planes):
        bit = (plane[:, :, None] >> columns) & 1
        times |= (bit << number).astype(jnp.uint8)
    return jnp.moveaxis(times, -1, 0) - jnp.uint8(1)  # 0, for states never reached, becomes UNKNOWN


def _attempts(
    state: GridState, width: int, kinds: tuple[int, ...], most: Array, margin: int | None
) -> tuple[Plan, UInt32[Array, "b 4 h n"]]:
    """Return the plans after at most `most` attempts; unfinished ones have the length NEVER."""
    world, goal = state.world, state.goal
    scene = subgoals.scene_of(state, width)
    puts = PUT_NEXT in kinds
    finished = jnp.all(goal.done, 1)
    any_lock = jnp.any(scene.locks != 0)

    def look(locks, aim, color, careless, bars, wanted):
        which = layers(puts, locks)
        ground = subgoals.ground_of(scene, world, aim, color, careless, width)
        ends = subgoals.ends_of(scene, ground, aim, color, bars, world, width)
        hand = subgoals.hand_of(scene, aim, color, world.carried, which)
        agent = Agent(world.position, world.direction, hand)
        found = search(ground, ends, agent, wanted, width, which, margin)
        barring = subgoals.in_the_way(scene, ground, found, aim, careless)
        return found.actions, found.lengths, barring, found.times

    def attempt(carry):
        number, aim, color, tried, careless, bars, actions, lengths, times = carry
        wanted = _unsettled(aim, lengths)
        action, length, barring, noted = jax.lax.cond(
            any_lock,
            lambda *a: look(True, *a),
            lambda *a: look(False, *a),
            *(aim, color, careless, bars, wanted),
        )
        actions = jnp.where(wanted, action, actions)
        lengths = jnp.where(wanted, length, lengths)
        times = jnp.where(wanted, noted, times)
        bars = jnp.where(wanted, bars | barring, bars)
        again = _unsettled(aim, lengths)
        this = aim, color, tried, careless
        next_ = _next(*this, scene, world.carried)
        this = (jnp.where(again, new, old) for new, old in zip(next_, this, strict=True))
        return number + 1, *this, bars, actions, lengths, times

    def waiting(carry):
        number, aim, lengths = carry[0], carry[1], carry[-2]
        return (number < most) & jnp.any(_unsettled(aim, lengths))

    n = len(finished)
    aim = jnp.where(scene.possible & ~finished, PURSUE, GIVE_UP)
    color = _choose(scene.locks, scene.key_held)
    done = jnp.full(n, rules.DONE, jnp.int32)
    no = jnp.zeros(n, bool)
    planes = jnp.zeros((0 if margin is None else PLANES, 4, *scene.free.shape), jnp.uint32)
    start = jnp.zeros(n, jnp.int32), no, jnp.zeros_like(scene.free), done, jnp.full(n, NEVER)
    carry = (jnp.int32(0), aim, color, *varying_as(world.position, (*start, planes)))
    _, aim, *_, actions, lengths, times = jax.lax.while_loop(waiting, attempt, carry)
    # Only an object that was already carried at the previous evaluation counts as put somewhere.
    row = jnp.argmax(world.places == rules.CARRIED, 1)
    held = jnp.take_along_axis(goal.held, scene.clause[:, None], 1)[:, 0]
    early = (aim == PURSUE) & (scene.kind == PUT_NEXT) & scene.target_held & (held != row)
    actions = jnp.where((early & (actions == rules.DROP)) | (aim == GIVE_UP), rules.DONE, actions)
    return Plan(actions, lengths, scene.clause, aim), times


def _unsettled(aim: Int32[Array, " n"], lengths: Int32[Array, " n"]) -> Bool[Array, " n"]:
    return (lengths == NEVER) & (aim != GIVE_UP)


def _choose(colors: Int32[Array, " n"], key_held: Int32[Array, " n"]) -> Int32[Array, " n"]:
    """Pick one color of a bit set, preferably that of the carried key; NO_COLOR if it is empty."""
    fits = (colors >> key_held) & 1 == 1
    lowest = jax.lax.population_count((colors & -colors) - 1)
    return jnp.where(fits, key_held, jnp.where(colors == 0, NO_COLOR, lowest))


def _next(aim, color, tried, careless, scene, carried):
    """Return what to try after an aim without a plan.

    The order is: the other colors of locked doors, then the other aims, then all of them again
    without care about where objects are dropped.
    """
    tried = tried | (1 << color)
    left = scene.locks & ~tried
    over = (left == 0) | (aim >= CLEAR)
    aim = jnp.where(over, aim + 1, aim)
    aim = jnp.where((aim == UNLOCK) & (scene.locks == 0), CLEAR, aim)
    aim = jnp.where((aim == LAY_DOWN) & (carried == cells.EMPTY), GIVE_UP, aim)
    again = (aim == GIVE_UP) & ~careless
    aim = jnp.where(again, PURSUE, aim)
    color = _choose(jnp.where(over, scene.locks, left), scene.key_held)
    return aim, color, jnp.where(over, 0, tried), careless | again


def solve(
    environment: GridWorld,
    state: GridState,
    max_steps: int | None = None,
    key: PRNGKeyArray | None = None,
    lanes: int = 256,
) -> tuple[Bool[Array, " n"], Int32[Array, " n"]]:
    """Run the expert until all episodes end and return its success and steps.

    The loop is compiled. A failure of the expert does not prove that an instruction is impossible,
    but such failures are rare; the tests state how rare.

    Args:
        environment: the environment.
        state: the states to start from.
        max_steps: the maximum number of steps, in addition to the step limit of each world.
        key: a PRNG key; only needed if obstacles move at random.
        lanes: how many worlds run at a time; the next one starts when one has ended.

    Returns:
        Whether each instruction was fulfilled, and the number of steps until the episode ended or
        `max_steps` was reached.
    """
    n = len(state.steps)
    choose, most = expert(environment), NEVER if max_steps is None else max_steps

    def load(lanes, which, new):
        fresh = jax.tree.map(lambda x: x.at[which].get(mode="clip"), state)
        # Lanes without a world count as done, so that no search runs for them.
        done = fresh.goal.done | (which >= n)[:, None]
        fresh = fresh._replace(goal=fresh.goal._replace(done=done))

        def pick(a, b):
            return jnp.where(new.reshape(-1, *[1] * (a.ndim - 1)), a, b)

        return jax.tree.map(pick, fresh, lanes)

    def step(carry):
        lanes, which, following, success, steps, t = carry
        now = None if key is None else jax.random.fold_in(key, t)
        lanes, timestep = environment.step(now, lanes, choose(lanes))
        taken = lanes.steps - state.steps.at[which].get(mode="clip")
        over = (timestep.terminated | timestep.truncated | (taken >= most)) & (which < n)
        at = jnp.where(over, which, n)
        success = success.at[at].set(timestep.success, mode="drop")
        steps = steps.at[at].set(taken, mode="drop")
        which = jnp.where(over, following + jnp.cumsum(over) - 1, which)
        return load(lanes, which, over), which, following + jnp.sum(over), success, steps, t + 1

    count = min(lanes, n)
    which = jnp.arange(count)
    first = jax.tree.map(lambda x: x[:count], state)
    carry = (first, which, jnp.int32(count), state.steps < 0, jnp.zeros_like(state.steps))
    carry = (*carry, jnp.int32(0))
    *_, success, steps, _ = jax.lax.while_loop(lambda c: jnp.any(c[1] < n), step, carry)
    return success, steps
