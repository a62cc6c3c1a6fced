"""Text descriptions of the agent's view: sentences on the host, token ids on the device.

The sentences and their order follow BabyAI-Text: "You carry a blue key"; "You see a wall 2 steps
forward" (then left, then right), only if nothing is in front of the wall in a straight line; and
for everything else, column by column from the left, "You see a closed red door 1 step left and 2
steps forward". In addition to Baby Language there are "a green goal square", "a blue floor square"
and "lava".

References:
    Carta et al., Grounding large language models in interactive environments with online
    reinforcement learning, ICML 2023, section 4.1.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from didact.common.errors import SettingError
from didact.environments.grid import cells
from didact.environments.grid.view import AGENT_CELL, MIDDLE, SIZE
from didact.environments.language import vocabulary
from didact.environments.language.ragged_tokens import concatenate_ragged

_AHEAD = SIZE - 1 - np.arange(SIZE)  # steps ahead of the agent, by row j
_ASIDE = np.arange(SIZE) - MIDDLE  # steps to its right, by column i
# The cells (i, j) on each straight line from the agent, nearest first.
_LINES = {
    "forward": [(MIDDLE, j) for j in range(SIZE - 2, -1, -1)],
    "left": [(i, SIZE - 1) for i in range(MIDDLE - 1, -1, -1)],
    "right": [(i, SIZE - 1) for i in range(MIDDLE + 1, SIZE)],
}
_NAMES = {kind: name for name, kind in cells.TYPES.items()}
_NAMES |= {cells.CLOSED_DOOR: "door", cells.LOCKED_DOOR: "door"}
_NAMES |= {cells.FLOOR: "floor square", cells.GOAL: "goal square"}
_STATES = {cells.DOOR: "open ", cells.CLOSED_DOOR: "closed ", cells.LOCKED_DOOR: "locked "}


def describe(image: UInt8[np.ndarray, "7 7 ..."], length: int | None = None) -> list[str]:
    """Describe one view with one sentence per object.

    Args:
        image: the view of one world: MiniGrid's triples [7, 7, 3] or packed cells [7, 7].
        length: the maximum number of tokens (see `tokens`); the farthest objects are omitted.

    Raises:
        SettingError: the image does not have the shape of a view.
    """
    codes = _codes(np.asarray(image))
    if codes.shape != (SIZE, SIZE):
        raise SettingError("image", codes.shape, "one view, [7, 7] or [7, 7, 3]")
    found = [_carried(codes[AGENT_CELL[1], AGENT_CELL[0]])]
    for side, line in _LINES.items():
        kinds = [int(cells.kind_of(codes[at])) for at in line]
        steps = next((n for n, kind in enumerate(kinds, 1) if kind > cells.EMPTY), 0)
        wall = steps > 0 and kinds[steps - 1] == cells.WALL
        found.append(f"You see a wall {_steps(steps)} {side}" if wall else "")
    found += [_seen(int(codes[at]), *at) for at in _CELLS]
    if length is not None:
        room = length + 1  # the last sentence has no comma
        for slot in _NEAREST_FIRST:
            size = len(vocabulary.tokens(found[slot])) + 1 if found[slot] else 0
            room = room - size if size <= room else -1
            found[slot] = found[slot] if room >= 0 else ""
    return [sentence for sentence in found if sentence]


def tokens(image: UInt8[Array, "n 7 7 ..."], length: int) -> UInt8[Array, "n l"]:
    """Describe every view as token ids of `vocabulary.WORDS`, with the sentences of `describe`.

    Args:
        image: the views of n worlds, as triples or packed cells.
        length: l, the number of tokens. If the sentences are longer, the farthest objects are
            omitted. `DEFAULT_LENGTH` fits the views of all families except those with much lava;
            `MAX_LENGTH` fits any view.
    """
    codes = _codes(image)
    n = len(codes)

    def line(side):
        kinds = jnp.stack([cells.kind_of(codes[:, i, j]) for i, j in _LINES[side]], axis=1)
        thing = kinds > cells.EMPTY
        nearest = jnp.argmax(thing, axis=1)
        wall = jnp.take_along_axis(kinds, nearest[:, None], axis=1)[:, 0] == cells.WALL
        steps = jnp.where(wall & jnp.any(thing, axis=1), nearest + 1, 0)
        return jnp.asarray(_WALL_PIECES[side])[steps]

    own = jnp.asarray(_CARRIED_PIECES)[codes[:, AGENT_CELL[1], AGENT_CELL[0]]]
    looks = codes.reshape(n, -1)[:, [i * SIZE + j for i, j in _CELLS]]
    things = jnp.asarray(_SEEN_PIECES)[np.arange(len(_CELLS)), looks]
    walls = [line(side) for side in _LINES]
    pieces = jnp.concatenate([jnp.stack([own, *walls], axis=1), things], axis=1)

    # Every sentence ends with a comma, and the last one is removed.
    sizes = jnp.sum(pieces != 0, axis=2, dtype=jnp.int32)[:, _NEAREST_FIRST]
    fits = jnp.cumsum(sizes, axis=1) <= length + 1
    pieces = jnp.where(fits[:, np.argsort(_NEAREST_FIRST), None], pieces, 0)
    total = jnp.sum(pieces != 0, axis=(1, 2), dtype=jnp.int32)
    text = concatenate_ragged(pieces, length + 1)[:, :length]
    return jnp.where(np.arange(length) < total[:, None] - 1, text, 0)


def decode(ids: Sequence[int] | np.ndarray | Iterable[Any]) -> list[str]:
    """Return the sentences of one row of token ids, as returned by `describe`."""
    sentences = vocabulary.decode(ids).split(", ")
    return [sentence.capitalize() for sentence in sentences if sentence]


def _codes(image: Any) -> Any:
    """Return the packed cells of views of either kind."""
    return cells.pack(image) if image.shape[-1] == 3 else image & cells.SEEN_BITS


def _steps(n: int) -> str:
    return f"{n} step" if n == 1 else f"{n} steps"


def name(code: int) -> str:
    """Return the name of a packed cell ("a blue key"), or '' if it has no description."""
    code = int(code)
    kind, color = code & cells.KIND_BITS, (code & cells.SEEN_BITS) >> cells.COLOR_SHIFT
    if kind == cells.LAVA:
        return "lava"
    if kind not in _NAMES or color >= len(cells.COLORS):
        return ""
    article = "an" if kind == cells.DOOR else "a"
    return f"{article} {_STATES.get(kind, '')}{cells.COLORS[color]} {_NAMES[kind]}"


def _carried(code: int) -> str:
    portable = int(code) & cells.KIND_BITS in (cells.KEY, cells.BALL, cells.BOX)
    return f"You carry {name(code)}" if portable else ""


def _seen(code: int, i: int, j: int) -> str:
    ways = [(abs(_ASIDE[i]), "right" if _ASIDE[i] > 0 else "left"), (_AHEAD[j], "forward")]
    where = " and ".join(f"{_steps(n)} {way}" for n, way in ways if n)
    return f"You see {name(code)} {where}" if name(code) else ""


def _table(sentences: list[str]) -> Int[np.ndarray, "m w"]:
    """Return a row of tokens per sentence, ending with a comma; all zeros for ''."""
    rows = [[*vocabulary.tokens(s), vocabulary.TOKEN[","]] if s else [] for s in sentences]
    return np.array([row + [0] * (_WIDTH - len(row)) for row in rows], np.uint8)


_WIDTH = 14  # "you see a closed red door 1 step left and 2 steps forward ,"
_CELLS = [(i, j) for i in range(SIZE) for j in range(SIZE) if (j, i) != AGENT_CELL]
# The priority of sentences: the carried object, the walls, then everything else by distance.
_NEAREST_FIRST = np.array(
    [0, 1, 2, 3]
    + [4 + c for c in np.argsort([abs(_ASIDE[i]) + _AHEAD[j] for i, j in _CELLS], kind="stable")]
)
_ALL_CODES = range(cells.SEEN_BITS + 1)
_SEEN_PIECES = np.stack([_table([_seen(code, *at) for code in _ALL_CODES]) for at in _CELLS])
_CARRIED_PIECES = _table([_carried(code) for code in _ALL_CODES])
_WALL_PIECES = {
    side: _table(["", *(f"You see a wall {_steps(n)} {side}" for n in range(1, SIZE))])
    for side in _LINES
}

# Lengths that fit the views of all families except those with much lava, and any view.
DEFAULT_LENGTH = 256
MAX_LENGTH = int(
    np.sum(np.max(np.sum(_SEEN_PIECES != 0, -1), 1)) + np.max(np.sum(_CARRIED_PIECES != 0, -1)) - 1
)
