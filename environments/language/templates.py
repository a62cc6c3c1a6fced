"""Sentence templates for MiniGrid's own missions, which are not Baby Language."""

import re
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from didact.common.errors import SettingError
from didact.environments.language.vocabulary import FIRST_COLOR, FIRST_TYPE, tokens

_GAPS = {"color": FIRST_COLOR, "type": FIRST_TYPE}
_GAP = re.compile(r"\{(" + "|".join(_GAPS) + r")(\d)\}")


class Templates:
    """Sentences with placeholders for colors and types: "go to the {color0} {type0}".

    Args:
        texts: the sentences. `{color0}` and `{type0}` are the color and the type of object 0.

    Raises:
        SettingError: a word is not in the vocabulary.
    """

    def __init__(self, texts: Sequence[str]):
        words = [re.findall(r"[^\s,]+|,", text) for text in texts]
        self.longest = max(map(len, words))
        """The number of tokens of the longest sentence."""
        shape = len(words), self.longest
        self._token = np.zeros(shape, np.int32)
        self._gap = np.zeros(shape, np.int32)  # the index of the value to insert, from 1
        for i, sentence in enumerate(words):
            for j, word in enumerate(sentence):
                gap = _GAP.fullmatch(word)
                if gap is None:
                    self._token[i, j] = tokens(word)[0]
                    continue
                self._token[i, j] = _GAPS[gap[1]]
                self._gap[i, j] = 1 + 2 * int(gap[2]) + (gap[1] == "type")

    def fill(
        self,
        which: Int[Array, "*n"],
        colors: Int[Array, "*n t"],
        types: Int[Array, "*n t"],
        length: int,
    ) -> UInt8[Array, "*n l"]:
        """Return the token ids of sentences.

        Args:
            which: the index of each sentence.
            colors, types: the colors and types of its objects, as numbered in `cells` (DOOR for
                doors of any state).
            length: l, the number of tokens.

        Raises:
            SettingError: a sentence has more than l tokens.
        """
        if length < self.longest:
            raise SettingError("mission_length", length, f"{self.longest} or more for this level")
        things = jnp.stack([colors, types], axis=-1).reshape(*which.shape, -1)
        nothing = jnp.zeros((*which.shape, 1), jnp.int32)
        fillings = jnp.concatenate([nothing, things.astype(jnp.int32)], axis=-1)
        filled = jnp.take_along_axis(fillings, jnp.asarray(self._gap)[which], axis=-1)
        sentence = (jnp.asarray(self._token)[which] + filled).astype(jnp.uint8)
        rest = jnp.zeros((*which.shape, length - self.longest), jnp.uint8)
        return jnp.concatenate([sentence, rest], axis=-1)
