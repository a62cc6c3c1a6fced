"""Distances along rays to the ground, to boxes, creepers and water, in closed form."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.environments.physics.terrain import (
    Surfaces,
    Terrain,
    boxes_from,
    creepers_from,
    edges_from,
)

WATER, OTHER, CREEPER = -1.0, 0.0, 1.0  # what a ray hits; "other" is ground, ceiling or nothing


def ray_fractions(
    terrain: Terrain,
    spacing: float,
    x: Float[Array, " n"],
    y: Float[Array, " n"],
    rays: Float[np.ndarray, "r 2"],
    window_boxes: int = 0,
) -> Float[Array, "r n"]:
    """Return the fraction of each ray up to what it hits first; 1 if it hits nothing.

    Args:
        terrain: the terrain.
        spacing: the distance of its points in x.
        x, y: where the rays begin.
        rays: their vectors, m.
        window_boxes: the number of boxes, from the first one within reach, that are considered.
    """
    dx, dy = (jnp.asarray(rays[:, i, None, None], jnp.float32) for i in (0, 1))
    left = x + min(0.0, float(rays[:, 0].min()))
    reach = float(np.ptp(np.append(rays[:, 0], 0.0)))
    edges = edges_from(terrain, spacing, left[None], int(reach / spacing) + 2)
    # Each point's distance from the ray, on either side; an edge is hit if its ends differ.
    ends = [(edges.x0[0] - x, edges.y0[0] - y), (edges.x1[0] - x, edges.y1[0] - y)]
    (ax, ay), (bx, by) = ends
    a, b = dx * ay - dy * ax, dx * by - dy * bx  # [r, w, n]
    share = a / jnp.where(jnp.abs(a - b) < 1e-9, 1e-9, a - b)
    length = jnp.asarray((rays**2).sum(1)[:, None, None], jnp.float32)
    at = ((ax + share * (bx - ax)) * dx + (ay + share * (by - ay)) * dy) / length
    hit = (share >= 0) & (share <= 1) & (at >= 0) & (at <= 1) & (edges.id[0] >= 0)
    found = jnp.min(jnp.where(hit, at, 1.0), axis=1)
    if not window_boxes:
        return found
    boxes = boxes_from(terrain, spacing, left[None], window_boxes)
    return jnp.minimum(found, _to_rectangles(boxes, x, y, dx, dy))


def ray_hits(
    terrain: Terrain,
    spacing: float,
    x: Float[Array, " n"],
    y: Float[Array, " n"],
    rays: Float[np.ndarray, "r 2"],
    creeper_width: float,
) -> tuple[Float[Array, "r n"], Float[Array, "r n"]]:
    """Return the fractions of rays, also to creepers and water, and what they hit.

    As in Box2D, rays that begin in water or in a creeper do not see it.

    Args:
        terrain: a terrain with creepers and water.
        spacing: the distance of its points in x.
        x, y: where the rays begin.
        rays: their vectors, m.
        creeper_width: the largest width of creepers, m.

    Returns:
        the fraction of each ray, and `WATER`, `CREEPER` or `OTHER`.
    """
    if terrain.creepers is None or terrain.water is None:
        raise ValueError("the terrain must have creepers and water")
    found = ray_fractions(terrain, spacing, x, y, rays)
    kind = jnp.full_like(found, OTHER)
    dx, dy = (jnp.asarray(rays[:, i, None, None], jnp.float32) for i in (0, 1))
    left = x + min(0.0, float(rays[:, 0].min())) - creeper_width
    length = float(np.ptp(np.append(rays[:, 0], 0.0))) + creeper_width
    creepers = creepers_from(terrain.creepers, spacing, left[None], int(length / spacing) + 2)
    at = _to_rectangles(creepers, x, y, dx, dy)
    kind = jnp.where(at < found, CREEPER, kind)
    found = jnp.minimum(found, at)
    down = jnp.minimum(dy[:, 0], -1e-6)
    at = (terrain.water - y) / down
    dives = (dy[:, 0] < 0) & (at > 0) & (at < found)
    return jnp.where(dives, at, found), jnp.where(dives, WATER, kind)


def _to_rectangles(
    boxes: Surfaces, x: Array, y: Array, dx: Float[Array, "r 1 1"], dy: Array
) -> Float[Array, "r n"]:
    """Return the fraction of each ray up to the first of some rectangles; 1 if it hits none."""
    safe_x, safe_y = (jnp.where(jnp.abs(d) < 1e-6, 1e-6, d) for d in (dx, dy))
    x0, x1 = (boxes.x0[0] - x) / safe_x, (boxes.x1[0] - x) / safe_x
    y0, y1 = (boxes.y0[0] - y) / safe_y, (boxes.y1[0] - y) / safe_y
    enters = jnp.maximum(jnp.minimum(x0, x1), jnp.minimum(y0, y1))
    leaves = jnp.minimum(jnp.maximum(x0, x1), jnp.maximum(y0, y1))
    hit = (enters <= leaves) & (enters >= 0) & (enters <= 1) & (boxes.id[0] >= 0)
    return jnp.min(jnp.where(hit, enters, 1.0), axis=1)
