"""The solver's advice, updated after every step; the solver only runs again where necessary.

A chart from the solver holds the distance of all states around an agent. As long as only the
agent's position and direction change, the chart alone gives the next best step, and whether a door
must be opened. After the door has been opened, the chart remains valid for states beyond it; for
states in front of the door it is one step too long. The solver runs again if the world or the
instruction has changed in any other way, if any other action is next, or if the agent has left the
chart.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt8

from didact.environments import backends
from didact.environments.base import map_in_groups
from didact.environments.compiler_hints import varying_as
from didact.environments.grid import cells, rules
from didact.environments.grid.env import GridState
from didact.environments.grid.solver import planner
from didact.environments.grid.solver.path_search import NEVER
from didact.environments.grid.solver.planner import UNKNOWN
from didact.environments.grid.solver.subgoals import GIVE_UP, LAY_DOWN, PURSUE
from didact.environments.language.grammar import GO_TO, KIND_BITS, NONE, OPEN, PICK_UP, PUT_NEXT

GROUP_SIZE = 32  # worlds that are solved together on a CPU
MARGIN = 6  # how many steps farther away than the agent a chart reaches
LAY = 5  # a purpose in addition to the kinds of clauses: put down the carried object
_TURNS = (rules.LEFT, rules.RIGHT, rules.FORWARD)
_HERE, _LEFT, _RIGHT, _AHEAD = range(4)


class Advice(NamedTuple):
    """The advice for n worlds."""

    action: Int32[Array, " n"]
    length: Int32[Array, " n"]  # about how many steps until the aim is reached, or NEVER
    clause: Int32[Array, " n"]
    aim: Int32[Array, " n"]  # see `planner.Plan`
    nearer: Bool[Array, "n 3"]  # whether left, right and forward lead nearer
    # The next interaction, GO_TO, OPEN, PICK_UP, PUT_NEXT, LAY or NONE, and its packed object.
    # Both are only updated when the solver runs.
    purpose: Int32[Array, " n"]
    thing: UInt8[Array, " n"]


class Guide(NamedTuple):
    """The advice for n worlds, and charts for the next steps."""

    advice: Advice
    known: Bool[Array, " n"]  # whether the advice is up to date
    charted: Bool[Array, " n"]  # whether the chart is valid
    times: UInt8[Array, "n s"]  # see `planner.Chart`
    open_clauses: Int32[Array, " n"]  # that are not fulfilled yet

    @property
    def steps(self) -> Int32[Array, " n"]:
        """About how many steps remain, if all clauses take as long as the current one."""
        length = self.advice.length
        return length * jnp.where(length < NEVER, jnp.maximum(self.open_clauses, 1), 1)


def begin(state: GridState, width: int, kinds: tuple[int, ...], wanted: Bool[Array, " n"]) -> Guide:
    """Return the guide at the start of episodes.

    Args:
        state: n worlds with Baby Language instructions.
        width: the width of the map, in cells.
        kinds: the kinds of clauses that occur.
        wanted: the worlds in which advice is needed.
    """
    n, size = len(state.steps), state.world.cells.shape[1]
    zero, no = jnp.zeros(n, jnp.int32), jnp.zeros(n, bool)
    advice = Advice(
        zero + rules.DONE,
        zero + NEVER,
        zero,
        zero + GIVE_UP,
        jnp.zeros((n, 3), bool),
        zero + NONE,
        jnp.full(n, cells.EMPTY, jnp.uint8),
    )
    nothing = Guide(advice, no, no, jnp.full((n, 4 * size), UNKNOWN, jnp.uint8), zero)
    return _ask(varying_as(state.world.position, nothing), state, width, kinds, wanted)


def follow(
    guide: Guide,
    before: GridState,
    state: GridState,
    width: int,
    kinds: tuple[int, ...],
    wanted: Bool[Array, " n"],
) -> Guide:
    """Return the guide after a step.

    Args:
        guide: the guide for the worlds `before` the step.
        before, state: the worlds before and after the step.
        width, kinds, wanted: see `begin`; advice that is not wanted may be left unknown.
    """
    old, new = before.world, state.world
    front = rules.cell_in_front(old.position, old.direction, width)[:, None]
    ahead = [jnp.take_along_axis(w.cells, front, 1, mode="clip")[:, 0] for w in (old, new)]
    touched = ahead[0] != ahead[1]
    changed = old.carried != new.carried
    changed |= jnp.any(before.goal.done != state.goal.done, 1)
    changed |= jnp.any(before.goal.known != state.goal.known, 1)
    moved = (old.position != new.position) | (old.direction != new.direction)

    times, beyond = _around(guide.times, state, width)
    opened = (cells.kind_of(ahead[0]) == cells.CLOSED_DOOR) & (
        cells.kind_of(ahead[1]) == cells.DOOR
    )
    opened &= guide.known & guide.charted & (guide.advice.length == beyond + 2)
    changed |= touched & ~opened
    opened &= touched & ~changed
    charted = guide.charted & ~changed
    stays = guide.known & ~changed & ~moved & ~touched

    here = jnp.where(opened, beyond + 1, times[_HERE])
    nearer = times[1:] + 1 == here
    toggles = (beyond + 2 == here) & (_ahead(state, width) == cells.CLOSED_DOOR)
    found = charted & (here < NEVER) & (toggles | jnp.any(nearer, 0))
    action = jnp.where(nearer[1], rules.RIGHT, rules.FORWARD)
    action = jnp.where(nearer[0], rules.LEFT, action)
    action = jnp.where(nearer[2], rules.FORWARD, action)  # the solver's preference
    action = jnp.where(toggles, rules.TOGGLE, action)
    advice = guide.advice
    read = advice._replace(action=action, length=here, nearer=nearer.T)
    advice = jax.tree.map(lambda a, b: _where(found & ~stays, a, b), read, advice)
    advice = _look_on(advice, guide.times, state, width, wanted & opened)
    guide = Guide(advice, stays | found, charted, guide.times, _open_clauses(state))
    return _ask(guide, state, width, kinds, wanted & ~guide.known)


def _where(condition: Bool[Array, " n"], a: Array, b: Array) -> Array:
    return jnp.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)


def _ahead(state: GridState, width: int, position=None, direction=None) -> UInt8[Array, " n"]:
    """Return the kinds of the cells in front of the agents."""
    world = state.world
    position = world.position if position is None else position
    direction = world.direction if direction is None else direction
    front = rules.cell_in_front(position, direction, width)[:, None]
    return cells.kind_of(jnp.take_along_axis(world.cells, front, 1, mode="clip")[:, 0])


def _look_on(
    advice: Advice, times: UInt8[Array, "n s"], state: GridState, width: int, wanted
) -> Advice:
    """Update the purpose where the chart is still valid but a door on the way was opened."""

    def rows(worlds):
        part = jax.tree.map(lambda x: x[worlds], state)
        own = jax.tree.map(lambda x: x[worlds], advice)
        plan = planner.Plan(own.action, own.length, own.clause, own.aim)
        return _purpose(part, plan, times[worlds], width)

    values = map_in_groups(rows, wanted, (advice.purpose, advice.thing), GROUP_SIZE)
    return advice._replace(purpose=values[0], thing=values[1])


def _ask(guide: Guide, state: GridState, width: int, kinds, wanted: Bool[Array, " n"]) -> Guide:
    """Run the solver for the wanted worlds and return the updated guide."""

    def rows(worlds):
        part = jax.tree.map(lambda x: x[worlds], state)
        return _asked(part, width, kinds)

    return map_in_groups(rows, wanted, guide, backends.group_size(len(wanted), GROUP_SIZE))


def _asked(state: GridState, width: int, kinds: tuple[int, ...]) -> Guide:
    plan, times = planner.chart(state, width, kinds, MARGIN)
    yes = plan.lengths < NEVER
    around, _ = _around(times, state, width)
    nearer = yes & (around[1:] + 1 == around[_HERE])
    purpose, thing = _purpose(state, plan, times, width)
    advice = Advice(*plan, nearer.T, purpose, thing)
    charted = yes & (plan.lengths < UNKNOWN - 1)
    return Guide(advice, yes | True, charted, times, _open_clauses(state))


def _open_clauses(state: GridState) -> Int32[Array, " n"]:
    return jnp.sum(~state.goal.done, axis=1, dtype=jnp.int32)


def _around(
    times: UInt8[Array, "n s"], state: GridState, width: int, position=None, direction=None
) -> tuple[Int32[Array, "4 n"], Int32[Array, " n"]]:
    """Return the times of the agent's state and of those after a left turn, right turn and step.

    Impossible steps and states outside the chart have the time `NEVER`. The second result is the
    time after a step as if it were always possible.
    """
    world = state.world
    position = world.position if position is None else position
    direction = world.direction if direction is None else direction
    size = world.cells.shape[1]
    front = rules.cell_in_front(position, direction, width)
    ahead = _ahead(state, width, position, direction)
    free = cells.is_walkable(ahead) & (ahead != cells.LAVA)
    turns = jnp.stack([direction, (direction + 3) & 3, (direction + 1) & 3, direction], 1)
    place = jnp.stack([position, position, position, front], 1)
    found = jnp.take_along_axis(times, turns * size + place, 1, mode="clip")
    found = jnp.where(found == UNKNOWN, NEVER, found.astype(jnp.int32)).T
    beyond = found[_AHEAD]
    return found.at[_AHEAD].set(jnp.where(free, beyond, NEVER)), beyond


def _purpose(
    state: GridState, plan: planner.Plan, times: UInt8[Array, "n s"], width: int
) -> tuple[Int32[Array, " n"], UInt8[Array, " n"]]:
    """Return the next interaction of the agents and its object.

    Follows the chart up to the first action that is not a step or a turn.
    """
    world, goal = state.world, state.goal

    def on(carry):
        position, direction, _ = carry
        (here, left, right, ahead), _ = _around(times, state, width, position, direction)
        steps = (ahead < here) & (here < NEVER)
        turns = jnp.where(left < here, 3, jnp.where(right < here, 1, 0))
        turns = jnp.where(steps | (here == NEVER), 0, turns)
        front = rules.cell_in_front(position, direction, width)
        going = steps | (turns != 0)
        return jnp.where(steps, front, position), (direction + turns) & 3, going

    start = world.position, world.direction, plan.lengths < NEVER
    position, direction, _ = jax.lax.while_loop(lambda c: jnp.any(c[2]), on, start)

    front = rules.cell_in_front(position, direction, width)[:, None]
    ahead = jnp.take_along_axis(world.cells, front, 1, mode="clip")[:, 0]
    kind = cells.kind_of(ahead)
    size = world.cells.shape[1]

    def time(place):
        at = direction * size + place
        return jnp.take_along_axis(times, at[:, None], 1, mode="clip")[:, 0].astype(jnp.int32)

    here, beyond = time(position), time(front[:, 0])
    clause = jnp.take_along_axis(goal.clauses, plan.clauses[:, None], 1)[:, 0] & KIND_BITS
    pursues = plan.aims == PURSUE

    def meant(side):
        """Return an object that matches the clause, as it looked at the start of the episode."""
        bit = (2 * plan.clauses + side).astype(jnp.uint8)[:, None]
        row = jnp.argmax((goal.members >> bit) & 1 == 1, 1)
        return jnp.take_along_axis(world.objects, row[:, None], 1)[:, 0]

    through = (beyond != UNKNOWN) & (beyond + 2 == here)  # the toggled cell is walked through next
    box = kind == cells.BOX
    opens = cells.is_door(kind) | (box & (through | (ahead & cells.HOLDS != 0)))
    empty_handed = world.carried == cells.EMPTY
    takes = cells.is_portable(kind) & empty_handed & ~opens
    drops = (kind == cells.EMPTY) & ~empty_handed
    puts = drops & pursues & (clause == PUT_NEXT)
    arrives = pursues & (clause == GO_TO) & (here == 0)
    purpose = jnp.full(len(position), NONE)
    thing = ahead
    for condition, what, whom in (
        (drops, LAY, world.carried),
        (puts, PUT_NEXT, meant(1)),
        (takes, PICK_UP, ahead),
        (opens, OPEN, ahead),
        (arrives, GO_TO, meant(0)),
    ):
        purpose = jnp.where(condition, what, purpose)
        thing = jnp.where(condition, whom, thing)
    purpose = jnp.where((plan.aims == LAY_DOWN) & drops, LAY, purpose)
    known = (plan.lengths < NEVER) & (plan.aims != GIVE_UP)
    return jnp.where(known, purpose, NONE), thing.astype(jnp.uint8)
