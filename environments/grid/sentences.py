"""Sentences of Baby Language as arrays: what they ask for, and their words."""

from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt8

from didact.environments.grid import cells
from didact.environments.grid.language import FIRST_COLOR, FIRST_TYPE, TOKEN
from didact.environments.grid.verifier import (
    ANY,
    GO_TO,
    KIND_BITS,
    NONE,
    OPEN,
    PICK_UP,
    PUT_NEXT,
)

NOWHERE, LEFT, RIGHT, FRONT, BEHIND = range(5)  # where an object is, seen from the agent at first
PLACE_TOKENS = 4  # of the longest place, "in front of you"


class Sentence(NamedTuple):
    """One to four clauses (m) about descriptions of objects, numbered as in `verifier.Goal`."""

    clauses: Int32[Array, "*n m"]  # the kind of each, or NONE
    kind: Int32[Array, "*n 2m"]  # DOOR, KEY, BALL, BOX, or ANY
    color: Int32[Array, "*n 2m"]  # or ANY
    location: Int32[Array, "*n 2m"]  # NOWHERE where none is told
    after: Bool[Array, "*n"]  # "A after you B" instead of "B, then A"


def navigations(clauses: Int32[Array, "*n m"]) -> Int32[Array, "*n"]:
    """How many ways an instruction asks for: BabyAI's measure for the limit of steps."""
    kind = clauses & KIND_BITS
    return jnp.sum((kind != NONE).astype(jnp.int32) + (kind == PUT_NEXT), axis=-1)


def words(sentence: Sentence, several: Bool[Array, "*n 2m"], length: int) -> UInt8[Array, "*n l"]:
    """The token ids of sentences, as BabyAI words them.

    Args:
        sentence: what is asked for.
        several: whether more than one object is meant: "a red ball" instead of "the".
        length: l, the number of tokens.
    """
    m = sentence.clauses.shape[-1]
    said = [_clause(sentence, several, c) for c in range(m)]
    parts = said[:1]
    for c in range(1, m):
        present = sentence.clauses[..., c] != NONE
        joiner = _constant(("and",), present) if c % 2 else _constant((",", "then"), present)
        parts += [joiner, said[c]]
    tokens = jnp.concatenate(parts, axis=-1)
    if m == 4:
        # Clauses 0 and 1 are done first, but in "A after you B" they are said last.
        after = jnp.concatenate(
            [*parts[4:], _constant(("after", "you"), sentence.after), *parts[:3]], axis=-1
        )
        tokens = jnp.where(sentence.after[..., None], after, tokens)
    return _compact(tokens, length)


_LOCATIONS = np.zeros((5, 4), np.int32)
for _place, _text in (
    (LEFT, "on your left"),
    (RIGHT, "on your right"),
    (FRONT, "in front of you"),
    (BEHIND, "behind you"),
):
    for _i, _word in enumerate(_text.split()):
        _LOCATIONS[_place, _i] = TOKEN[_word]

_VERBS = np.zeros((5, 2), np.int32)
for _kind, _text in ((GO_TO, "go to"), (OPEN, "open"), (PICK_UP, "pick up"), (PUT_NEXT, "put")):
    for _i, _word in enumerate(_text.split()):
        _VERBS[_kind, _i] = TOKEN[_word]


def longest_clause(kinds: Iterable[int], described: int = 3) -> int:
    """The tokens of the longest clause of some kinds.

    Args:
        kinds: of clauses.
        described: the tokens of the longest description: 3 for "the red ball".
    """
    return max(
        int(np.count_nonzero(_VERBS[kind])) + described + (kind == PUT_NEXT) * (2 + described)
        for kind in kinds
    )


def _constant(text: tuple[str, ...], present: Bool[Array, "*n"]) -> Int32[Array, "*n w"]:
    ids = np.array([TOKEN[word] for word in text], np.int32)
    return jnp.where(present[..., None], ids, 0)


def _clause(sentence: Sentence, several: Array, c: int) -> Int32[Array, "*n w"]:
    """The words of clause c, 0 where there is none."""
    kind = sentence.clauses[..., c] & KIND_BITS
    verb = jnp.asarray(_VERBS)[kind]
    one = _description(sentence, several, 2 * c)
    puts = kind == PUT_NEXT
    other = jnp.where(puts[..., None], _description(sentence, several, 2 * c + 1), 0)
    text = jnp.concatenate([verb, one, _constant(("next", "to"), puts), other], axis=-1)
    return jnp.where((kind != NONE)[..., None], text, 0)


def _description(sentence: Sentence, several: Array, d: int) -> Int32[Array, "*n 7"]:
    kind, color = sentence.kind[..., d], sentence.color[..., d]
    head = [
        jnp.where(several[..., d], TOKEN["a"], TOKEN["the"]),
        jnp.where(color == ANY, 0, FIRST_COLOR + color),
        jnp.where(kind == ANY, TOKEN["object"], FIRST_TYPE + kind),
    ]
    where = jnp.asarray(_LOCATIONS)[sentence.location[..., d]]
    return jnp.concatenate([jnp.stack(head, axis=-1), where], axis=-1)


def _compact(tokens: Int32[Array, "*n w"], length: int) -> UInt8[Array, "*n l"]:
    """The tokens that are not 0, moved to the front."""
    rank = jnp.cumsum(tokens != 0, axis=-1) - 1
    at = (rank[..., None] == np.arange(length)) & (tokens != 0)[..., None]
    return jnp.sum(jnp.where(at, tokens[..., None], 0), axis=-2).astype(jnp.uint8)


def located(
    places: Int32[Array, " k"],
    position: Int32[Array, ""],
    direction: Int32[Array, ""],
    width: int,
    room_size: Int32[Array, ""],
) -> Bool[Array, "k 5"]:
    """Where objects are, seen from an agent: columns NOWHERE (always true), LEFT, RIGHT, ...

    Only objects in the agent's room, walls and doors included, are anywhere; one can be both to
    the left and in front.
    """
    x, y = places % width, places // width
    ax, ay = position % width, position // width
    far = room_size - 1
    left, top = ax // far * far, ay // far * far
    inside = (x >= left) & (x <= left + far) & (y >= top) & (y <= top + far)
    dx, dy = x - ax, y - ay
    sideways = jnp.where(direction & 1, -dx, dy) * jnp.where(direction & 2, -1, 1)
    ahead = jnp.where(direction & 1, dy, dx) * jnp.where(direction & 2, -1, 1)
    found = jnp.stack([sideways < 0, sideways > 0, ahead > 0, ahead < 0], axis=-1)
    everywhere = jnp.ones((len(places), 1), bool)
    return jnp.concatenate([everywhere, found & inside[:, None]], axis=-1)


def is_kind(objects: UInt8[Array, "*k"]) -> Bool[Array, "*k 4"]:
    """Whether objects are doors, keys, balls and boxes, one column each; empty rows are none."""
    kind = cells.kind_of(objects)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    return (kind[..., None] == np.array([cells.DOOR, cells.KEY, cells.BALL, cells.BOX])) & (
        objects != 0
    )[..., None]
