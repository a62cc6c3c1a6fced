"""Whether an instruction is fulfilled, decided on the identity of objects.

An instruction is one to four clauses ("go to", "open", "pick up", "put next to"), joined by "and"
and put in order by "then" or "after you". A clause speaks of sets of objects ("a red ball": all
red balls there are at the start), which are fixed for the episode: row k of the table of objects
belongs to description d if bit d of `members[k]` is set. As in BabyAI, instructions know objects
by the places where these were last looked up, and look up again only after a drop: until then, a
ball that is being carried can still be "gone to" where it lay.
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

NOTHING = -1  # in hand


class Goal(NamedTuple):
    """What n worlds are asked for: m clauses (1, 2 or 4) over their tables of k objects.

    Clauses 0 and 1 are joined by "and"; so are 2 and 3, whose turn comes when the first two are
    done. Clause c speaks of descriptions 2c (what is gone to, opened, picked up or put) and 2c + 1
    (what it is put next to).
    """

    clauses: UInt8[Array, "n m"]  # the kind of each, or NONE; with STRICT and ORDERED
    members: UInt8[Array, "n k"]  # bit d: the object belongs to description d
    known: Int16[Array, "n k"]  # its place when last looked up
    held: Int8[Array, "n m"]  # the row that was carried when the clause was last looked at
    done: Bool[Array, "n m"]  # the clauses that are fulfilled; those that are NONE are
    matched: Bool[Array, "n m"]  # the step before fulfilled the clause; with `done_action` only


class Verdict(NamedTuple):
    """What an action did to an instruction."""

    success: Bool[Array, " n"]
    failure: Bool[Array, " n"]  # it can no longer be fulfilled; only strict clauses fail
    reward: Float[Array, " n"] | float = 0.0  # of those who did not succeed


def start(
    clauses: UInt8[Array, "n m"], members: UInt8[Array, "n k"], places: Int16[Array, "n k"]
) -> Goal:
    """The goal at the beginning of an episode."""
    held = jnp.full(clauses.shape, NOTHING, jnp.int8)
    done = clauses & KIND_BITS == NONE
    return Goal(clauses, members, places, held, done, jnp.zeros_like(done))


def describe(
    objects: UInt8[Array, "*n k"], kind: Int[Array, "*n"], color: Int[Array, "*n"]
) -> Bool[Array, "*n k"]:
    """Which objects have a kind (DOOR: in any state) and a colour, each of which may be ANY."""
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
    """The goal and the verdict after every world has taken an action.

    With `done_action`, the agent has to say that a clause is fulfilled, in the very next step: to
    say "done" at any other time is a failure. After "then", that is asked for each part; BabyAI
    judges the second part by the same "done" as the first, which nobody can pass.

    Args:
        goal: as it was before.
        world: as it is now.
        actions: what was done.
        width: of the map, in cells.
        kinds: which kinds of clauses there are; nothing is computed for the others.
        done_action: whether success has to be claimed by the action "done".
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
    turn = jnp.all((goal.done if done_action else done) | ~first, axis=1)  # of what comes then
    if m == 4:
        early = goal.clauses[:, 2] & ORDERED != 0
        looked |= ~goal.done & ~first & (turn | early)[:, None]
        done |= looked & fulfilled
    # Joined by "and", a clause that fails is only not fulfilled yet.
    alone = _partners(goal.clauses) & KIND_BITS == NONE
    if done_action:  # but to be wrong about both is a failure
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
    """For each clause (or what is known of it) the one that "and" joins it with; 0 if none."""
    n, m = clauses.shape
    if m == 1:
        return jnp.zeros_like(clauses)
    return clauses.reshape(n, m // 2, 2)[..., ::-1].reshape(n, m)


def _look(goal, world, actions, width, kinds):
    """Which clauses the action fulfils and which it fails [n, m], and the row in hand [n].

    The row is None where no clause asks for it.
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
