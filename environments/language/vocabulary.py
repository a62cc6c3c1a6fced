"""The vocabulary of instructions in Baby Language and of MiniGrid's own missions.

Any environment can use it; nothing here depends on grids.

The further words of paraphrases (`paraphrase_pool`) and text observations (`text_observation`) come
after those of missions, so that ids never change.

A mission is a row of token ids, padded with 0. Commas are tokens, too, because Baby Language
distinguishes ", then" (a sequence) from "then" in MiniGrid's fixed sentences.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from didact.common.errors import SettingError

# The names of colors and types, numbered as in MiniGrid: red is 0, a door is 4.
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
TYPES = {"door": 4, "key": 5, "ball": 6, "box": 7}

MISSION_WORDS = (
    "",  # 0: padding
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
# Append new words at the end: policies and saved missions depend on the ids.
WORDS = (
    *MISSION_WORDS,
    # Only in text observations.
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
    # Only in the crafting world: its instructions, and what can be seen there.
    *("sapling", "wood", "stone", "coal", "iron", "diamond", "table", "furnace", "plant"),
    *("zombie", "skeleton", "cow", "drink", "eat", "sleep", "wake", "pickaxe", "sword", "craft"),
    *("build", "mine", "dig", "some", "defeat", "kill", "fight", "chop", "cut", "grass", "food"),
    *("wooden", "ripe", "long", "water", "sand", "path", "tree", "arrow", "sky", "dark", "feel"),
    *("north", "south", "east", "west", "7", "8", "9", "hungry", "thirsty", "tired", "hurt"),
    # Only in instructions for bodies.
    *("second", "stump", "stop", "hang", "ceiling", "both", "hands", "swim", "stand", "still"),
    *("jump", "dive"),
)
VOCABULARY_SIZE = 256  # has room for new words, so that existing policies stay compatible
TOKEN = {word: i for i, word in enumerate(WORDS)}

FIRST_COLOR = TOKEN[COLORS[0]]  # the token of color 0; the others follow
FIRST_TYPE = TOKEN["door"] - TYPES["door"]  # the token that type 0 would have

DEFAULT_LENGTH = 16
MAX_LENGTH = 72  # tokens of the longest sentence: four "put next to" with full descriptions


def tokens(text: str) -> list[int]:
    """Return the token ids of a mission text, without padding.

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
    """Encode a mission text, such as those of the official package, as uint8[length] token ids.

    Raises:
        SettingError: a word is not in the vocabulary, or there are more than `length` tokens.
    """
    ids = tokens(text)
    if len(ids) > length:
        raise SettingError("mission", text, f"at most {length} tokens long (it has {len(ids)})")
    return np.array(ids + [0] * (length - len(ids)), np.uint8)


def decode(ids: Sequence[int] | np.ndarray | Iterable[Any]) -> str:
    """Decode the token ids of a mission.

    Raises:
        SettingError: an id is that of no word.
    """
    numbers = [int(i) for i in ids]
    for number in numbers:
        if not 0 <= number < len(WORDS):
            raise SettingError("token", number, f"from 0 to {len(WORDS) - 1}")
    words = [WORDS[number] for number in numbers]
    return " ".join(word for word in words if word).replace(" ,", ",")


def go_to(
    kind: Int[Array, "*s"],
    color: Int[Array, "*s"],
    several: Bool[Array, "*s"],
    length: int = DEFAULT_LENGTH,
) -> UInt8[Array, "*s l"]:
    """Return instructions of the form "go to the red ball".

    Args:
        kind, color: the type and color of the object, as numbered by `TYPES` and `COLORS`.
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
