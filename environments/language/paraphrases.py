"""Missions of Baby Language in other words, drawn from the pool of `paraphrase_pool` on the device.

Whatever level a mission belongs to, it is rewritten as a row of tokens: each phrase of BabyAI's
("go to", "on your left", ...) gets a wording by a draw of its own; articles, colours and types
stay. MiniGrid's own missions, which are not of Baby Language, stay as they are.
"""

import functools
import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, PRNGKeyArray, UInt8

from didact.common.errors import SettingError
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import POOL, SPLITS
from didact.environments.language.ragged_tokens import concatenate_ragged
from didact.environments.language.vocabulary import TOKEN
from didact.environments.random_draws import uniform_index

# The phrases as they stand in missions, by number; 0 is what may be said before a sentence.
_PHRASES = tuple(part for phrase in POOL for part in phrase.split(" / "))
_PUT, _NEXT_TO = _PHRASES.index("put"), _PHRASES.index("next to")
_LEFT, _RIGHT = _PHRASES.index("on your left"), _PHRASES.index("on your right")
_VERBS = tuple(_PHRASES.index(verb) for verb in ("go to", "open", "pick up", "put"))
_SIDES = tuple(_PHRASES.index(joiner) for joiner in (", then", "after you"))
_NONE = len(_PHRASES)
_SIZES = np.array([len(vocabulary.tokens(phrase)) for phrase in _PHRASES] + [1], np.int32)
_MAX = int(_SIZES.max())  # tokens of a phrase
# The phrase that a token begins; "on" is looked at again.
_BEGINS = np.full(vocabulary.VOCABULARY_SIZE, _NONE, np.int32)
for _number, _phrase in enumerate(_PHRASES):
    if _phrase:
        _BEGINS[vocabulary.tokens(_phrase)[0]] = _number
_BABY = "a", "the", "object", *vocabulary.TYPES, *vocabulary.COLORS
_BABY_TOKENS = np.zeros(vocabulary.VOCABULARY_SIZE, bool)
_BABY_TOKENS[[0, *(t for text in (*_PHRASES, *_BABY) for t in vocabulary.tokens(text))]] = True


class _Wordings(NamedTuple):
    """The wordings of one split, as tokens with zeros at the end."""

    here: UInt8[np.ndarray, "phrases wordings w"]  # what stands where the phrase stood
    ahead: UInt8[np.ndarray, "phrases wordings w"]  # before the sentence, where there is such
    counts: Int32[np.ndarray, " phrases"]


def paraphrase(
    keys: PRNGKeyArray, missions: UInt8[Array, "n l"], split: str, length: int | None = None
) -> UInt8[Array, "n m"]:
    """Missions in other words.

    Each phrase draws its wording by itself, uniformly; the same key and mission give the same
    words. It can be jitted (split and length are static), and works on missions of any origin,
    such as those that `minigrid_import.from_minigrid` brings.

    Args:
        keys: n keys.
        missions: token ids, in BabyAI's words.
        split: "train", "validation" or "test".
        length: m, the number of tokens. `max_paraphrase_length(l)` if not given, which holds any
            wording of any mission of Baby Language with l tokens. What does not fit is cut off.

    Raises:
        SettingError: there is no such split.
    """
    wordings = _wordings(split)
    length = max_paraphrase_length(missions.shape[-1]) if length is None else length
    begins, said, baby = _phrases_in(missions)
    # What may be said before a sentence comes in a column of its own.
    begins = jnp.concatenate([jnp.where(baby, 0, _NONE)[:, None], begins], axis=1)
    drawn = jax.vmap(lambda key: jax.random.uniform(key, begins.shape[1:]))(keys)
    which = uniform_index(drawn, jnp.asarray(wordings.counts)[begins])
    # "Put" and the "next to" that follows it are one draw.
    put = jax.lax.cummax(jnp.where(begins == _PUT, np.arange(begins.shape[1]), 0), axis=1)
    which = jnp.where(begins == _NEXT_TO, jnp.take_along_axis(which, put, axis=1), which)
    pieces = jnp.asarray(wordings.here)[begins, which]
    kept = jnp.pad(jnp.where(said, missions, 0), ((0, 0), (1, 0)))
    alone = jnp.pad(kept[..., None], ((0, 0), (0, 0), (0, pieces.shape[-1] - 1)))
    pieces = jnp.where((begins == _NONE)[..., None], alone, pieces)
    # Where sides are joined by two parts, the first one takes the place of the opening.
    side = jnp.argmax(jnp.isin(begins, np.array(_SIDES)), axis=1)[:, None]
    phrase, wording = (jnp.take_along_axis(x, side, axis=1)[:, 0] for x in (begins, which))
    ahead = jnp.asarray(wordings.ahead)[phrase, wording]
    opening = jnp.where(ahead[:, :1] != 0, ahead, pieces[:, 0])
    return concatenate_ragged(pieces.at[:, 0].set(opening), length)


def _phrases_in(
    missions: UInt8[Array, "n l"],
) -> tuple[Int32[Array, "n l"], Bool[Array, "n l"], Bool[Array, " n"]]:
    """Which phrase each token begins, which tokens are of no phrase, and which rows are Baby's.

    In rows that are not of Baby Language there are no phrases.
    """
    padded = jnp.pad(missions, ((0, 0), (1, 2)))
    before, third = padded[:, :-3], padded[:, 3:]
    baby = jnp.asarray(_BABY_TOKENS)[missions]
    # MiniGrid's own "then" comes without a comma.
    baby &= (missions != TOKEN["then"]) | (before == TOKEN[","])
    begins = jnp.asarray(_BEGINS)[missions]
    baby = jnp.all(baby, axis=1) & jnp.isin(begins[:, 0], np.array(_VERBS))
    on = missions == TOKEN["on"]
    begins = jnp.where(on, jnp.where(third == TOKEN["left"], _LEFT, _RIGHT), begins)
    begins = jnp.where(baby[:, None], begins, _NONE)
    size = jnp.asarray(_SIZES)[begins]
    inside = jnp.zeros(missions.shape, bool)
    for k in range(1, _MAX):
        inside |= jnp.pad(size, ((0, 0), (k, 0)), constant_values=1)[:, :-k] > k
    begins = jnp.where(inside, _NONE, begins)
    return begins, ~inside & (begins == _NONE), baby


_PARTS = sorted(filter(None, _PHRASES), key=len, reverse=True)
_PIECES = re.compile("|".join(rf"(?<!\S){re.escape(part)}(?!\S)" for part in _PARTS) + r"|\S+")


def all_paraphrases(text: str, split: str) -> Iterator[str]:
    """Every way to say a mission with the wordings of a split, one after another; on the host.

    Their number is the product of those of all phrases: 128 in train for "go to the red ball", but
    millions for sentences of several clauses, so take only what you need.

    Args:
        text: a mission in BabyAI's words. One that is not of Baby Language has one way, its own.
        split: "train", "validation" or "test".

    Raises:
        SettingError: there is no such split, or a word is not in the vocabulary.
    """
    _wordings(split)
    text = vocabulary.decode(vocabulary.tokens(text))
    pieces = _PIECES.findall(text.replace(",", " ,"))
    verbs = [_PHRASES[verb] for verb in _VERBS]
    baby = pieces and pieces[0] in verbs and {*pieces} <= {*_PHRASES, *_BABY}
    return _ways(pieces, split) if baby else iter([text])


def _ways(pieces: list[str], split: str) -> Iterator[str]:
    whole = {part: phrase for phrase in POOL for part in phrase.split(" / ")}
    named = [part for part in ("", *pieces) if part in whole and part != "next to"]
    for chosen in itertools.product(*(POOL[whole[part]][split] for part in named)):
        wordings = iter(chosen)
        words, then = [next(wordings)], ""
        for piece in pieces:
            if piece == "next to":
                words.append(then)
            elif piece not in whole:
                words.append(piece)
            else:
                first, _, second = next(wordings).partition(" / ")
                if second and piece != "put":
                    words[0], first = first, second
                words.append(first)
                then = second
        yield vocabulary.decode(vocabulary.tokens(" ".join(words)))


@functools.cache
def max_paraphrase_length(length: int) -> int:
    """The most tokens that a mission of Baby Language with `length` tokens has in other words.

    It counts the wordings of all splits, so that what was trained on one can be tested on another.
    """

    def most(phrase: str) -> tuple[int, int]:  # tokens in BabyAI's words, and the most in others
        said = [w for split in SPLITS for w in POOL[phrase][split]]
        sizes = [len(vocabulary.tokens(w.replace(" / ", " "))) for w in said]
        return sizes[0], max(sizes)

    def sums(*choices: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """All sums of one choice of each; of those equally long in BabyAI's words, the longest."""
        best: dict[int, int] = {}
        for parts in itertools.product(*choices):
            plain, other = (sum(part[i] for part in parts) for i in range(2))
            if plain <= length:
                best[plain] = max(best.get(plain, 0), other)
        return set(best.items())

    places = ("on your left", "in front of you", "behind you")
    names = {(2, 2), (3, 3)}  # "the ball", "the red ball"
    thing = names | sums(names, {most(place) for place in places})
    clause = sums({most(verb) for verb in ("go to", "open", "pick up")}, thing)
    clause |= sums({most("put / next to")}, thing, thing)
    side = clause | sums(clause, {most("and")}, clause)
    sentence = side | sums(side, {most(", then"), most("after you")}, side)
    return max([length, *(other + most("")[1] for _, other in sentence)])


@functools.cache
def _wordings(split: str) -> _Wordings:
    if split not in SPLITS:
        raise SettingError("phrasing", split, "one of " + ", ".join(SPLITS))
    here, ahead = [], []
    for phrase, wordings in POOL.items():
        parts = [wording.split(" / ") for wording in wordings[split]]
        for k, _ in enumerate(phrase.split(" / ")):
            own = [part[k] if " / " in phrase else part[-1] for part in parts]
            lead = [part[0] if len(part) > 1 and " / " not in phrase else "" for part in parts]
            here.append([vocabulary.tokens(wording) for wording in own])
            ahead.append([vocabulary.tokens(wording) for wording in lead])
    counts = np.array([*map(len, here), 1], np.int32)
    width = max(len(wording) for row in here + ahead for wording in row)
    tables = np.zeros((2, len(counts), counts.max(), width), np.uint8)
    for table, rows in zip(tables, (here, ahead), strict=True):
        for i, row in enumerate(rows):
            for j, wording in enumerate(row):
                table[i, j, : len(wording)] = wording
    return _Wordings(tables[0], tables[1], counts)
