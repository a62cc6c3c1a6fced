"""Verification of instructions, based on the identity of objects.

An instruction has one to four clauses ("go to", "open", "pick up", "put next to"), joined by "and"
and ordered by "then" or "after you". A clause refers to sets of objects ("a red ball" means all red
balls at the start), which are fixed for the episode: row k of the table of objects belongs to
description d if bit d of `members[k]` is set. As in BabyAI, the verifier uses the last known place
of each object and refreshes places only after a drop: until then, an agent that carries a ball can
still fulfill "go to the ball" where it lay.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int8, Int16, Shaped, UInt8

from didact.environments.grid import cells, rules
from didact.environments.grid.rules import World
from didact.environments.language.grammar import (
    ANY,
    GO_TO,
    KIND_BITS,
    KINDS,
    NONE,
    OPEN,
    ORDERED,
    PICK_UP,
    PUT_NEXT,
    STRICT,
)

NOTHING = -1  # no object is carried


class Goal(NamedTuple):
    """The instructions of n worlds: m clauses (1, 2 or 4) over tables of k objects.

    Clauses 0 and 1 are joined by "and", and so are clauses 2 and 3, which follow once the first two
    are done. Clause c refers to descriptions 2c (what to go to, open, pick up or put) and 2c + 1
    (what to put it next to).
    """

    clauses: UInt8[Array, "n m"]  # the kind of each, or NONE; may include STRICT, ORDERED
    members: UInt8[Array, "n k"]  # bit d: the object belongs to description d
    known: Int16[Array, "n k"]  # the last known place of each object
    held: Int8[Array, "n m"]  # the row carried when the clause was last evaluated
    done: Bool[Array, "n m"]  # fulfilled clauses; NONE clauses count as fulfilled
    matched: Bool[Array, "n m"]  # fulfilled by the previous step; only with `done_action`


class Verdict(NamedTuple):
    """The outcome of an action for an instruction."""

    success: Bool[Array, " n"]
    failure: Bool[Array, " n"]  # it can no longer be fulfilled
    reward: Float[Array, " n"] | float = 0.0  # where there is no success


def start(
    clauses: UInt8[Array, "n m"], members: UInt8[Array, "n k"], places: Int16[Array, "n k"]
) -> Goal:
    """Return the goal at the beginning of an episode."""
    held = jnp.full(clauses.shape, NOTHING, jnp.int8)
    done = clauses & KIND_BITS == NONE
    return Goal(clauses, members, places, held, done, jnp.zeros_like(done))


def describe(
    objects: UInt8[Array, "*n k"], kind: Int[Array, "*n"], color: Int[Array, "*n"]
) -> Bool[Array, "*n k"]:
    """Return which objects match a kind (DOOR matches any state) and a color; both may be ANY."""
    kinds = cells.kind_of(objects)
    kinds = jnp.where(cells.is_door(kinds), cells.DOOR, kinds)
    same_kind = (kinds == kind[..., None]) | (kind == ANY)[..., None]
    same_color = (cells.color_of(objects) == color[..., None]) | (color == ANY)[..., None]
    return same_kind & same_color & (objects != 0)


def verify(
    goal: Goal,
    world: World,
    actions: Int[Array, " n"],
    width: int,
    kinds: tuple[int, ...] = KINDS,
    done_action: bool = False,
) -> tuple[Goal, Verdict]:
    """Return the goal and the verdict after every world has taken an action.

    With `done_action`, the agent must take the action "done" in the step right after it has
    fulfilled a clause; "done" at any other time is a failure. With "then", each part needs its own
    "done". This differs from BabyAI, which evaluates the second part on the same "done" as the
    first, so that such instructions can never succeed.

    Args:
        goal: the goal before the action.
        world: the world after the action.
        actions: the actions taken.
        width: the width of the map, in cells.
        kinds: the kinds of clauses that occur; nothing is computed for other kinds.
        done_action: whether success must be claimed with the action "done".
    """
    dropped = (actions == rules.DROP)[:, None]
    goal = goal._replace(known=jnp.where(dropped, world.places, goal.known))
    fulfilled, failed, row = _look(goal, world, actions, width, kinds)

    says, meets = (actions == rules.DONE)[:, None], fulfilled
    if done_action:
        fulfilled, failed = says & goal.matched, says & ~goal.matched

    m = goal.clauses.shape[1]
    first = np.arange(m) < 2
    looked = ~goal.done & first
    done = goal.done | (looked & fulfilled)
    turn = jnp.all((goal.done if done_action else done) | ~first, axis=1)  # of clauses 2 and 3
    if m == 4:
        early = goal.clauses[:, 2] & ORDERED != 0
        looked |= ~goal.done & ~first & (turn | early)[:, None]
        done |= looked & fulfilled
    # A failing clause that is joined by "and" merely counts as not fulfilled yet.
    alone = _partners(goal.clauses) & KIND_BITS == NONE
    if done_action:  # being wrong about both clauses is a failure
        alone |= _partners(looked & failed)
    failure = jnp.any(looked & failed & alone & (first | turn[:, None]), axis=1)
    if m == 4:
        failure |= ~turn & jnp.all(done[:, 2:], axis=1) & jnp.any(looked[:, 2:], axis=1)
    if done_action:
        looked &= ~says
        goal = goal._replace(matched=jnp.where(looked, meets, goal.matched))
    held = jnp.where(looked, row[:, None], goal.held) if row is not None else goal.held
    success = jnp.all(done, axis=1) & ~failure
    return goal._replace(held=held, done=done), Verdict(success, failure)


def _partners(clauses: Shaped[Array, "n m"]) -> Shaped[Array, "n m"]:
    """Swap the values of clauses joined by "and"; 0 where a clause has no partner."""
    n, m = clauses.shape
    if m == 1:
        return jnp.zeros_like(clauses)
    return clauses.reshape(n, m // 2, 2)[..., ::-1].reshape(n, m)


def _look(goal, world, actions, width, kinds):
    """Return which clauses are fulfilled and failed [n, m], and the carried row [n].

    The row is None if no kind of clause needs it.
    """
    kind = goal.clauses & KIND_BITS
    strict = goal.clauses & STRICT != 0
    front = rules.cell_in_front(world.position, world.direction, width)[:, None]
    which = np.arange(goal.clauses.shape[1], dtype=np.uint8)[:, None]
    meant = (goal.members[:, None] >> (2 * which)) & 1 == 1  # [n, m, k]
    fulfilled = failed = jnp.zeros(kind.shape, bool)

    def some(objects):  # [n, k] -> [n, m]
        return jnp.any(meant & objects[:, None], axis=2)

    if GO_TO in kinds:
        fulfilled |= (kind == GO_TO) & some(goal.known == front.astype(jnp.int16))
    if kinds == (GO_TO,):
        return fulfilled, failed, None

    here = world.places == front.astype(jnp.int16)
    carried = world.places == rules.CARRIED
    row = jnp.where(jnp.any(carried, axis=1), jnp.argmax(carried, axis=1), NOTHING)
    row = row.astype(jnp.int8)
    if OPEN in kinds:
        ahead = jnp.take_along_axis(world.cells, front, axis=1)
        ahead = cells.kind_of(ahead)
        toggles = (actions == rules.TOGGLE)[:, None] & (kind == OPEN)
        opened = toggles & (ahead == cells.DOOR) & some(here)
        fulfilled |= opened
        failed |= toggles & strict & cells.is_door(ahead) & ~opened
    picks = (actions == rules.PICKUP)[:, None]
    if PICK_UP in kinds:
        picked = picks & (kind == PICK_UP) & (goal.held == NOTHING) & some(carried)
        fulfilled |= picked
        failed |= picks & (kind == PICK_UP) & strict & (row >= 0)[:, None] & ~picked
    if PUT_NEXT in kinds:
        beside = jnp.abs(goal.known - front.astype(jnp.int16))
        beside = (beside == 1) | (beside == width)
        other = (goal.members[:, None] >> (2 * which + 1)) & 1 == 1
        rows = jnp.arange(world.places.shape[1], dtype=jnp.int8)
        put = meant & here[:, None] & (rows == goal.held[..., None])
        put = jnp.any(put, axis=2) & jnp.any(other & beside[:, None], axis=2)
        fulfilled |= (actions == rules.DROP)[:, None] & (kind == PUT_NEXT) & put
        failed |= picks & (kind == PUT_NEXT) & strict & (row >= 0)[:, None]
    return fulfilled, failed, row
