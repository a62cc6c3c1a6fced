"""MiniGrid's own sentences: the tokens are those of the text with its gaps filled."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from didact.common.errors import SettingError
from didact.environments.grid import cells
from didact.environments.language import vocabulary
from didact.environments.language.templates import Templates

TEXTS = [
    "you must fetch a {color0} {type0}",
    "put the {color0} {type0} near the {color1} {type1}",
    "get the {color0} key from the {color1} room, unlock the {color0} door and go to the goal",
    "go to the {type1}",
    "traverse the rooms to get to the goal",
]


def test_filled_sentences_are_the_tokens_of_their_texts():
    templates, cases = Templates(TEXTS), []
    for which, colors, types in itertools.product(
        range(len(TEXTS)), itertools.permutations(range(6), 2), itertools.permutations(range(4), 2)
    ):
        cases.append((which, colors, types))
    kinds = np.array(list(cells.TYPES.values()))
    which, colors, types = (np.array(x) for x in zip(*cases, strict=True))
    filled = np.asarray(
        templates.fill(jnp.asarray(which), jnp.asarray(colors), jnp.asarray(kinds[types]), 20)
    )
    for row, (text, color, kind) in zip(filled, cases, strict=True):
        gaps = {f"color{i}": cells.COLORS[c] for i, c in enumerate(color)}
        gaps |= {f"type{i}": list(cells.TYPES)[k] for i, k in enumerate(kind)}
        assert (row == vocabulary.encode(TEXTS[text].format(**gaps), 20)).all()


def test_unknown_words_and_too_little_room_are_told():
    with pytest.raises(SettingError, match="flamingo"):
        Templates(["fetch a {color0} flamingo"])
    templates, nothing = Templates(TEXTS), jnp.zeros(1, jnp.int32)
    assert templates.longest == 18
    with pytest.raises(SettingError, match="mission_length is 17"):
        templates.fill(nothing, jnp.zeros((1, 2)), jnp.zeros((1, 2)), 17)
