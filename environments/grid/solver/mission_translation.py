"""Translation of MiniGrid's own missions to Baby Language clauses, which the planner supports."""

import jax.numpy as jnp
import numpy as np

from didact.environments.grid import cells, missions
from didact.environments.grid.env import GridState
from didact.environments.grid.rules import GONE
from didact.environments.language import grammar

# The translation of each mission. Reaching the goal square is "go to" plus one step.
_AS = {
    missions.REACH: grammar.GO_TO,
    missions.DODGE: grammar.GO_TO,
    missions.STOP_AT: grammar.GO_TO,
    missions.MATCH: grammar.GO_TO,
    missions.FETCH: grammar.PICK_UP | grammar.STRICT,
    missions.PUT_NEAR: grammar.PUT_NEXT,
    missions.OPEN_IN_ORDER: grammar.OPEN,
    missions.PLAY: grammar.NONE,
}
SQUARE = (missions.REACH, missions.DODGE)


def known(kinds: tuple[int, ...]) -> tuple[int, ...]:
    """Return the kinds of Baby Language clauses that missions of these kinds translate to."""
    became = {_AS.get(kind, kind) & grammar.KIND_BITS for kind in kinds} - {grammar.NONE}
    return tuple(sorted(became)) or (grammar.GO_TO,)


def as_clauses(state: GridState, width: int) -> GridState:
    """Return the same worlds with each of MiniGrid's own missions translated to one clause.

    The goal square becomes an extra row of the table of objects, with a known place but not on the
    map. Everything that must not be touched becomes wall: moving obstacles, objects other than the
    one to put somewhere, objects that could only be toggled, and borders that are not wall.
    """
    world, goal = state.world, state.goal
    mission = goal.clauses[:, 0].astype(jnp.int32)
    size = world.cells.shape[1]
    column = jnp.zeros((len(mission), 1), jnp.int32)

    what = cells.kind_of(world.cells)
    at = np.arange(size)
    border = (at % width % (width - 1) == 0) | (at // width % (size // width - 1) == 0)
    dodges, stops, puts = (
        (mission == kind)[:, None] for kind in (missions.DODGE, missions.STOP_AT, missions.PUT_NEAR)
    )
    first = (goal.members & 1 == 1) & (world.places >= 0)
    row = jnp.where(first, world.places.astype(jnp.int32), size)
    meant = (
        jnp.zeros(what.shape, bool).at[np.arange(len(mission))[:, None], row].set(True, mode="drop")
    )
    wall = (border & (what == cells.EMPTY)) | (dodges & (what == cells.BALL))
    wall |= stops & ((what == cells.BOX) | cells.is_door(what)) & ~meant
    wall |= puts & cells.is_portable(what) & ~meant
    map = jnp.where(wall, cells.GREY_WALL, world.cells).astype(jnp.uint8)

    square = what == cells.GOAL
    place = jnp.where(jnp.any(square, 1), jnp.argmax(square, 1), GONE)[:, None]
    reaches = jnp.isin(mission, np.array(SQUARE))[:, None]
    members = goal.members & 3
    # The next door is the first one until it is open.
    door = jnp.sum(jnp.where(members & 1 == 1, goal.known.astype(jnp.int32), 0), 1)
    door = jnp.take_along_axis(what, jnp.maximum(door, 0)[:, None], 1) == cells.DOOR
    turns = (mission == missions.OPEN_IN_ORDER)[:, None] & door
    members = jnp.where(turns, members >> 1, members)
    members = jnp.where((mission == missions.OPEN_IN_ORDER)[:, None], members & 1, members)
    members = jnp.where((mission == missions.MATCH)[:, None], members & 1, members)

    clauses = sum(jnp.where(mission == kind, code, 0) for kind, code in _AS.items())
    speaks = mission < missions.REACH
    clauses = jnp.where(speaks[:, None], goal.clauses, jnp.asarray(clauses)[:, None])
    return state._replace(
        world=world._replace(
            cells=map,
            objects=jnp.concatenate([world.objects, column.astype(jnp.uint8)], 1),
            places=jnp.concatenate([world.places, (column + GONE).astype(jnp.int16)], 1),
        ),
        goal=goal._replace(
            clauses=clauses.astype(jnp.uint8),
            members=jnp.concatenate([members, reaches.astype(jnp.uint8)], 1),
            known=jnp.concatenate([goal.known, place.astype(jnp.int16)], 1),
            done=goal.done | (clauses == grammar.NONE),
        ),
    )
