"""Feedback messages as token ids, in wordings that are drawn on the device.

A message has three parts, each a row of tokens padded with zeros: hindsight on the last action,
what to do next, and for what purpose. There are few different parts but many different messages, so
a network can encode each distinct part once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32

from didact.common.errors import SettingError
from didact.environments.capabilities import PARTS, Feedback, Remark
from didact.environments.feedback.wordings import TEMPLATE, THING, Pool, words_of
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS
from didact.environments.language.sentence_embeddings import Encoder
from didact.environments.random_draws import uniform_index

# Words of feedback with ids of their own; so has "stop", which missions have had since. Append new
# words: policies depend on the ids.
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
VOCABULARY_SIZE = 512  # the ids of missions and then of feedback, with room for more words
MAX_WORDS = 2048  # the maximum number of new words in a pool
_IDS = {word: i for i, word in enumerate(vocabulary.WORDS) if word}
_IDS |= {word: vocabulary.VOCABULARY_SIZE + i for i, word in enumerate(MORE_WORDS)}


class Message(NamedTuple):
    """The messages in n worlds, by part."""

    hindsight: Remark
    action: Remark
    purpose: Remark


class Speech:
    """The remarks of an environment in one phrasing, as token ids and as text.

    Args:
        feedback: defines the remarks and the objects they can refer to.
        pool: the wordings; by default those of `feedback`. The length of messages is that of the
            longest wording of all splits.
        phrasing: "template" for the first wording of each remark, or a split.

    Attributes:
        length: the number of tokens of each part of a message.
        ids: the token id of each word.
        vocabulary: the number of token ids. Words outside the built-in vocabulary get ids from
            `VOCABULARY_SIZE` on, in alphabetical order.

    Raises:
        SettingError: the phrasing does not exist, or the pool has too many new words.
    """

    def __init__(self, feedback: Feedback, pool: Pool | None = None, phrasing: str = TEMPLATE):
        if phrasing not in (TEMPLATE, *SPLITS):
            allowed = f"one of {', '.join((TEMPLATE, *SPLITS))}"
            raise SettingError("phrasing", phrasing, allowed)
        self.parts = {part: feedback.parts[part] for part in PARTS}
        self.things, pool = feedback.things, feedback.wordings if pool is None else pool
        texts = [text for splits in pool.values() for split in splits.values() for text in split]
        said = {word for text in (*texts, *self.things) for word in words_of(text)}
        own = sorted(said - set(_IDS) - {THING})
        if len(own) > MAX_WORDS:
            allowed = f"a pool with at most {MAX_WORDS} new words"
            raise SettingError("pool", f"{len(own)} new words", allowed)
        self.ids = _IDS | {word: VOCABULARY_SIZE + i for i, word in enumerate(own)}
        self._words = {i: word for word, i in self.ids.items()}
        self.vocabulary = VOCABULARY_SIZE + len(own)
        self.pool, self.phrasing = pool, phrasing
        names = [[self.ids[word] for word in words_of(thing)] for thing in self.things]
        width = max(map(len, names), default=0)
        # The words of a thing have the placeholders -1, -2, ...; shorter names leave gaps.
        self._slots, self._gaps = [-1 - i for i in range(width)], len({*map(len, names)}) > 1
        self._names = np.array([name + [0] * (width - len(name)) for name in names], np.int32)
        self.length = max(len(self._row(text)) for text in texts)
        self._tables, self._counts = {}, {}
        for part, remarks in self.parts.items():
            rows = [[self._row(text) for text in self.wordings(name)] for name in remarks]
            most = max(map(len, rows), default=1)
            table = np.zeros((len(remarks) + 1, most, self.length), np.int32)
            for i, row in enumerate(rows):
                for j, ids in enumerate(row):
                    table[i, j, : len(ids)] = ids
            self._tables[part] = table  # the last row, with index SILENT = -1, is empty
            self._counts[part] = np.array([*map(len, rows), 1], np.int32)

    def wordings(self, name: str) -> tuple[str, ...]:
        """Return the wordings of a remark in this phrasing."""
        if self.phrasing == TEMPLATE:
            return self.pool[name]["train"][:1]
        return self.pool[name][self.phrasing]

    def _row(self, text: str) -> list[int]:
        return [i for w in words_of(text) for i in (self._slots if w == THING else [self.ids[w]])]

    def tokens(self, message: Message, draws: Float[Array, "n 3"]) -> Int32[Array, "n 3 l"]:
        """Return messages as token ids, in wordings chosen by uniform draws in 0..1."""
        rows = []
        for k, part in enumerate(self.parts):
            remark = message[k]
            which = uniform_index(draws[:, k], jnp.asarray(self._counts[part])[remark.number])
            row = jnp.asarray(self._tables[part])[remark.number, which]
            for i, slot in enumerate(self._slots):
                word = jnp.asarray(self._names[:, i])[remark.thing]
                row = jnp.where(row == slot, word[:, None], row)
            if self._gaps:
                order = jnp.argsort(row == 0, axis=1, stable=True)
                row = jnp.take_along_axis(row, order, 1)
            rows.append(row)
        return jnp.stack(rows, axis=1)

    def vectors(self, encoder: Encoder) -> list[Float[Array, "r w t d"]]:
        """Encode all remarks, for each part by remark, wording and thing; zeros for SILENT.

        Raises:
            SettingError: the encoder does not return a finite array [m, d] for m texts.
        """
        texts, things = self.texts(), self.things or ("",)
        found = np.asarray(encoder(texts), np.float32)
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            value = f"one with output of shape {found.shape}"
            raise SettingError("encoder", value, f"finite [{len(texts)}, d]")
        row = {text: i for i, text in enumerate(texts)}
        tables = []
        for part, names in self.parts.items():
            most = self._tables[part].shape[1]
            table = np.zeros((len(names) + 1, most, len(things), found.shape[1]), np.float32)
            for i, name in enumerate(names):
                for j, text in enumerate(self.wordings(name)):
                    table[i, j] = found[[row[text.replace(THING, thing)] for thing in things]]
            tables.append(jnp.asarray(table))
        return tables

    def looked_up(
        self, tables: list[Float[Array, "r w t d"]], message: Message, draws: Float[Array, "n 3"]
    ) -> Float[Array, "n 3d"]:
        """Return the vectors of messages, in the same wordings as `tokens` with these draws."""
        found = []
        for k, (part, table) in enumerate(zip(self.parts, tables, strict=True)):
            remark = message[k]
            which = uniform_index(draws[:, k], jnp.asarray(self._counts[part])[remark.number])
            found.append(table[remark.number, which, remark.thing])
        return jnp.concatenate(found, axis=1)

    def text(self, ids: Int[np.ndarray, "3 l"] | Any) -> str:
        """Convert the token ids of a message to words, with a semicolon after hindsight."""
        row = np.asarray(ids)
        parts = row[0], row[1:].reshape(-1)
        return "; ".join(filter(None, map(self.words, parts))).replace(" ,", ",")

    def words(self, ids: Sequence[int] | np.ndarray | Any) -> str:
        """Convert token ids to words."""
        return " ".join(self._words[int(i)] for i in ids if i)

    def texts(self) -> list[str]:
        """Return the distinct texts of all remarks, in every wording and with every thing."""
        return sorted(
            {
                text.replace(THING, thing)
                for names in self.parts.values()
                for name in names
                for text in self.wordings(name)
                for thing in self.things or ("",)
            }
        )
