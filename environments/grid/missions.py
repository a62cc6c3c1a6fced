"""The missions of MiniGrid's own environments, and the conditions that end their episodes.

These environments do not use Baby Language: each has fixed sentences and its own rules. Missions
are stored in `verifier.Goal` as a single clause of one of the kinds below, where `members` marks
the objects that are meant and `known` holds their places at the start of the episode. Only the
kinds that a family declares are computed.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int16, Int32, PRNGKeyArray, UInt8

from didact.environments.grid import cells, moving_obstacles, rules
from didact.environments.grid.rules import World
from didact.environments.grid.verifier import NOTHING, Goal, Verdict

# Numbered beyond the clauses of Baby Language, so that the two cannot be confused.
REACH = 32  # step onto the goal square; lava ends the episode
DODGE = 33  # the same among moving obstacles; walking into anything ends the episode
STOP_AT = 34  # "done" next to object 0; "done" elsewhere, or any toggle, ends the episode
FETCH = 35  # pick up an object 0; picking up anything else ends the episode
PUT_NEAR = 36  # drop object 0 within one cell of object 1's place; the first drop decides
MATCH = 37  # stand next to object 0; standing next to object 1 ends the episode
OPEN_IN_ORDER = 38  # open door 1 while door 0 is open; opening it earlier ends the episode
PLAY = 39  # no mission

COLLISION = -1.0  # the reward for walking into something in a DODGE mission


def start(
    clauses: UInt8[Array, "n 1"], members: UInt8[Array, "n k"], places: Int16[Array, "n k"]
) -> Goal:
    """Return the goal at the beginning of an episode.

    Args:
        clauses: the kind of the single clause of each world.
        members: bit d is set if the object belongs to description d of the clause.
        places: the places of all objects.
    """
    held = jnp.full(clauses.shape, NOTHING, jnp.int8)
    no = jnp.zeros(clauses.shape, bool)
    return Goal(clauses, members, places, held, no, no)


def play(
    keys: PRNGKeyArray | None,
    world: World,
    goal: Goal,
    actions: Int[Array, " n"],
    width: int,
    kinds: tuple[int, ...],
) -> tuple[World, Goal, Verdict]:
    """Apply one action per world in MiniGrid's own environments.

    Args:
        keys: one key per world; only needed for moving obstacles.
        world, goal: the state before the action.
        actions: indices into `rules.ACTIONS`.
        width: the width of the map, in cells.
        kinds: the kinds of clauses that occur.
    """
    blocked = jnp.zeros(len(actions), bool)
    if DODGE in kinds:
        assert keys is not None
        dodges = _which(goal, DODGE, kinds)
        actions = jnp.where(dodges & (actions > rules.FORWARD), rules.LEFT, actions)
        front = rules.cell_in_front(world.position, world.direction, width)
        ahead = cells.kind_of(_at(world, front))
        blocked = dodges & (actions == rules.FORWARD)
        blocked &= (ahead != cells.EMPTY) & (ahead != cells.GOAL)
        world = moving_obstacles.move_obstacles(
            keys, world, dodges[:, None] & (world.objects != 0), width
        )
    if MATCH in kinds:
        grasps = _which(goal, MATCH, kinds) & (actions == rules.PICKUP)
        actions = jnp.where(grasps, rules.TOGGLE, actions)
    world = rules.act(world, actions, width)
    goal, verdict = judge(goal, world, actions, width, kinds)
    if DODGE in kinds:
        reward = jnp.where(blocked, COLLISION, 0.0)
        verdict = Verdict(verdict.success & ~blocked, verdict.failure | blocked, reward)
    return world, goal, verdict


def judge(
    goal: Goal, world: World, actions: Int[Array, " n"], width: int, kinds: tuple[int, ...]
) -> tuple[Goal, Verdict]:
    """Return the goal and the verdict after every world has taken an action.

    Args:
        goal: the goal before the action.
        world: the world after the action.
        actions: the actions taken.
        width: the width of the map, in cells.
        kinds: the kinds of clauses that occur; nothing is computed for other kinds.
    """
    n = len(actions)
    success, failure, held = jnp.zeros(n, bool), jnp.zeros(n, bool), goal.held
    front = rules.cell_in_front(world.position, world.direction, width)
    toggles, drops = actions == rules.TOGGLE, actions == rules.DROP
    one, other = (goal.members >> d & 1 == 1 for d in range(2))

    def add(kind, good, bad):
        which = _which(goal, kind, kinds)
        return success | (which & good), failure | (which & bad)

    for kind in (REACH, DODGE):
        if kind in kinds:
            moves, here = actions == rules.FORWARD, cells.kind_of(_at(world, world.position))
            success, failure = add(kind, moves & (here == cells.GOAL), moves & (here == cells.LAVA))
    if STOP_AT in kinds:
        says, beside = actions == rules.DONE, _beside(world, goal, one, width)
        success, failure = add(STOP_AT, says & beside, (says & ~beside) | toggles)
    if FETCH in kinds:
        hand = world.places == rules.CARRIED
        success, failure = add(FETCH, jnp.any(hand & one, 1), jnp.any(hand & ~one, 1))
    if PUT_NEAR in kinds:
        hand = world.places == rules.CARRIED
        wrong = (actions == rules.PICKUP) & jnp.any(hand & ~one, 1)
        dropped = drops & (held[:, 0] >= 0)
        lies = world.places == front[:, None].astype(jnp.int16)
        lies = jnp.any(lies & (np.arange(hand.shape[1]) == held), 1)
        put = dropped & lies & jnp.any(other & _near(front, goal.known, width), 1)
        success, failure = add(PUT_NEAR, put, wrong | (dropped & ~put))
        row = jnp.where(jnp.any(hand, 1), jnp.argmax(hand, 1), NOTHING)
        held = row.astype(jnp.int8)[:, None]
    if MATCH in kinds:
        right, wrong = (_beside(world, goal, d, width) for d in (one, other))
        success, failure = add(MATCH, right, wrong)
    if OPEN_IN_ORDER in kinds:
        last = jnp.any(other & (goal.known == front[:, None].astype(jnp.int16)), 1)
        opens = toggles & last & (cells.kind_of(_at(world, front)) == cells.DOOR)
        first = jnp.sum(jnp.where(one, goal.known, 0), 1, dtype=jnp.int32)
        ready = cells.kind_of(_at(world, first)) == cells.DOOR
        success, failure = add(OPEN_IN_ORDER, opens & ready, opens & ~ready)
    return goal._replace(held=held, done=success[:, None]), Verdict(success, failure)


def _which(goal: Goal, kind: int, kinds: tuple[int, ...]) -> Bool[Array, " n"]:
    """Return which worlds have a clause of this kind; all of them if it is the only kind."""
    clause = goal.clauses[:, 0]
    return jnp.ones(clause.shape, bool) if kinds == (kind,) else clause == kind


def _at(world: World, places: Int32[Array, " n"]) -> UInt8[Array, " n"]:
    cell = jnp.take_along_axis(world.cells, places[:, None], 1, mode="promise_in_bounds")
    return cell[:, 0]


def _beside(world: World, goal: Goal, meant: Bool[Array, "n k"], width: int) -> Bool[Array, " n"]:
    """Return whether the agent is next to the known place of one of the meant objects."""
    apart = jnp.abs(goal.known - world.position[:, None].astype(jnp.int16))
    return jnp.any(meant & ((apart == 1) | (apart == width)), 1)


def _near(place: Int32[Array, " n"], known: Int16[Array, "n k"], width: int) -> Bool[Array, "n k"]:
    """Return which known places are within one cell of `place`, diagonals included."""
    place = place[:, None].astype(jnp.int16)
    across = jnp.abs(known % width - place % width)
    down = jnp.abs(known // width - place // width)
    return (across <= 1) & (down <= 1)
