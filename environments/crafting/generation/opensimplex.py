"""OpenSimplex noise (2014, three dimensions) on fixed grids of points, for many seeds at once.

The noise at a point is a sum over the lattice vertices within a distance of sqrt(2). Each of them
contributes `(2 - distance^2)^4 * gradient . offset`, and only the gradients depend on the seed. On
a fixed grid everything else is known at compile time, so a whole field is a product of a constant
matrix with the gradients of the vertices. The matrix is almost block-diagonal: tiles of 8x8 points
are multiplied with the few vertices around them.

The original algorithm skips a few distant vertices. Values differ from it by less than 1e-4, and by
more than 1e-5 at one point of a thousand.

References:
    Spencer, OpenSimplex noise, 2014 (gist KdotJPG/b1270127455a94ac5d19).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

STRETCH, SQUISH = -1 / 6, 1 / 3
RADIUS = 2.0  # squared, of the contribution of a vertex
NORM = 103.0
NUM_GRADIENTS = 24
TILE = 8  # points along each side of a tile


class Octave(NamedTuple):
    """Noise at the points (x * scale_x, y * scale_y, z) for integers x and y, times a weight."""

    scale_x: float
    scale_y: float
    z: int
    weight: float = 1.0


class Geometry(NamedTuple):
    """What is known about a field without its seed: t tiles, c points and v vertices in each."""

    vertices: np.ndarray  # int32[u, 3]: the lattice coordinates of all vertices
    used: np.ndarray  # int32[t, v]: the vertices of each tile, padded with any
    falloff: np.ndarray  # float32[t, v, c]: the weights of vertices, 0 for padding
    offset: np.ndarray  # float32[t, v, 3]: the positions of vertices from the tile's first point
    scale: np.ndarray  # float32[t, v, 2]: the distance of neighboring points along x and y


def permutation_of(seed: int) -> np.ndarray:
    """Return the permutation table of a seed as in the original algorithm, int[256]."""
    state, mask = seed & (2**64 - 1), 2**64 - 1

    def advanced(state: int) -> int:
        return (state * 6364136223846793005 + 1442695040888963407) & mask

    for _ in range(3):
        state = advanced(state)
    source, table = list(range(256)), np.zeros(256, np.int32)
    for i in range(255, -1, -1):
        state = advanced(state)
        signed = state - 2**64 if state >= 2**63 else state
        chosen = (signed + 31) % (i + 1)
        table[i], source[chosen] = source[chosen], source[i]
    return table


@functools.cache
def geometry(octaves: tuple[Octave, ...], side: int) -> Geometry:
    """Return the geometry of a sum of octaves on `side` x `side` points.

    Tiles are in reading order, and so are the points of each tile.
    """
    numbers: dict[tuple[int, ...], int] = {}
    tiles = []
    within = np.arange(TILE)
    for first in np.ndindex(side // TILE, side // TILE):
        parts = []
        for octave in octaves:
            xs = np.tile((first[1] * TILE + within) * octave.scale_x, TILE)
            ys = np.repeat((first[0] * TILE + within) * octave.scale_y, TILE)
            lattice, falloff, offset = _vertices_near(xs, ys, float(octave.z))
            used = [numbers.setdefault(tuple(vertex), len(numbers)) for vertex in lattice.tolist()]
            scale = np.tile((octave.scale_x, octave.scale_y), (len(lattice), 1))
            parts.append((np.array(used), falloff.T * octave.weight / NORM, offset, scale))
        tiles.append([np.concatenate(part) for part in zip(*parts, strict=True)])
    width = max(len(tile[0]) for tile in tiles)

    def stacked(number: int, dtype: type) -> np.ndarray:
        rows = [tile[number] for tile in tiles]
        pads = [[(0, width - len(row)), *[(0, 0)] * (row.ndim - 1)] for row in rows]
        return np.stack([np.pad(*pair) for pair in zip(rows, pads, strict=True)]).astype(dtype)

    return Geometry(
        vertices=np.array(list(numbers), np.int32),
        used=stacked(0, np.int32),
        falloff=stacked(1, np.float32),
        offset=stacked(2, np.float32),
        scale=stacked(3, np.float32),
    )


def _vertices_near(xs: np.ndarray, ys: np.ndarray, z: float):
    """Return vertices [v, 3] near any of c points, weights [c, v], and positions [v, 3]."""
    points = np.stack([xs, ys, np.full_like(xs, z)], 1)
    skewed = points + points.sum(1, keepdims=True) * STRETCH
    low, high = np.floor(skewed.min(0)).astype(int) - 2, np.floor(skewed.max(0)).astype(int) + 3
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    places = lattice + lattice.sum(1, keepdims=True) * SQUISH
    squared = ((points[:, None] - places[None]) ** 2).sum(-1)
    falloff = np.maximum(RADIUS - squared, 0) ** 4
    used = falloff.max(0) > 0
    return lattice[used], falloff[:, used], places[used] - points[0]


def noise(
    permutation: Int[Array, "n 256"], octaves: tuple[Octave, ...], side: int
) -> Float[Array, "n points"]:
    """Return a sum of octaves on `side` x `side` points for n seeds, in the order of `geometry`."""
    known, n = geometry(octaves, side), permutation.shape[0]
    number = _gradient_numbers(permutation, known.vertices)
    # Only the numbers are gathered for each tile: gradients are quick to compute from them.
    at = known.used[:, None] + number.shape[1] * jnp.arange(n)[None, :, None]
    number = number.reshape(-1).at[at].get(mode="promise_in_bounds")  # [t, n, v]
    gradient = _gradients(number)
    offset = known.offset[:, None]
    start = -sum(gradient[axis] * offset[..., axis] for axis in range(3))
    slopes = [gradient[axis] * known.scale[:, None, :, axis] for axis in (0, 1)]
    # Each vertex adds a linear function of the position in its tile, times its falloff.
    sums = jax.lax.dot_general(
        jnp.stack([*slopes, start], 2).reshape(len(known.used), n * 3, -1),
        jnp.asarray(known.falloff),
        (((2,), (1,)), ((0,), (0,))),
        precision=jax.lax.Precision.HIGHEST,
    ).reshape(-1, n, 3, TILE * TILE)
    column, row = np.tile(np.arange(TILE), TILE), np.repeat(np.arange(TILE), TILE)
    values = sums[:, :, 0] * np.float32(column) + sums[:, :, 1] * np.float32(row) + sums[:, :, 2]
    return values.swapaxes(0, 1).reshape(n, side * side)


def _gradient_numbers(permutation: Int[Array, "n 256"], vertices: np.ndarray) -> Int[Array, "n u"]:
    """Return the numbers of the gradients of vertices, below NUM_GRADIENTS."""
    flat = permutation.reshape(-1)
    first = 256 * jnp.arange(permutation.shape[0])[:, None]
    hashed = permutation[:, vertices[:, 0] & 255]
    for axis in (1, 2):
        entry = (hashed + vertices[:, axis]) & 255
        hashed = flat.at[first + entry].get(mode="promise_in_bounds")
    return hashed % NUM_GRADIENTS


def _gradients(number: Int[Array, "*s"]) -> list[Float[Array, "*s"]]:
    """Return gradients by component: signed permutations of (11, 4, 4)."""
    positive = number // 3 % 2 == 1, number // 6 % 2 == 0, number < 12
    return [
        jnp.where(positive[axis], 1.0, -1.0) * jnp.where(number % 3 == axis, 11.0, 4.0)
        for axis in range(3)
    ]


def to_rows(values: Array, side: int) -> Array:
    """Convert arrays [n, points] in the order of `geometry` to rows and columns [n, y, x]."""
    tiles = side // TILE
    split = values.reshape(-1, tiles, tiles, TILE, TILE)
    return jnp.swapaxes(split, 2, 3).reshape(-1, side, side)
