"""Drafts of levels with Baby Language missions, and their conversion to levels."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int16, Int32, UInt8

from didact.environments.grid import cells, verifier
from didact.environments.grid.levels.family import Level
from didact.environments.grid.rules import World
from didact.environments.language import grammar
from didact.environments.language.grammar import GO_TO, NONE, Sentence


class Draft(NamedTuple):
    """One level with its sentence (m clauses), before it has been accepted."""

    map: UInt8[Array, "*n c"]
    position: Int32[Array, "*n"]
    direction: Int32[Array, "*n"]
    carried: UInt8[Array, "*n"]  # the packed carried object, or EMPTY
    objects: UInt8[Array, "*n k"]  # 0 in unused rows
    places: Int16[Array, "*n k"]  # a cell, or GONE, CARRIED, INSIDE - b
    sentence: Sentence
    members: Bool[Array, "*n 2m k"]  # the objects that match each description


def one_clause(
    objects: UInt8[Array, " k"],
    clause: Int32[Array, ""],
    kind: Int32[Array, ""],
    color: Int32[Array, ""],
) -> tuple[Sentence, Bool[Array, "2 k"]]:
    """Return a sentence such as "open the red door", and which objects it refers to.

    Args:
        objects: the packed objects of a level.
        clause: the kind of clause, any except "put next to".
        kind, color: the description of the target; both may be `grammar.ANY`.
    """
    sentence = Sentence(
        clause[None],
        jnp.stack([kind, kind]),
        jnp.stack([color, color]),
        jnp.full(2, grammar.NOWHERE),
        jnp.bool_(False),
    )
    meant = verifier.describe(objects, kind, color)
    return sentence, jnp.stack([meant, jnp.zeros_like(meant)])


def with_fallback_mission(good: Bool[Array, " n"], draft: Draft) -> Draft:
    """Replace the missions of rejected drafts with "go to" their first object.

    For families whose rejection sampling may fail for some tasks. Their `kinds` must include "go
    to".
    """
    sentence, members = draft.sentence, draft.members
    first = draft.objects[:, 0]
    alone = np.arange(sentence.clauses.shape[1]) == 0
    sentence = Sentence(
        jnp.where(good[:, None], sentence.clauses, jnp.where(alone, GO_TO, NONE)),
        jnp.where(good[:, None], sentence.kind, cells.kind_of(first)[:, None]),
        jnp.where(good[:, None], sentence.color, cells.color_of(first)[:, None]),
        jnp.where(good[:, None], sentence.location, grammar.NOWHERE),
        sentence.after & good,
    )
    plain = verifier.describe(draft.objects, sentence.kind[:, 0], sentence.color[:, 0])
    once = plain[:, None] & (np.arange(members.shape[1]) == 0)[:, None]
    members = jnp.where(good[:, None, None], members, once)
    return draft._replace(sentence=sentence, members=members)


def level_of(draft: Draft, max_steps: Int32[Array, " n"], mission_length: int) -> Level:
    """Convert n drafts to levels.

    Args:
        draft: n drafts; clauses may include `grammar.STRICT` and `grammar.ORDERED`.
        max_steps: the step limit of each episode.
        mission_length: the number of tokens in a mission.
    """
    several = jnp.sum(draft.members, axis=2) > 1
    # BabyAI counts the walls among grey objects.
    kind, color = draft.sentence.kind, draft.sentence.color
    several |= (kind == grammar.ANY) & (color == cells.GREY)
    mission = grammar.words(draft.sentence, several, mission_length)
    descriptions = np.arange(draft.members.shape[1])[:, None]
    bits = jnp.sum(draft.members << descriptions, axis=1).astype(jnp.uint8)
    goal = verifier.start(draft.sentence.clauses.astype(jnp.uint8), bits, draft.places)
    world = World(
        cells=draft.map,
        position=draft.position,
        direction=draft.direction,
        carried=draft.carried,
        objects=draft.objects,
        places=draft.places,
    )
    return Level(world, goal, mission, max_steps.astype(jnp.int32))
