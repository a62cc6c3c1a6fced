"""The words of instructions: one vocabulary for Baby Language and MiniGrid's own missions.

Any environment may use it; nothing here depends on grids.

Paraphrases (`paraphrase_pool`) and views in words (`text_observation`) have more words; these come
after those of missions, so that no id ever changes.

A mission is a row of token ids, 0 where it has ended. Commas are tokens too, because Baby Language
tells ", then" (a sequence) from "then" in MiniGrid's fixed sentences.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from didact.common.errors import SettingError

# What things are called, numbered as in MiniGrid: red is 0, a door is 4.
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
TYPES = {"door": 4, "key": 5, "ball": 6, "box": 7}

MISSION_WORDS = (
    "",  # 0: nothing
    *COLORS,
    *(*TYPES, "object"),
    *("go", "to", "pick", "up", "open", "put", "next"),
    *("a", "the", "and", ",", "then", "after", "you", "in", "front", "of", "behind"),
    *("on", "your", "left", "right"),
    # Only in missions of MiniGrid's own environments.
    *("get", "fetch", "must", "use", "goal", "square", "avoid", "lava", "find"),
    *("opening", "near", "reach", "traverse", "rooms", "room", "from", "unlock"),
    *("matching", "at", "end", "hallway", "maze"),
)
# New words come last: policies and saved missions know words by their ids.
WORDS = (
    *MISSION_WORDS,
    # Only in views in words.
    *("see", "carry", "wall", "floor", "an", "closed", "locked", "step", "steps", "forward"),
    *("1", "2", "3", "4", "5", "6"),
    # Only in paraphrases.
    *("walk", "over", "head", "move", "travel", "make", "way", "proceed", "approach", "come"),
    *("visit", "navigate", "pull", "push", "swing", "throw", "fling", "slide", "ease", "crack"),
    *("nudge", "unseal", "unfasten", "sure", "be", "tug", "unbar", "unlatch", "yank", "grab"),
    *("take", "collect", "lift", "hold", "retrieve", "seize", "obtain", "acquire", "possession"),
    *("snatch", "gather", "scoop", "secure", "beside", "down", "place", "set", "lay", "leave"),
    *("drop", "deposit", "position", "adjacent", "bring", "alongside", "rest", "side", "by"),
    *("with", "park", "directly", "please", "now", "should", "have", "need", "task", "is", "i"),
    *("want", "would", "like", "also", "additionally", "as", "well", "plus", "besides", "that"),
    *("afterwards", "once", "done", "subsequently", "soon", "only", "but", "first", "before"),
    *("immediately", "beforehand", "hand", "ahead", "out", "back", "rear", "rearward"),
)
VOCABULARY_SIZE = 256  # room for words to come, so that policies outlive them
TOKEN = {word: i for i, word in enumerate(WORDS)}

FIRST_COLOR = TOKEN[COLORS[0]]  # the token of colour 0; the others follow
FIRST_TYPE = TOKEN["door"] - TYPES["door"]  # likewise, what type 0 would have

DEFAULT_LENGTH = 16
MAX_LENGTH = 72  # tokens of the longest sentence: four times "put next to", with all that is told


def tokens(text: str) -> list[int]:
    """The token ids of a mission text, without padding.

    Raises:
        SettingError: a word is not in the vocabulary.
    """
    ids = []
    for word in re.findall(r"[^\s,]+|,", text.lower()):
        if word not in TOKEN:
            raise SettingError("word", word, "a word of the vocabulary of missions")
        ids.append(TOKEN[word])
    return ids


def encode(text: str, length: int = DEFAULT_LENGTH) -> np.ndarray:
    """A mission text, such as the official package gives, as uint8[length] token ids.

    Raises:
        SettingError: a word is not in the vocabulary, or there are more than `length` tokens.
    """
    ids = tokens(text)
    if len(ids) > length:
        raise SettingError("mission", text, f"at most {length} tokens long (it has {len(ids)})")
    return np.array(ids + [0] * (length - len(ids)), np.uint8)


def decode(ids: Sequence[int] | np.ndarray | Iterable[Any]) -> str:
    """The text of a mission of token ids."""
    words = [WORDS[int(i)] for i in ids]
    return " ".join(word for word in words if word).replace(" ,", ",")


def go_to(
    kind: Int[Array, "*s"],
    color: Int[Array, "*s"],
    several: Bool[Array, "*s"],
    length: int = DEFAULT_LENGTH,
) -> UInt8[Array, "*s l"]:
    """The instruction "go to the red ball".

    Args:
        kind, color: of the object to go to, as numbered by `TYPES` and `COLORS`.
        several: whether more than one object has both: "a red ball" instead of "the".
        length: the number of tokens l.
    """
    words = [
        jnp.full(kind.shape, TOKEN["go"]),
        jnp.full(kind.shape, TOKEN["to"]),
        jnp.where(several, TOKEN["a"], TOKEN["the"]),
        FIRST_COLOR + color,
        FIRST_TYPE + kind,
    ]
    words += [jnp.zeros(kind.shape, jnp.uint8)] * (length - len(words))
    return jnp.stack([word.astype(jnp.uint8) for word in words], -1)
