"""The terrain: ground, boxes that stand on it, and optionally a ceiling, creepers and water.

Ground and ceiling are chains of edges between points at equal distances in x.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

CEILING_IDS = 1 << 15  # surfaces below are edges of the ground,
BOX_IDS = 1 << 16  # those below edges of the ceiling, and the others are boxes


class Creepers(NamedTuple):
    """Upright plants, which hands can grip and other bodies pass through. One may be at each point.

    Their left sides are at the points of the chain.
    """

    low: Float[Array, "n t"]  # lower end; where there is none, it is as high as the upper end
    high: Float[Array, "n t"]
    width: Float[Array, " n"]


class Terrain(NamedTuple):
    """The terrain of n worlds. Unlike in the rest of the engine, the axis of worlds comes first."""

    heights: Float[Array, "n t"]  # of the ground at x = 0, spacing, 2 spacing, ...
    boxes: Float[Array, "n b 4"]  # left, bottom, right, top; sorted by x, unused ones far away
    first_box: Int[Array, "n t"]  # the first box that does not end left of each point of the chain
    ceiling: Float[Array, "n t"] | None = None  # at the points of the ground
    creepers: Creepers | None = None
    water: Float[Array, " n"] | None = None  # its level


class Surfaces(NamedTuple):
    """Edges, from (x0, y0) to (x1, y1), or boxes, from lower left to upper right."""

    id: Int[Array, "*s"]  # which one it is, or -1 for none
    x0: Float[Array, "*s"]
    y0: Float[Array, "*s"]
    x1: Float[Array, "*s"]
    y1: Float[Array, "*s"]


def flat(n: int, length: int, height: float = 0.0) -> Terrain:
    """Return level ground without boxes."""
    return Terrain(
        jnp.full((n, length), height, jnp.float32),
        jnp.zeros((n, 0, 4), jnp.float32),
        jnp.zeros((n, length), jnp.int32),
    )


def first_boxes(
    boxes: Float[Array, "n b 4"], length: int, spacing: float
) -> Int[Array, "n {length}"]:
    """Return `Terrain.first_box` for boxes that are sorted by x and do not overlap much."""
    at = jnp.arange(length) * jnp.float32(spacing)
    ended = boxes[:, None, :, 2] < at[None, :, None]
    return jnp.sum(ended, axis=2, dtype=jnp.int32)


def edges_near(size: float, margin: float, spacing: float) -> int:
    """Return how many edges anything of this size can touch, if it is anywhere."""
    return math.ceil((size + 2 * margin) / spacing) + 1


def edges_from(terrain: Terrain, spacing: float, left: Float[Array, "s n"], count: int) -> Surfaces:
    """Return `count` edges of each chain, [s, m, n], from the right end of a window to its left.

    If there is a ceiling, its edges follow those of the ground.

    Args:
        terrain: the terrain.
        spacing: the distance of its points in x.
        left: the left ends of windows.
        count: the number of edges in each window.
    """
    ground = chain_from(terrain.heights, spacing, left, count)
    if terrain.ceiling is None:
        return ground
    above = chain_from(terrain.ceiling, spacing, left, count)
    return joined(
        ground, above._replace(id=jnp.where(above.id >= 0, above.id + CEILING_IDS, above.id))
    )


def chain_from(
    chain: Float[Array, "n t"], spacing: float, left: Float[Array, "s n"], count: int
) -> Surfaces:
    """Return `count` edges of one chain; see `edges_from`."""
    length = chain.shape[1]
    first = jnp.floor(left / spacing).astype(jnp.int32)
    points = first[:, None] + jnp.arange(count, -1, -1, dtype=jnp.int32)[:, None]
    inside = jnp.clip(points, 0, length - 1)
    heights = jnp.take_along_axis(
        chain, inside.reshape(-1, left.shape[-1]).T, axis=1, mode="clip"
    ).T.reshape(points.shape)
    x = points.astype(jnp.float32) * spacing  # not clipped: no edge may have the length 0
    edge = points[:, 1:]
    valid = (edge >= 0) & (edge < length - 1)
    return Surfaces(
        jnp.where(valid, edge, -1), x[:, 1:], heights[:, 1:], x[:, :-1], heights[:, :-1]
    )


def boxes_from(terrain: Terrain, spacing: float, left: Float[Array, "s n"], count: int) -> Surfaces:
    """Return the first `count` boxes, [s, count, n], that do not end left of a position."""
    length, total = terrain.heights.shape[1], terrain.boxes.shape[1]
    s, n = left.shape
    point = jnp.clip(jnp.floor(left / spacing), 0, length - 1).astype(jnp.int32)
    first = jnp.take_along_axis(terrain.first_box, point.T, axis=1, mode="clip")  # [n, s]
    index = first[:, :, None] + jnp.arange(count, dtype=jnp.int32)
    chosen = jnp.minimum(index, total - 1).reshape(n, s * count)
    corners = jnp.take_along_axis(terrain.boxes, chosen[:, :, None], axis=1, mode="clip")
    corners = corners.reshape(n, s, count, 4).transpose(3, 1, 2, 0)
    ids = jnp.where(index < total, BOX_IDS + index, -1).transpose(1, 2, 0)
    return Surfaces(ids, *corners)


def creepers_from(
    creepers: Creepers, spacing: float, left: Float[Array, "s n"], count: int
) -> Surfaces:
    """Return the creepers at `count` points from a position on, as rectangles [s, count, n]."""
    length = creepers.low.shape[1]
    s, n = left.shape
    first = jnp.floor(left / spacing).astype(jnp.int32)
    points = first[:, None] + jnp.arange(count, dtype=jnp.int32)[:, None]
    inside = jnp.clip(points, 0, length - 1).reshape(s * count, n).T

    def ends(values):
        found = jnp.take_along_axis(values, inside, axis=1, mode="clip")
        return found.T.reshape(points.shape)

    low, high = ends(creepers.low), ends(creepers.high)
    exists = (points >= 0) & (points < length) & (high > low)
    x = points.astype(jnp.float32) * spacing
    return Surfaces(jnp.where(exists, points, -1), x, low, x + creepers.width, high)


def joined(a: Surfaces, b: Surfaces) -> Surfaces:
    """Return both, one after the other on the second axis."""
    return Surfaces(*(jnp.concatenate([x, y], axis=1) for x, y in zip(a, b, strict=True)))
