"""Feedback as token ids: what is to be said, drawn a wording for, on the device.

A message has three parts, each a row of tokens with zeros at its end: how the last action was,
what to do next, and what for. There are few different parts, if many different messages, so
whoever reads them may read each part once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, UInt8

from didact.environments.draws import pick
from didact.environments.errors import SettingError
from didact.environments.grid import cells, language
from didact.environments.grid.language import FIRST_COLOR, FIRST_TYPE
from didact.environments.grid.phrases import SPLITS
from didact.environments.grid.remarks import (
    ACTIONS,
    HINDSIGHT,
    PURPOSES,
    TEMPLATE,
    THING,
    Pool,
    words_of,
)
from didact.environments.grid.vectors import Encoder

SILENT = -1  # the number of no remark
PARTS = {"hindsight": HINDSIGHT, "action": ACTIONS, "purpose": PURPOSES}
# Words of feedback that missions do not have. New words come last: policies know words by ids.
MORE_WORDS = (
    *("any", "are", "arrive", "asked", "away", "bad", "because", "belong", "belongs", "blocked"),
    *("brought", "bumped", "came", "can", "cannot", "cell", "changed", "close", "closer"),
    *("completed", "correct", "did", "do", "does", "dropped", "effect", "exactly", "face", "far"),
    *("farther", "finished", "for", "free", "fulfilled", "good", "had", "happened", "help", "here"),
    *("into", "it", "job", "keep", "kept", "let", "lies", "look", "more", "moved", "nearer"),
    *("needed", "nice", "no", "nobody", "not", "nothing", "nowhere", "opened", "part", "perfect"),
    *("picked", "progress", "rid", "rotate", "say", "shut", "so", "something", "stay", "stayed"),
    *("stop", "there", "this", "through", "told", "too", "took", "towards", "turn", "turned"),
    *("turning", "vain", "wait", "walked", "was", "went", "were", "what", "wrong", "yes"),
)
VOCABULARY_SIZE = 512  # the ids of missions, then those of feedback, with room for words to come
MOST_WORDS = 2048  # of a pool's own
_COLOR_SLOT, _TYPE_SLOT = -1, -2
_THINGS = [f"{color} {kind}" for color in cells.COLORS for kind in cells.TYPES]
_IDS = {word: i for i, word in enumerate(language.WORDS) if word}
_IDS |= {word: language.VOCABULARY_SIZE + i for i, word in enumerate(MORE_WORDS)}


class Message(NamedTuple):
    """What is said in n worlds: numbers of remarks, or SILENT, and packed things they speak of."""

    hindsight: Int32[Array, " n"]
    action: Int32[Array, " n"]
    purpose: Int32[Array, " n"]
    hindsight_thing: UInt8[Array, " n"]
    action_thing: UInt8[Array, " n"]
    purpose_thing: UInt8[Array, " n"]


class Speech:
    """The wordings of a pool in one phrasing.

    Args:
        pool: all wordings there are; messages are as long as the longest of all splits.
        phrasing: "template", the first wording of each remark; or a split.

    Attributes:
        length: tokens of a part of a message.
        ids: of words.
        vocabulary: how many ids there are. Words of the pool that are no words of ours have ids
            from `VOCABULARY_SIZE` on, in the order of the alphabet.

    Raises:
        SettingError: there is no such phrasing, or the pool has too many words of its own.
    """

    def __init__(self, pool: Pool, phrasing: str = TEMPLATE):
        if phrasing not in (TEMPLATE, *SPLITS):
            allowed = f"one of {', '.join((TEMPLATE, *SPLITS))}"
            raise SettingError("phrasing", phrasing, allowed)
        texts = [text for splits in pool.values() for split in splits.values() for text in split]
        said = {word for text in texts for word in words_of(text)}
        own = sorted(said - set(_IDS) - {THING})
        if len(own) > MOST_WORDS:
            allowed = f"a pool with at most {MOST_WORDS} words that are new here"
            raise SettingError("pool", f"{len(own)} new words", allowed)
        self.ids = _IDS | {word: VOCABULARY_SIZE + i for i, word in enumerate(own)}
        self._words = {i: word for word, i in self.ids.items()}
        self.vocabulary = VOCABULARY_SIZE + len(own)
        self.pool, self.phrasing = pool, phrasing
        self.length = max(len(self._row(text)) for text in texts)
        self._tables, self._counts = {}, {}
        for part, names in PARTS.items():
            rows = [[self._row(text) for text in self.wordings(name)] for name in names]
            table = np.zeros((len(names) + 1, max(map(len, rows)), self.length), np.int32)
            for i, row in enumerate(rows):
                for j, ids in enumerate(row):
                    table[i, j, : len(ids)] = ids
            self._tables[part] = table  # the last remark, number SILENT, is empty
            self._counts[part] = np.array([*map(len, rows), 1], np.int32)

    def wordings(self, name: str) -> tuple[str, ...]:
        """How a remark may be said in this phrasing."""
        if self.phrasing == TEMPLATE:
            return self.pool[name]["train"][:1]
        return self.pool[name][self.phrasing]

    def _row(self, text: str) -> list[int]:
        slots = [_COLOR_SLOT, _TYPE_SLOT]
        return [i for w in words_of(text) for i in (slots if w == THING else [self.ids[w]])]

    def tokens(self, message: Message, draws: Float[Array, "n 3"]) -> Int32[Array, "n 3 l"]:
        """Messages as token ids, with the wordings that numbers uniform in 0..1 draw."""
        rows = []
        for k, part in enumerate(PARTS):
            remark = message[k]
            which = pick(draws[:, k], jnp.asarray(self._counts[part])[remark])
            row = jnp.asarray(self._tables[part])[remark, which]
            kind, color = (x[:, None] for x in _look_of(message[3 + k]))
            row = jnp.where(row == _COLOR_SLOT, FIRST_COLOR + color, row)
            rows.append(jnp.where(row == _TYPE_SLOT, FIRST_TYPE + kind, row))
        return jnp.stack(rows, axis=1)

    def vectors(self, encoder: Encoder) -> list[Float[Array, "r w t d"]]:
        """For each part the vectors of its remarks, wordings and things; zeros for SILENT.

        Raises:
            SettingError: the encoder gives no finite array [m, d] for m texts.
        """
        texts = self.texts()
        found = np.asarray(encoder(texts), np.float32)
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            told = f"one with output of shape {found.shape}"
            raise SettingError("encoder", told, f"finite [{len(texts)}, d]")
        row = {text: i for i, text in enumerate(texts)}
        tables = []
        for part, names in PARTS.items():
            most = self._tables[part].shape[1]
            table = np.zeros((len(names) + 1, most, len(_THINGS), found.shape[1]), np.float32)
            for i, name in enumerate(names):
                for j, text in enumerate(self.wordings(name)):
                    table[i, j] = found[[row[text.replace(THING, thing)] for thing in _THINGS]]
            tables.append(jnp.asarray(table))
        return tables

    def looked_up(
        self, tables: list[Float[Array, "r w t d"]], message: Message, draws: Float[Array, "n 3"]
    ) -> Float[Array, "n 3d"]:
        """The vectors of messages, in the wordings that `tokens` has with the same draws."""
        found = []
        for k, (part, table) in enumerate(zip(PARTS, tables, strict=True)):
            remark = message[k]
            which = pick(draws[:, k], jnp.asarray(self._counts[part])[remark])
            kind, color = _look_of(message[3 + k])
            # Whatever is ahead may stand for a thing where none is spoken of.
            thing = jnp.clip(color * len(cells.TYPES) + kind - cells.DOOR, 0, len(_THINGS) - 1)
            found.append(table[remark, which, thing])
        return jnp.concatenate(found, axis=1)

    def text(self, ids: Int[np.ndarray, "3 l"] | Any) -> str:
        """A message of token ids in words, with a semicolon after what is said of the past."""
        row = np.asarray(ids)
        parts = row[0], row[1:].reshape(-1)
        return "; ".join(filter(None, map(self.words, parts))).replace(" ,", ",")

    def words(self, ids: Sequence[int] | np.ndarray | Any) -> str:
        """The words of token ids."""
        return " ".join(self._words[int(i)] for i in ids if i)

    def texts(self) -> list[str]:
        """Every remark in every wording, with every thing, each told once: to be encoded."""
        return sorted(
            {
                text.replace(THING, thing)
                for names in PARTS.values()
                for name in names
                for text in self.wordings(name)
                for thing in _THINGS
            }
        )


def _look_of(things: UInt8[Array, " n"]) -> tuple[Int32[Array, " n"], Int32[Array, " n"]]:
    """Kinds and colours of packed things, as they are spoken of: a door in any state is a door."""
    kind = cells.kind_of(things).astype(jnp.int32)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    return kind, cells.color_of(things).astype(jnp.int32)
