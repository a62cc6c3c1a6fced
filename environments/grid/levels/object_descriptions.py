"""The meaning of object descriptions in a grid: locations and types."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt8

from didact.environments.grid import cells


def located(
    places: Int32[Array, " k"],
    position: Int32[Array, ""],
    direction: Int32[Array, ""],
    width: int,
    room_size: Int32[Array, ""],
) -> Bool[Array, "k 5"]:
    """Return the locations of objects relative to an agent.

    Columns are the locations of `grammar`: NOWHERE (always true), LEFT, RIGHT, FRONT and BEHIND.
    Only objects in the agent's room, including its walls and doors, have a location. An object can
    be both to the left and in front.
    """
    x, y = places % width, places // width
    ax, ay = position % width, position // width
    far = room_size - 1
    left, top = ax // far * far, ay // far * far
    inside = (x >= left) & (x <= left + far) & (y >= top) & (y <= top + far)
    dx, dy = x - ax, y - ay
    sideways = jnp.where(direction & 1, -dx, dy) * jnp.where(direction & 2, -1, 1)
    ahead = jnp.where(direction & 1, dy, dx) * jnp.where(direction & 2, -1, 1)
    found = jnp.stack([sideways < 0, sideways > 0, ahead > 0, ahead < 0], axis=-1)
    everywhere = jnp.ones((len(places), 1), bool)
    return jnp.concatenate([everywhere, found & inside[:, None]], axis=-1)


def is_kind(objects: UInt8[Array, "*k"]) -> Bool[Array, "*k 4"]:
    """Return whether objects are doors, keys, balls and boxes (columns); False in unused rows."""
    kind = cells.kind_of(objects)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    return (kind[..., None] == np.array([cells.DOOR, cells.KEY, cells.BALL, cells.BOX])) & (
        objects != 0
    )[..., None]
