"""Baby Language sentences as arrays: their meaning, and conversion to words.

Any environment can use these sentences; nothing here depends on grids.
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt8

from didact.environments.language.vocabulary import FIRST_COLOR, FIRST_TYPE, TOKEN

NONE, GO_TO, OPEN, PICK_UP, PUT_NEXT = range(5)
KINDS = (GO_TO, OPEN, PICK_UP, PUT_NEXT)
KIND_BITS = 7
STRICT = 8  # added to a kind: opening a wrong door or picking up a wrong object is a failure
ORDERED = 16  # added to the kind of clause 2: the second part must not be fulfilled first
ANY = 15  # the type or color of a description that does not specify it
NOWHERE, LEFT, RIGHT, FRONT, BEHIND = range(5)  # locations relative to the agent's initial pose
PLACE_TOKENS = 4  # the tokens of the longest location, "in front of you"


class Sentence(NamedTuple):
    """One to four clauses (m) about descriptions of objects.

    Clauses 0 and 1 are joined by "and", and so are 2 and 3, which come after them. Clause c refers
    to descriptions 2c (what to go to, open, pick up or put) and 2c + 1 (what to put it next to).
    """

    clauses: Int32[Array, "*n m"]  # the kind of each, or NONE; may have STRICT and ORDERED added
    kind: Int32[Array, "*n 2m"]  # as numbered by `vocabulary.TYPES`, or ANY
    color: Int32[Array, "*n 2m"]  # an index into `vocabulary.COLORS`, or ANY
    location: Int32[Array, "*n 2m"]  # NOWHERE if the description has no location
    after: Bool[Array, "*n"]  # "A after you B" instead of "B, then A"


def navigations(clauses: Int32[Array, "*n m"]) -> Int32[Array, "*n"]:
    """Return the number of navigations of an instruction, by which BabyAI sets the step limit."""
    kind = clauses & KIND_BITS
    return jnp.sum((kind != NONE).astype(jnp.int32) + (kind == PUT_NEXT), axis=-1)


def words(sentence: Sentence, several: Bool[Array, "*n 2m"], length: int) -> UInt8[Array, "*n l"]:
    """Return the token ids of sentences, in BabyAI's wording.

    Args:
        sentence: the sentences.
        several: whether more than one object fits a description: "a red ball" instead of "the".
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
        # Clauses 0 and 1 are to be fulfilled first, but in "A after you B" they are worded last.
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
    """Return the number of tokens of the longest clause.

    Args:
        kinds: the kinds of clauses to consider.
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
    """Return the tokens of clause c, or 0 if there is none."""
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
    """Move the nonzero tokens to the front."""
    rank = jnp.cumsum(tokens != 0, axis=-1) - 1
    at = (rank[..., None] == np.arange(length)) & (tokens != 0)[..., None]
    return jnp.sum(jnp.where(at, tokens[..., None], 0), axis=-2).astype(jnp.uint8)
