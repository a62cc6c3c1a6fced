"""Instructions for sequences of achievements as token ids, written on the device."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, PRNGKeyArray, UInt8

from didact.common.errors import SettingError
from didact.environments.crafting.layout import ACHIEVEMENTS
from didact.environments.crafting.phrases import JOINERS, OPENINGS, PHRASES
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS
from didact.environments.language.ragged_tokens import concatenate_ragged
from didact.environments.random_draws import uniform_index

STEPS = 3  # of an instruction, at most
NOTHING = len(ACHIEVEMENTS)  # instead of a further step


class _Table(NamedTuple):
    """The wordings of phrases, as tokens padded with zeros."""

    words: UInt8[np.ndarray, "phrases wordings w"]
    counts: Int32[np.ndarray, " phrases"]


def _table(rows: list[tuple[str, ...]]) -> _Table:
    tokens = [[vocabulary.tokens(text) for text in texts] for texts in rows]
    width = max(len(text) for texts in tokens for text in texts)
    words = np.zeros((len(rows), max(map(len, rows)), width), np.uint8)
    for i, texts in enumerate(tokens):
        for j, text in enumerate(texts):
            words[i, j, : len(text)] = text
    return _Table(words, np.array([len(texts) for texts in rows], np.int32))


@functools.cache
def _tables(split: str | None) -> tuple[_Table, _Table, _Table]:
    """Return the wordings of openings, joiners and achievements, with an empty one at the end."""
    if split is None:  # the original wording only
        openings, joiners = ("",), JOINERS["train"][:1]
        names = [PHRASES[name]["train"][:1] for name in ACHIEVEMENTS]
    elif split in SPLITS:
        openings, joiners = OPENINGS[split], JOINERS[split]
        names = [PHRASES[name][split] for name in ACHIEVEMENTS]
    else:
        raise SettingError("phrasing", split, "one of " + ", ".join(SPLITS))
    return _table([openings]), _table([joiners, ("",)]), _table([*names, ("",)])


def check(split: str | None) -> None:
    """Check that a split of paraphrases exists.

    Raises:
        SettingError: it does not.
    """
    _tables(split)


def _longest() -> int:
    """Return the number of tokens of the longest instruction in any wording."""
    sizes = [[table.words.shape[2] for table in _tables(split)] for split in (None, *SPLITS)]
    opening, joiner, name = np.max(sizes, 0)
    return int(opening + STEPS * name + (STEPS - 1) * joiner)


LENGTH = _longest()


def write(
    steps: Int32[Array, "n 3"], keys: PRNGKeyArray | None = None, split: str | None = None
) -> UInt8[Array, "n l"]:
    """Return instructions such as "collect wood, then place a table", as token ids.

    Args:
        steps: the achievements in their order, as indices; `NOTHING` after the last one.
        keys: n keys, which determine the wordings; not needed for the original ones.
        split: "train", "validation" or "test" for paraphrases; None for the original wording.

    Raises:
        SettingError: the split does not exist.
    """
    opening, joiner, names = _tables(split)
    n = steps.shape[0]
    draws = jnp.zeros((n, 2 * STEPS))
    if keys is not None:
        draws = jax.vmap(lambda key: jax.random.uniform(key, (2 * STEPS,)))(keys)

    def phrase(table: _Table, number: Int32[Array, " n"], draw: Array) -> UInt8[Array, "n w"]:
        which = uniform_index(draw, jnp.asarray(table.counts)[number])
        words = jnp.asarray(table.words)[number, which]
        return jnp.pad(words, ((0, 0), (0, _WIDEST - words.shape[1])))

    pieces = [phrase(opening, jnp.zeros(n, jnp.int32), draws[:, 0])]
    for step in range(STEPS):
        if step:
            absent = (steps[:, step] == NOTHING).astype(jnp.int32)
            pieces.append(phrase(joiner, absent, draws[:, 2 * step]))
        pieces.append(phrase(names, steps[:, step], draws[:, 2 * step + 1]))
    return concatenate_ragged(jnp.stack(pieces, 1), LENGTH)


_WIDEST = max(table.words.shape[2] for split in (None, *SPLITS) for table in _tables(split))


def text(*names: str) -> str:
    """Return the instruction for a sequence of achievements, in the original wording."""
    joiner = JOINERS["train"][0]
    return f"{joiner} ".join(PHRASES[name]["train"][0] for name in names)
