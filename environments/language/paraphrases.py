"""Paraphrases of Baby Language missions, drawn from `paraphrase_pool` on the device.

Missions of any level are rewritten token by token. Each of BabyAI's phrases ("go to", "on your
left", ...) is replaced by an independently drawn wording; articles, colors and types are kept.
MiniGrid's own missions, which are not Baby Language, are not changed.
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

# The phrases as they occur in missions, by number; 0 is the opening of a sentence.
_PHRASES = tuple(part for phrase in POOL for part in phrase.split(" / "))
_PUT, _NEXT_TO = _PHRASES.index("put"), _PHRASES.index("next to")
_LEFT, _RIGHT = _PHRASES.index("on your left"), _PHRASES.index("on your right")
_VERBS = tuple(_PHRASES.index(verb) for verb in ("go to", "open", "pick up", "put"))
_SIDES = tuple(_PHRASES.index(joiner) for joiner in (", then", "after you"))
_NONE = len(_PHRASES)
_SIZES = np.array([len(vocabulary.tokens(phrase)) for phrase in _PHRASES] + [1], np.int32)
_MAX = int(_SIZES.max())  # the maximum number of tokens of a phrase
# The phrase that a token begins; "on" is ambiguous and is resolved in `_phrases_in`.
_BEGINS = np.full(vocabulary.VOCABULARY_SIZE, _NONE, np.int32)
for _number, _phrase in enumerate(_PHRASES):
    if _phrase:
        _BEGINS[vocabulary.tokens(_phrase)[0]] = _number
_BABY = "a", "the", "object", *vocabulary.TYPES, *vocabulary.COLORS
_BABY_TOKENS = np.zeros(vocabulary.VOCABULARY_SIZE, bool)
_BABY_TOKENS[[0, *(t for text in (*_PHRASES, *_BABY) for t in vocabulary.tokens(text))]] = True


class _Wordings(NamedTuple):
    """The wordings of one split, as tokens padded with zeros."""

    here: UInt8[np.ndarray, "phrases wordings w"]  # replaces the phrase
    ahead: UInt8[np.ndarray, "phrases wordings w"]  # precedes the sentence; zeros if empty
    counts: Int32[np.ndarray, " phrases"]


def paraphrase(
    keys: PRNGKeyArray, missions: UInt8[Array, "n l"], split: str, length: int | None = None
) -> UInt8[Array, "n m"]:
    """Paraphrase missions.

    The wording of each phrase is drawn independently and uniformly. The same key and mission give
    the same words. The function can be jitted (split and length are static), and works on missions
    of any origin, such as levels imported by `minigrid_import.from_minigrid`.

    Args:
        keys: n keys.
        missions: token ids, in BabyAI's wording.
        split: "train", "validation" or "test".
        length: m, the number of tokens. The default, `max_paraphrase_length(l)`, is sufficient for
            any paraphrase of a Baby Language mission of l tokens. Longer paraphrases are truncated.

    Returns:
        The token ids of the paraphrases.

    Raises:
        SettingError: the split does not exist.
    """
    wordings = _wordings(split)
    length = max_paraphrase_length(missions.shape[-1]) if length is None else length
    begins, said, baby = _phrases_in(missions)
    # The opening of the sentence gets its own column.
    begins = jnp.concatenate([jnp.where(baby, 0, _NONE)[:, None], begins], axis=1)
    drawn = jax.vmap(lambda key: jax.random.uniform(key, begins.shape[1:]))(keys)
    which = uniform_index(drawn, jnp.asarray(wordings.counts)[begins])
    # "Put" and the "next to" that follows it share a draw.
    put = jax.lax.cummax(jnp.where(begins == _PUT, np.arange(begins.shape[1]), 0), axis=1)
    which = jnp.where(begins == _NEXT_TO, jnp.take_along_axis(which, put, axis=1), which)
    pieces = jnp.asarray(wordings.here)[begins, which]
    kept = jnp.pad(jnp.where(said, missions, 0), ((0, 0), (1, 0)))
    alone = jnp.pad(kept[..., None], ((0, 0), (0, 0), (0, pieces.shape[-1] - 1)))
    pieces = jnp.where((begins == _NONE)[..., None], alone, pieces)
    # If the wording that joins two sides has two parts, the first one replaces the opening.
    side = jnp.argmax(jnp.isin(begins, np.array(_SIDES)), axis=1)[:, None]
    phrase, wording = (jnp.take_along_axis(x, side, axis=1)[:, 0] for x in (begins, which))
    ahead = jnp.asarray(wordings.ahead)[phrase, wording]
    opening = jnp.where(ahead[:, :1] != 0, ahead, pieces[:, 0])
    return concatenate_ragged(pieces.at[:, 0].set(opening), length)


def _phrases_in(
    missions: UInt8[Array, "n l"],
) -> tuple[Int32[Array, "n l"], Bool[Array, "n l"], Bool[Array, " n"]]:
    """Find the phrase that each token begins, the tokens of no phrase, and the Baby Language rows.

    Rows that are not Baby Language have no phrases.
    """
    padded = jnp.pad(missions, ((0, 0), (1, 2)))
    before, third = padded[:, :-3], padded[:, 3:]
    baby = jnp.asarray(_BABY_TOKENS)[missions]
    # In MiniGrid's own missions, "then" has no comma.
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
    """Iterate over all paraphrases of a mission in a split, on the host.

    Their number is the product of the numbers of wordings of all phrases: 128 in "train" for "go to
    the red ball", but millions for sentences with several clauses.

    Args:
        text: a mission in BabyAI's wording. The only paraphrase of other missions is themselves.
        split: "train", "validation" or "test".

    Raises:
        SettingError: the split does not exist, or a word is not in the vocabulary.
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
    """Return the maximum number of tokens of a paraphrase of a mission with `length` tokens.

    The maximum is over all splits, so that students trained on one split can be evaluated on
    another.
    """

    def most(phrase: str) -> tuple[int, int]:  # tokens in BabyAI's wording, and in the longest
        said = [w for split in SPLITS for w in POOL[phrase][split]]
        sizes = [len(vocabulary.tokens(w.replace(" / ", " "))) for w in said]
        return sizes[0], max(sizes)

    def sums(*choices: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Add up one choice of each, keeping the longest paraphrase for each original length."""
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
