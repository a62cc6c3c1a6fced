"""Batched backward search for the shortest plan that fulfills a clause.

A plan is a path through states: the position and direction of the agent, the kind of object that it
carries, and whether the relevant locked door has been opened. Each combination of the latter two
is a layer, represented by a board of states. The search spreads from the ends of a clause through
all layers together, one time step per iteration, until it reaches the agent. Actions that take
several steps in the plan (toggle a door, then walk through; move an object aside) are waves that
arrive later.

The search only knows those changes of the map that a layer represents: the opened door and the
carried object. Two rules keep plans valid nevertheless. A plan never walks through the cell where
it has just dropped an object. And an object in the way is carried along, or moved aside if the
cells next to the agent allow it. The agent replans after every action.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

from didact.environments.compiler_hints import varying_as
from didact.environments.grid import rules
from didact.environments.grid.solver import bitboards
from didact.environments.grid.solver.bitboards import before_step, before_turn, facing

NEVER = 10_000  # longer than any plan
MEMORY = 8  # number of past waves that are stored
PLANES = 8  # bits per arrival time, if those of all states are stored
# Costs: pick up an object in the way, drop it to the side or behind, and step forward; drop the
# carried object; drop it where it may block a path. Each is a little more than the actual number of
# steps, so that plans walk around objects rather than pick them up again.
ASIDE, BEHIND = 6, 8
LAID, UNSAFE = 3, 8


class Ground(NamedTuple):
    """The roles of cells in the plans of n worlds; boards [h, n] unless noted."""

    open: UInt32[Array, "h n"]  # everything but walls
    free: UInt32[Array, "h n"]  # walkable
    toggled: UInt32[Array, "h n"]  # walkable after a toggle
    portable: UInt32[Array, "h n"]  # objects that can be picked up
    blocked: UInt32[Array, "h n"]  # those of them that may be moved out of the way
    empty: UInt32[Array, "h n"]  # objects can be dropped there
    safe: UInt32[Array, "h n"]  # objects dropped there block nothing
    unsafe: UInt32[Array, "h n"]  # objects dropped there may block a path; allowed at a higher cost
    opened_unsafe: UInt32[Array, "h n"]  # the same once the locked door is open
    locked: UInt32[Array, "h n"]  # doors that the key opens
    keys: UInt32[Array, "h n"]
    boxed_keys: UInt32[Array, "h n"]
    lone_key: UInt32[Array, "h n"]  # the key, also in a box, if it is the only one
    moved: UInt32[Array, "h n"]  # objects to be put somewhere
    boxed_moved: UInt32[Array, "h n"]
    lone_moved: UInt32[Array, "h n"]
    moves_key: Bool[Array, " n"]  # the object to be put somewhere is a key to the locked doors
    banned: UInt32[Array, "4 h n"]  # states that plans must avoid


class Ends(NamedTuple):
    """The ends of plans: states [3, 4, h, n] from which 0, 1 or 2 actions remain."""

    anyhow: UInt32[Array, "3 4 h n"]
    empty_handed: UInt32[Array, "3 4 h n"]
    full_handed: UInt32[Array, "3 4 h n"]  # with the currently carried object
    with_key: UInt32[Array, "3 4 h n"]
    with_moved: UInt32[Array, "3 4 h n"]


class Layers(NamedTuple):
    """The index of each layer, or -1 if it is not used."""

    empty: int
    full: int  # an object is carried that the plan does not need
    moved: int
    key: int
    opened_empty: int  # the same layers with the locked door open
    opened_full: int
    opened_moved: int
    count: int


def layers(puts: bool, locks: bool) -> Layers:
    """Return the layers of plans, depending on whether they put objects or open locked doors."""
    moved = 2 if puts else -1
    first = 2 + puts
    if not locks:
        return Layers(0, 1, moved, -1, -1, -1, -1, first)
    later = first + 1
    return Layers(0, 1, moved, first, later, later + 1, later + 2 if puts else -1, later + first)


class Found(NamedTuple):
    """The result of a search."""

    actions: Int32[Array, " n"]
    lengths: Int32[Array, " n"]  # the cost of the plan, or NEVER if there is none
    key_region: UInt32[Array, "h n"]  # where a key can be carried to the locked door from
    moved_region: UInt32[Array, "h n"]  # where an object can be carried to its place from
    region: UInt32[Array, "h n"]  # where an end can be reached from, carrying anything or nothing
    times: UInt32[Array, "b 4 h n"]  # bit planes of the time plus 1, in the agent's layer


class Agent(NamedTuple):
    """The start of plans."""

    position: Int32[Array, " n"]
    direction: Int32[Array, " n"]
    hand: Int32[Array, " n"]  # the index of the agent's layer


HERE, LEFT, RIGHT, AHEAD = range(4)  # the states whose arrival times are recorded


def search(
    ground: Ground,
    ends: Ends,
    agent: Agent,
    wanted: Bool[Array, " n"],
    width: int,
    which: Layers,
    margin: int | None = None,
) -> Found:
    """Return the first action and the length of the shortest plan of each world.

    Args:
        ground: the roles of cells.
        ends: the ends of plans.
        agent: the start of plans.
        wanted: the worlds that need a plan; the search does not wait for the others.
        width: the width of the map, in cells.
        which: the layers in use.
        margin: how many steps farther away than the agent `times` reaches; None for empty `times`.
    """
    height, n = ground.free.shape
    count, locks = which.count, which.key >= 0
    free, toggled, blocked = _free(ground, which), ground.toggled, ground.blocked
    safe = facing(ground.safe)
    unsafe = facing(ground.unsafe), facing(ground.opened_unsafe | ground.lone_key)
    aside, behind = before_turn(safe), jnp.roll(safe, 2, 0)
    before_key, before_box = facing(ground.keys), facing(ground.boxed_keys)
    before_moved, before_moved_box = facing(ground.moved), facing(ground.boxed_moved)
    before_lock = facing(ground.locked)
    moved_before_lock = jnp.where(ground.moves_key, before_lock, 0)
    allowed = ground.open & ~ground.banned
    start = _start(ends, which)
    # (full-handed, empty-handed, moving) before and after the door is opened
    phases = [(which.full, which.empty, which.moved)]
    if locks:
        phases.append((which.opened_full, which.opened_empty, which.opened_moved))
    look_up = _looker(agent, width, height)

    planes = jnp.arange(0 if margin is None else PLANES, dtype=jnp.int32)[:, None, None, None]

    def spread(carry):
        t, last, before, memory, seen, times, dropped, idle, noted = carry

        def ago(steps, phase, what):
            return memory[(t - steps) % MEMORY, phase, what]

        now = start[jnp.minimum(t, 3)]
        new = [
            before_turn(last[l]) | before_step(before[l] & toggled) | now[l] for l in range(count)
        ]
        for i, (full, empty, moved) in enumerate(phases):
            new[empty] |= before_step(before[full] & blocked)
            new[empty] |= before_step(ago(ASIDE, i, 0) & blocked) & aside
            new[empty] |= before_step(ago(BEHIND, i, 0) & blocked) & behind
            if moved >= 0:
                new[empty] |= (last[moved] & before_moved) | (before[moved] & before_moved_box)
            drops = (ago(LAID, i, 1) & safe) | (ago(UNSAFE, i, 1) & unsafe[i])
            new[full] |= drops
            if locks and i == 0:
                new[which.key] |= drops | (last[which.opened_full] & before_lock)
                new[empty] |= (last[which.key] & before_key) | (before[which.key] & before_box)
                if moved >= 0:
                    new[moved] |= last[which.opened_moved] & moved_before_lock
        fresh = [
            (new[l] | before_step(last[l] & free[l])) & allowed & ~seen[l] for l in range(count)
        ]
        seen = [seen[l] | fresh[l] for l in range(count)]
        # A drop must not be walked over next, so keep states that are not only reached by a step.
        wave = jnp.stack([jnp.stack([fresh[e], fresh[e] & new[e]]) for _, e, _ in phases])
        memory = jax.lax.dynamic_update_index_in_dim(memory, wave, t % MEMORY, 0)
        times = jnp.where(jnp.stack([look_up(f) for f in fresh]), t, times)
        dropped |= look_up(wave[0, 1])[HERE]
        moving = jnp.any(jnp.stack([jnp.any(bitboards.cells_of(f) != 0, 0) for f in fresh]), 0)
        idle = jnp.where(moving, 0, idle + 1)
        own = sum(jnp.where(agent.hand == l, f, 0) for l, f in enumerate(fresh))
        noted |= jnp.where((jnp.minimum(t + 1, 255) >> planes) & 1 == 1, own, 0)
        return t + 1, fresh, last, memory, seen, times, dropped, idle, noted

    def waiting(carry):
        t, times, idle = carry[0], carry[5], carry[7]
        met = _of_layer(times, agent.hand)[HERE]
        if margin is None:
            return jnp.any(wanted & (met == NEVER) & (idle <= MEMORY))
        return jnp.any(wanted & (t <= met + margin) & (idle <= MEMORY))

    nothing = [jnp.zeros((4, height, n), jnp.uint32)] * count
    memory = jnp.zeros((MEMORY, len(phases), 2, 4, height, n), jnp.uint32)
    times = jnp.full((count, 4, n), NEVER, jnp.int32)
    still = jnp.zeros(n, jnp.int32)
    noted = jnp.zeros((len(planes), 4, height, n), jnp.uint32)
    carry = (jnp.int32(0), nothing, nothing, memory, nothing, times, still > 0, still, noted)
    carry = (carry[0], *varying_as(agent.position, carry[1:]))
    carry = jax.lax.while_loop(waiting, spread, carry)
    _, _, _, _, seen, times, dropped, _, noted = carry

    ended = [look_up(_of_layer(start[k], agent.hand))[HERE] for k in range(3)]
    actions, lengths = _first_action(ground, agent, ended, times, dropped, width, which)
    return Found(
        actions,
        lengths,
        _region(seen, which.key),
        _region(seen, which.moved, which.opened_moved),
        _region(seen, which.empty, which.full),
        noted,
    )


def _of_layer(x: Array, layer: Int32[Array, " n"]) -> Array:
    """Return x[layer[i], ..., i] for each world i."""
    index = layer.reshape((1,) * (x.ndim - 1) + (-1,))
    return jnp.take_along_axis(x, index, 0, mode="promise_in_bounds")[0]


def _looker(agent: Agent, width: int, height: int):
    """Return a function that looks up four states of each agent in a board, bool[4, n].

    The states are the current one and those after a left turn, a right turn, and a step.
    """
    position, direction, _ = agent
    front = rules.cell_in_front(position, direction, width)
    turns = jnp.stack([direction, (direction + 3) & 3, (direction + 1) & 3, direction])
    place = jnp.stack([position, position, position, front])
    n = len(position)
    index = (turns * height + place // width) * n + jnp.arange(n)
    shift = (place % width).astype(jnp.uint32)

    def look_up(states):
        words = states.reshape(-1).at[index].get(mode="promise_in_bounds")
        return (words >> shift) & 1 == 1

    return look_up


def _free(ground: Ground, which: Layers) -> list[UInt32[Array, "h n"]]:
    """Return the walkable cells of each layer; a carried object is no longer in the way."""
    free = [ground.free] * which.count
    if which.moved >= 0:
        free[which.moved] |= ground.lone_moved
    if which.key >= 0:
        free[which.key] |= ground.lone_key
        for layer in range(which.opened_empty, which.count):
            free[layer] |= ground.locked | ground.lone_key
    if which.opened_moved >= 0:
        free[which.opened_moved] |= ground.lone_moved
    return free


def _start(ends: Ends, which: Layers) -> UInt32[Array, "4 l 4 h n"]:
    """Return the states per layer with 0, 1 or 2 actions left, then an empty frame for later."""
    start = [ends.anyhow] * which.count
    for layers, more in (
        ((which.empty, which.opened_empty), ends.empty_handed),
        ((which.full, which.key), ends.full_handed),
        ((which.key,), ends.with_key),
        ((which.moved, which.opened_moved), ends.with_moved),
    ):
        for layer in layers:
            if layer >= 0:
                start[layer] = start[layer] | more
    frames = jnp.stack(start, 1)
    return jnp.concatenate([frames, jnp.zeros_like(frames[:1])])


def _region(seen: list[UInt32[Array, "4 h n"]], *layers: int) -> UInt32[Array, "h n"]:
    """Return the cells of the states of some layers."""
    region = jnp.zeros_like(seen[0][0])
    for layer in layers:
        if layer >= 0:
            region |= bitboards.cells_of(seen[layer])
    return region


def _first_action(
    ground: Ground,
    agent: Agent,
    ended: list[Bool[Array, " n"]],
    times: Int32[Array, "l 4 n"],
    dropped: Bool[Array, " n"],
    width: int,
    which: Layers,
) -> tuple[Int32[Array, " n"], Int32[Array, " n"]]:
    """Return the first action of the shortest plan and the length of the plan.

    Args:
        ground: the roles of cells.
        agent: the start of plans.
        ended: whether 0, 1 or 2 actions end the clause from the agent's state.
        times: the arrival times of the states that the agent can reach next, by layer.
        dropped: whether the agent's state was reached empty-handed other than by a step forward.
        width: the width of the map, in cells.
        which: the layers in use.
    """
    own = _of_layer(times, agent.hand)
    front = rules.cell_in_front(agent.position, agent.direction, width)

    def ahead(board):
        return bitboards.at(board, front, width)

    def beside(turn):
        return bitboards.at(
            ground.safe, rules.cell_in_front(agent.position, turn & 3, width), width
        )

    def after(layer, spot=HERE):
        return times[layer, spot] if layer >= 0 else NEVER

    empty, key, moved = (agent.hand == l for l in (which.empty, which.key, which.moved))
    direction = agent.direction
    blocked = ahead(ground.blocked) & empty
    aside = blocked & (beside(direction + 1) | beside(direction + 3))
    behind = blocked & beside(direction + 2)
    drops, safe = dropped & ~empty & ~moved & ahead(ground.empty), ahead(ground.safe)
    lock = ahead(ground.locked)
    ends_by = jnp.where(ahead(ground.empty), rules.DROP, rules.TOGGLE)
    picks = ahead(ground.portable)
    always = jnp.ones_like(empty)
    options = [
        # (whether it is possible, steps to the next state, time of that state, first action)
        (ended[0], 0, 0, rules.DONE),
        (ended[1], 1, 0, jnp.where(picks, rules.PICKUP, ends_by)),
        (ended[2], 2, 0, ends_by),
        (lock & key, 1, after(which.opened_full), rules.TOGGLE),
        (lock & moved & ground.moves_key, 1, after(which.opened_moved), rules.TOGGLE),
        (ahead(ground.keys) & empty, 1, after(which.key), rules.PICKUP),
        (ahead(ground.boxed_keys) & empty, 2, after(which.key), rules.TOGGLE),
        (ahead(ground.moved) & empty, 1, after(which.moved), rules.PICKUP),
        (ahead(ground.boxed_moved) & empty, 2, after(which.moved), rules.TOGGLE),
        (ahead(ground.toggled), 2, own[AHEAD], rules.TOGGLE),
        (blocked, 2, after(which.full, AHEAD), rules.PICKUP),
        (aside, ASIDE, after(which.empty, AHEAD), rules.PICKUP),
        (behind, BEHIND, after(which.empty, AHEAD), rules.PICKUP),
        (drops & safe, LAID, after(which.empty), rules.DROP),
        (drops & ahead(ground.unsafe), UNSAFE, after(which.empty), rules.DROP),
        (ahead(ground.free), 1, own[AHEAD], rules.FORWARD),
        (always, 1, own[LEFT], rules.LEFT),
        (always, 1, own[RIGHT], rules.RIGHT),
    ]
    costs = jnp.stack([jnp.where(ok, steps + time, NEVER) for ok, steps, time, _ in options])
    actions = jnp.stack([jnp.broadcast_to(action, front.shape) for *_, action in options])
    best = jnp.argmin(costs, 0)[None]
    action, cost = (jnp.take_along_axis(x, best, 0)[0] for x in (actions, costs))
    return action, jnp.minimum(cost, NEVER)
