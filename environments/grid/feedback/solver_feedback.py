"""Feedback for grid worlds: the solver's advice as remarks from the built-in pool."""

import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt8

from didact.environments.capabilities import Advised, Feedback, Remark
from didact.environments.feedback.wordings import ACTIONS, HINDSIGHT, POOL, PURPOSES
from didact.environments.grid import cells, rules
from didact.environments.grid.feedback import guide as guides
from didact.environments.grid.feedback import message_choice
from didact.environments.language import vocabulary

PARTS = {"hindsight": HINDSIGHT, "action": ACTIONS, "purpose": PURPOSES}
THINGS = tuple(f"{color} {kind}" for color in vocabulary.COLORS for kind in vocabulary.TYPES)


def solver_feedback(width: int, kinds: tuple[int, ...]) -> Feedback:
    """Return the feedback for Baby Language instructions.

    Args:
        width: the width of the map, in cells.
        kinds: the kinds of clauses that occur.
    """

    def advice(guide):
        return Advised(guide.known, guide.advice.action, guide.steps)

    def hindsight(before, state, actions, old, new):
        number, thing = message_choice.hindsight(
            before, state, actions, old.advice, new.advice, new.known, width
        )
        return Remark(number, thing_of(thing))

    def describe(state, advice, actions):
        action, thing, purpose, other = message_choice.foresight(state, advice, actions, width)
        return Remark(action, thing_of(thing)), Remark(purpose, thing_of(other))

    def false_foresight(state, guide, draws):
        actions, advice = message_choice.false_foresight(state, guide.advice, draws, width)
        return describe(state, advice, actions)

    return Feedback(
        POOL,
        PARTS,
        THINGS,
        len(rules.ACTIONS),
        begin=lambda state, wanted: guides.begin(state, width, kinds, wanted),
        follow=lambda guide, before, state, wanted: guides.follow(
            guide, before, state, width, kinds, wanted
        ),
        advice=advice,
        is_right=lambda guide, actions: message_choice.is_right(guide.advice, actions),
        hindsight=hindsight,
        foresight=lambda state, guide: describe(state, guide.advice, guide.advice.action),
        false_hindsight=message_choice.false_hindsight,
        false_foresight=false_foresight,
        # The solver runs once for all worlds of a group.
        group_size=guides.GROUP_SIZE,
    )


def thing_of(cell: UInt8[Array, " n"]) -> Int32[Array, " n"]:
    """Return the index in `THINGS` of packed objects; a door in any state is a door.

    Cells that are not objects give an arbitrary index, for remarks that mention no object.
    """
    kind = cells.kind_of(cell).astype(jnp.int32)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    color = cells.color_of(cell).astype(jnp.int32)
    return jnp.clip(color * len(cells.TYPES) + kind - cells.DOOR, 0, len(THINGS) - 1)
