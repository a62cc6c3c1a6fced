"""Propositions about grid worlds: what an agent faces, and what it holds."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from didact.environments.capabilities import OptionalPropositions
from didact.environments.grid import cells, rules
from didact.environments.grid.env import GridState

FACED = tuple((kind, color) for kind in cells.TYPES for color in cells.COLORS)
HELD = tuple((kind, color) for kind, color in FACED if kind != "door")
PROPOSITIONS = (
    *(f"{color}_{kind}" for kind, color in FACED),
    *(f"holding_{color}_{kind}" for kind, color in HELD),
)


def proposition_values(state: GridState, width: int) -> Bool[Array, "n p"]:
    """Which of `PROPOSITIONS` hold in n worlds.

    Made column by column, so that where single ones are read, as by formulas, nothing is written
    and read again.
    """
    faced, held = _looks(state, width)
    columns = [faced == look for look in _known(FACED)] + [held == look for look in _known(HELD)]
    return jnp.stack(columns, 1)


def _rows(state: GridState, width: int) -> Bool[Array, "n p"]:
    """The same, in the way in which all of them are written fastest."""
    faced, held = _looks(state, width)
    return jnp.concatenate([_known(FACED)[:, None] == faced, _known(HELD)[:, None] == held]).T


def _looks(state: GridState, width: int) -> tuple[Array, Array]:
    """Kind and color of what agents face and of what they hold; a door in any state is a door."""
    world = state.world
    front = rules.cell_in_front(world.position, world.direction, width)
    ahead = jnp.take_along_axis(world.cells, front[:, None], 1, mode="clip")[:, 0]

    def look(things):
        kind = cells.kind_of(things)
        kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
        return cells.code(kind, cells.color_of(things))

    return look(ahead), look(world.carried)


def _known(looks: tuple[tuple[str, str], ...]) -> np.ndarray:
    codes = [cells.code(cells.TYPES[name], cells.COLORS.index(color)) for name, color in looks]
    return np.array(codes, np.uint8)


def optional_propositions(width: int) -> OptionalPropositions:
    """`PROPOSITIONS`, on maps `width` cells wide."""
    return OptionalPropositions(
        PROPOSITIONS,
        lambda state: proposition_values(state, width),
        lambda state: _rows(state, width),
    )
