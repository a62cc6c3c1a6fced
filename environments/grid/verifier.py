"""Whether an instruction is fulfilled, decided on the identity of objects.

An instruction describes sets of objects ("a red ball": all red balls there are at the start). The
sets are fixed for the episode: row k of the table of objects belongs to description d if bit d of
`members[k]` is set. As in BabyAI, instructions know objects by the places where these were last
looked up, and look up again only after a drop: until then, a ball that is being carried can still
be "gone to" where it lay.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Int16, Int32, UInt8

from didact.environments.grid import cells, rules


class Goal(NamedTuple):
    """What n worlds are asked for, over their tables of k objects."""

    members: UInt8[Array, "n k"]  # bit d: the object belongs to description d
    known: Int16[Array, "n k"]  # its place when last looked up


def describe(objects: UInt8[Array, "*n k"], target: UInt8[Array, "*n"]) -> Bool[Array, "*n k"]:
    """Which objects have the type and colour of `target`, whatever the state of doors."""
    plain = jnp.where(cells.is_door(cells.kind_of(objects)), cells.DOOR, cells.kind_of(objects))
    kind = cells.kind_of(target)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    same_color = cells.color_of(objects) == cells.color_of(target)[..., None]
    return (plain == kind[..., None]) & same_color & (objects != 0)


def look_up(goal: Goal, places: Int16[Array, "n k"], actions: Int[Array, " n"]) -> Goal:
    """The goal after `actions`, with places looked up where something may have been dropped."""
    dropped = (actions == rules.DROP)[:, None]
    return goal._replace(known=jnp.where(dropped, places, goal.known))


def faces(goal: Goal, front: Int32[Array, " n"], description: int = 0) -> Bool[Array, " n"]:
    """Whether an object of the description is known to be in front: "go to" is fulfilled."""
    member = (goal.members >> description) & 1 == 1
    return jnp.any(member & (goal.known == front[:, None].astype(jnp.int16)), axis=1)
