"""What a player sees, in words: sentences on the host, token ids on the device.

The sentences are, in this order: "You sleep" and "The sky is dark"; what the player faces ("In
front of you is grass"); where the nearest thing of each kind is ("You see a tree 2 north and 1
east"); which needs are low ("You feel hungry", at 3 or less); and the inventory ("You have 2
wood").
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from didact.environments.crafting import layout
from didact.environments.crafting.layout import ITEM, MATERIALS, RESOURCES, SIGHTS, TOOLS, VIEW
from didact.environments.language import vocabulary
from didact.environments.language.ragged_tokens import concatenate_ragged
from didact.environments.spaces import ArraySpace

_ROWS, _COLUMNS = VIEW
_CENTER = _ROWS // 2 * _COLUMNS + _COLUMNS // 2
_DY, _DX = (axis.ravel() for axis in np.mgrid[:_ROWS, :_COLUMNS])
_DY, _DX = _DY - _ROWS // 2, _DX - _COLUMNS // 2
# The cells by their distance.
_ORDER = np.argsort(np.abs(_DX) + np.abs(_DY), kind="stable")[1:]
DARK = 0.5
LOW = 3  # of health, food, drink and energy

_NAMES = {
    "water": "water",
    "grass": "grass",
    "stone": "stone",
    "path": "a path",
    "sand": "sand",
    "tree": "a tree",
    "lava": "lava",
    "coal": "coal",
    "iron": "iron",
    "diamond": "a diamond",
    "table": "a table",
    "furnace": "a furnace",
    "cow": "a cow",
    "zombie": "a zombie",
    "skeleton": "a skeleton",
    "arrow": "an arrow",
    "sapling": "a sapling",
    "ripe plant": "a ripe plant",
}
_THINGS = tuple(_NAMES)
# Which of them each material or sight is; -1 for nothing.
_OF_MATERIAL = np.array([_THINGS.index(m) if m in _NAMES else -1 for m in MATERIALS])
_OF_SIGHT = np.array(
    [-1 if s == "none" else _THINGS.index("arrow" if "arrow" in s else s) for s in SIGHTS]
)
_NEEDS = {"health": "hurt", "food": "hungry", "drink": "thirsty", "energy": "tired"}
_CARRIED = (*RESOURCES, *TOOLS)
_FACED_CELL = _CENTER + layout.DX + _COLUMNS * layout.DY


def _where(cell: int) -> str:
    parts = []
    for number, back, ahead in ((_DY[cell], "north", "south"), (_DX[cell], "west", "east")):
        if number:
            parts.append(f"{abs(number)} {back if number < 0 else ahead}")
    return " and ".join(parts)


def _item(name: str, count: int) -> str:
    return f"You have {count} {name.replace('_', ' ')}" if count else ""


def _table(sentences: Iterable[str]) -> Int[np.ndarray, "m w"]:
    """Return a row of tokens for each sentence, ending with a comma; all zeros for ''."""
    rows = [[*vocabulary.tokens(s), vocabulary.TOKEN[","]] if s else [] for s in sentences]
    return np.array([row + [0] * (_WIDTH - len(row)) for row in rows], np.uint8)


_WIDTH = 11  # "you see a ripe plant 3 north and 4 east ,"
_PLACES = [_where(cell) for cell in range(_ROWS * _COLUMNS)]
_STATES = _table(["", "You sleep", "", "The sky is dark"]).reshape(2, 2, _WIDTH)
_FACES = _table([*(f"In front of you is {name}" for name in _NAMES.values()), ""])
_SEES = _table(
    f"You see {name} {place}" if place else "" for name in _NAMES.values() for place in _PLACES
).reshape(len(_NAMES), len(_PLACES), _WIDTH)
_FEELS = _table([text for name in _NEEDS.values() for text in ("", f"You feel {name}")])
_FEELS = _FEELS.reshape(len(_NEEDS), 2, _WIDTH)
_HAS = _table(_item(name, count) for name in _CARRIED for count in range(layout.MOST + 1))
_HAS = _HAS.reshape(len(_CARRIED), layout.MOST + 1, _WIDTH)

LENGTH = int(
    sum(np.sum(np.max(np.sum(table != 0, -1), 1)) for table in (_STATES, _SEES, _FEELS, _HAS))
    + np.max(np.sum(_FACES != 0, -1))
    - 1
)
SPACE = ArraySpace((LENGTH,), np.uint8, 0, vocabulary.VOCABULARY_SIZE - 1, kind="hidden")
"""The space of `tokens`."""


def tokens(observation: Mapping[str, Array]) -> UInt8[Array, "n l"]:
    """Describe what n players see, as token ids of `vocabulary.WORDS`.

    Args:
        observation: the symbolic observation, see `layout.OBSERVATION_SPACE`.
    """
    view = observation["view"].astype(jnp.int32)
    n = view.shape[0]
    material, sight = (view[..., i].reshape(n, -1) for i in range(2))
    kinds = jnp.stack([jnp.asarray(_OF_MATERIAL)[material], jnp.asarray(_OF_SIGHT)[sight]], 1)
    nearest = kinds[:, :, _ORDER]  # [n, 2, cells], nearest first
    there = jnp.any(nearest[:, :, None] == np.arange(len(_NAMES))[:, None], 1)
    first = jnp.where(jnp.any(there, -1), jnp.asarray(_ORDER)[jnp.argmax(there, -1)], _CENTER)
    sees = jnp.asarray(_SEES)[np.arange(len(_NAMES)), first]  # there is no sentence for the center

    at = jnp.asarray(_FACED_CELL)[observation["facing"]]
    faced = jnp.take_along_axis(kinds, at[:, None, None], 2)[..., 0]
    faced = jnp.where(faced[:, 1] >= 0, faced[:, 1], faced[:, 0])
    faces = jnp.asarray(_FACES)[faced]  # -1 is the last row, which is empty

    states = jnp.stack([observation["sleeping"] > 0, observation["light"] < DARK], 1)
    states = jnp.asarray(_STATES)[np.arange(2), states.astype(jnp.int32)]
    counts = jnp.clip(observation["inventory"], 0, layout.MOST).astype(jnp.int32)
    low = (counts[:, [ITEM[name] for name in _NEEDS]] <= LOW).astype(jnp.int32)
    feels = jnp.asarray(_FEELS)[np.arange(len(_NEEDS)), low]
    has = counts[:, [ITEM[name] for name in _CARRIED]]
    has = jnp.asarray(_HAS)[np.arange(len(_CARRIED)), has]
    # Every sentence ends with a comma, and the last one is removed.
    pieces = jnp.concatenate([states, faces[:, None], sees, feels, has], 1)
    total = jnp.sum(pieces != 0, axis=(1, 2), dtype=jnp.int32)
    text = concatenate_ragged(pieces, LENGTH + 1)[:, :LENGTH]
    return jnp.where(np.arange(LENGTH) < total[:, None] - 1, text, 0)


def decode(ids: Sequence[int] | np.ndarray | Iterable[Any]) -> list[str]:
    """Return the sentences of one row of token ids."""
    sentences = vocabulary.decode(ids).split(", ")
    return [sentence.capitalize() for sentence in sentences if sentence]
