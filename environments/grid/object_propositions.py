"""Propositions about the objects that an agent faces or holds."""

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

INSTRUCTIONS = {
    **{f"{color}_{kind}": f"go to the {color} {kind}" for kind, color in FACED},
    **{f"holding_{color}_{kind}": f"pick up the {color} {kind}" for kind, color in HELD},
}


def proposition_values(state: GridState, width: int) -> Bool[Array, "n p"]:
    """Return which of `PROPOSITIONS` hold in n worlds.

    The array is built column by column, so that the compiler can skip the columns that are not
    read. This is fast for formulas, which read only a few.
    """
    faced, held = _looks(state, width)
    columns = [faced == look for look in _known(FACED)] + [held == look for look in _known(HELD)]
    return jnp.stack(columns, 1)


def _rows(state: GridState, width: int) -> Bool[Array, "n p"]:
    """Return the same values; faster if all of them are needed."""
    faced, held = _looks(state, width)
    return jnp.concatenate([_known(FACED)[:, None] == faced, _known(HELD)[:, None] == held]).T


def _looks(state: GridState, width: int) -> tuple[Array, Array]:
    """Return the kind and color of the faced and held objects; a door in any state is a door."""
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
    """Return `PROPOSITIONS` for maps `width` cells wide."""
    return OptionalPropositions(
        PROPOSITIONS,
        lambda state: proposition_values(state, width),
        lambda state: _rows(state, width),
        instructions=INSTRUCTIONS,
    )
