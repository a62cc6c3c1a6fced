"""The effects of MiniGrid's seven actions on a batch of worlds."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int16, Int32, UInt8

from didact.environments.grid import cells

ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)

DIRECTION_VECTORS = np.array(
    [[1, 0], [0, 1], [-1, 0], [0, -1]]
)  # (x, y) of the cell ahead, by direction

# Places of objects that are on no cell. An object in box b (a row of the table): INSIDE - b.
CARRIED, GONE, INSIDE = -1, -2, -3


class World(NamedTuple):
    """The physical state of n worlds: c cells each (row by row) and a table of k objects."""

    cells: UInt8[Array, "n c"]  # packed, see cells.py
    position: Int32[Array, " n"]  # the agent's cell: y * width + x
    direction: Int32[Array, " n"]  # 0 right, 1 down, 2 left, 3 up
    carried: UInt8[Array, " n"]  # the packed carried object, or EMPTY
    objects: UInt8[Array, "n k"]  # packed, as at the start of the episode; 0 in unused rows
    places: Int16[Array, "n k"]  # the cell each object lies on, or CARRIED, GONE, INSIDE - b


def cell_in_front(
    position: Int32[Array, " n"], direction: Int32[Array, " n"], width: int
) -> Int32[Array, " n"]:
    """Return the cell in front of each agent on maps `width` cells wide."""
    ahead = jnp.where(direction & 1, width, 1)
    return position + jnp.where(direction & 2, -ahead, ahead)


def act(world: World, actions: Int[Array, " n"], width: int) -> World:
    """Apply one action from `ACTIONS` per world.

    Agents must be inside a closed outer wall, so that there is always a cell in front of them.
    """
    front = cell_in_front(world.position, world.direction, width)
    ahead = jnp.take_along_axis(world.cells, front[:, None], 1, mode="promise_in_bounds")[:, 0]
    kind = cells.kind_of(ahead)

    turn = (actions == RIGHT).astype(jnp.int32) - (actions == LEFT)
    direction = (world.direction + turn) & 3
    moves = (actions == FORWARD) & cells.is_walkable(kind)
    position = jnp.where(moves, front, world.position)

    empty_handed = world.carried == cells.EMPTY
    takes = (actions == PICKUP) & cells.is_portable(kind) & empty_handed
    drops = (actions == DROP) & (ahead == cells.EMPTY) & ~empty_handed
    toggles = actions == TOGGLE
    opens_box = toggles & (kind == cells.BOX)

    color = ahead - kind
    key = cells.KEY + color
    swung = jnp.where(kind == cells.DOOR, cells.CLOSED_DOOR, cells.DOOR)
    swings = (kind == cells.DOOR) | (kind == cells.CLOSED_DOOR)
    swings |= (kind == cells.LOCKED_DOOR) & (world.carried == key)
    swings &= toggles

    places, content = _move_objects(world, front, takes, drops, opens_box)
    left = jnp.where(takes, cells.EMPTY, ahead)
    left = jnp.where(drops, world.carried, left)
    left = jnp.where(swings, (swung + color).astype(jnp.uint8), left)
    left = jnp.where(opens_box, content, left)
    here = jnp.arange(world.cells.shape[1]) == front[:, None]

    return world._replace(
        cells=jnp.where(here, left[:, None], world.cells),
        position=position,
        direction=direction,
        carried=jnp.where(takes, ahead, jnp.where(drops, cells.EMPTY, world.carried)),
        places=places,
    )


def _move_objects(
    world: World,
    front: Int32[Array, " n"],
    takes: Bool[Array, " n"],
    drops: Bool[Array, " n"],
    opens_box: Bool[Array, " n"],
) -> tuple[Int16[Array, "n k"], UInt8[Array, " n"]]:
    """Return the new places of all objects and the contents of an opened box (EMPTY if none)."""
    places = world.places
    front = front[:, None].astype(jnp.int16)
    here = places == front
    row = jnp.arange(places.shape[1], dtype=jnp.int16)
    box = jnp.sum(jnp.where(here, row, 0), 1, dtype=jnp.int16, keepdims=True)
    inside = opens_box[:, None] & (places == INSIDE - box)
    content = jnp.sum(jnp.where(inside, world.objects, 0), 1, dtype=jnp.uint8)

    comes = (drops[:, None] & (places == CARRIED)) | inside
    goes = jnp.where(opens_box, GONE, CARRIED).astype(jnp.int16)[:, None]
    goes_away = here & (takes | opens_box)[:, None]
    places = jnp.where(comes, front, jnp.where(goes_away, goes, places))
    return places, jnp.where(content == 0, cells.EMPTY, content).astype(jnp.uint8)
