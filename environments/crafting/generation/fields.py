"""The noise fields that determine the terrain of a world."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from didact.environments.crafting.generation.opensimplex import TILE, Octave, noise
from didact.environments.crafting.layout import SIDE, START
from didact.environments.crafting.tasks import value

# Every field in the order of `crafter.worldgen`: (size, z) of its octaves.
_START = (Octave(1 / 3, 1 / 3, 8),)
_WATER = (Octave(1 / 15, 1 / 15, 3), Octave(1 / 5, 1 / 5, 3, 0.15))
_MOUNTAIN = (Octave(1 / 15, 1 / 15, 0, 1 / 1.3), Octave(1 / 5, 1 / 5, 0, 0.3 / 1.3))
_OTHERS = {
    "cave": Octave(1 / 7, 1 / 7, 6),
    "wide_tunnel": Octave(2 / 3, 1 / 15, 7),
    "high_tunnel": Octave(1 / 15, 2 / 3, 7),
    "coal": Octave(1 / 8, 1 / 8, 1),
    "iron": Octave(1 / 6, 1 / 6, 2),
    "lava": Octave(1 / 5, 1 / 5, 6),
    "sand": Octave(1 / 9, 1 / 9, 4),
    "forest": Octave(1 / 7, 1 / 7, 5),
}


class Fields(NamedTuple):
    """The fields of n worlds, for cells in tiles (see `cell_order`)."""

    start: Float[Array, "n cells"]  # 1 near the start of the player, 0 far away
    water: Float[Array, "n cells"]
    mountain: Float[Array, "n cells"]
    cave: Float[Array, "n cells"]
    wide_tunnel: Float[Array, "n cells"]
    high_tunnel: Float[Array, "n cells"]
    coal: Float[Array, "n cells"]
    iron: Float[Array, "n cells"]
    lava: Float[Array, "n cells"]
    sand: Float[Array, "n cells"]
    forest: Float[Array, "n cells"]


def cell_order() -> np.ndarray:
    """Return the cells in the order of `Fields`: by tiles, int[cells]."""
    tiles = SIDE // TILE
    rows = np.arange(SIDE * SIDE).reshape(tiles, TILE, tiles, TILE)
    return rows.swapaxes(1, 2).reshape(-1)


def from_start() -> np.ndarray:
    """Return the Euclidean distance of each cell to the start, in the order of `Fields`."""
    cell = cell_order()
    x, y = cell % SIDE - START % SIDE, cell // SIDE - START // SIDE
    return np.sqrt(x**2 + y**2)


def fields(permutation: Int[Array, "n 256"], tasks: Float[Array, "n d"]) -> Fields:
    """Return the fields of n worlds with the given permutation tables."""

    def sample(*octaves: Octave) -> Float[Array, "n cells"]:
        return noise(permutation, octaves, SIDE)

    near = np.float32(4 - from_start())
    start = jax.nn.sigmoid(near + 2 * sample(*_START))
    water = sample(*_WATER) + 0.1 - 2 * start + value(tasks, "water")[:, None]
    mountain = sample(*_MOUNTAIN) - 4 * start - 0.3 * water + value(tasks, "mountains")[:, None]
    others = {name: sample(octave) for name, octave in _OTHERS.items()}
    return Fields(start, water, mountain, **others)
