"""Separation of convex polygons from edges and boxes, along the normals of their faces.

As in Box2D, the faces of both are candidates for the axis of separation.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.physics.mechanism import Polygons
from didact.environments.physics.terrain import Surfaces


class Outline(NamedTuple):
    """Polygons at a pose; s polygons with v vertices in n worlds. Unit axes serve broadcasting."""

    x: Float[Array, "v s 1 n"]
    y: Float[Array, "v s 1 n"]
    normal_x: Float[Array, "v s 1 n"]  # of the face from each vertex to the next
    normal_y: Float[Array, "v s 1 n"]
    center_x: Float[Array, "s 1 n"]
    center_y: Float[Array, "s 1 n"]


class EdgeFit(NamedTuple):
    """How polygons lie to edges."""

    normal_x: Float[Array, "s k n"]  # of the edge, on the side of the polygon's center
    normal_y: Float[Array, "s k n"]
    above: Bool[Array, "s k n"]  # whether this is the left side of the edge
    of_edge: Float[Array, "s k n"]  # separation along this normal
    of_faces: Float[Array, "v s k n"]  # separation along the normal of each face of the polygon


class BoxFit(NamedTuple):
    """How polygons lie to boxes, whose faces are bottom, right, top and left."""

    of_box: Float[Array, "4 s k n"]  # separation along the normal of each face of the box
    of_faces: Float[Array, "v s k n"]


def constant(values: np.ndarray) -> Array:
    """Return values [s, v] as float32[v, s, 1, 1]."""
    return jnp.asarray(values.T[:, :, None, None], jnp.float32)


def outline(
    polygons: Polygons, x: Float[Array, "s n"], y: Array, cos: Array, sin: Array
) -> Outline:
    """Place polygons at a pose of their centers of mass."""
    vx, vy = (constant(polygons.vertices[..., i]) for i in (0, 1))
    nx, ny = (constant(polygons.normals[..., i]) for i in (0, 1))
    x, y, cos, sin = (value[:, None] for value in (x, y, cos, sin))
    return Outline(
        x + cos * vx - sin * vy,
        y + sin * vx + cos * vy,
        cos * nx - sin * ny,
        sin * nx + cos * ny,
        x,
        y,
    )


def without_padding(polygons: Polygons, separation: Float[Array, "v s k n"]) -> Array:
    """Exclude the faces that pad polygons from a maximum."""
    if not polygons.padding.any():
        return separation
    return jnp.where(polygons.padding.T[:, :, None, None], -1e9, separation)


def fit_edges(polygons: Polygons, at: Outline, edges: Surfaces) -> EdgeFit:
    """Return the separations of polygons from edges."""
    along_x, along_y = edges.x1 - edges.x0, edges.y1 - edges.y0
    scale = 1 / jnp.sqrt(along_x * along_x + along_y * along_y)
    left_x, left_y = -along_y * scale, along_x * scale
    above = (at.center_x - edges.x0) * left_x + (at.center_y - edges.y0) * left_y > 0
    side = jnp.where(above, 1.0, -1.0)
    normal_x, normal_y = left_x * side, left_y * side
    x, y = at.x - edges.x0, at.y - edges.y0
    of_edge = jnp.min(normal_x * x + normal_y * y, axis=0)
    # The nearer end of the edge, along the inward normal of each face.
    start = -(at.normal_x * x + at.normal_y * y)
    length = at.normal_x * along_x + at.normal_y * along_y
    of_faces = without_padding(polygons, start + jnp.minimum(0, length))
    return EdgeFit(normal_x, normal_y, above, of_edge, of_faces)


def fit_boxes(polygons: Polygons, at: Outline, boxes: Surfaces) -> BoxFit:
    """Return the separations of polygons from boxes."""
    low_x, high_x = jnp.min(at.x, axis=0), jnp.max(at.x, axis=0)
    low_y, high_y = jnp.min(at.y, axis=0), jnp.max(at.y, axis=0)
    of_box = jnp.stack([boxes.y0 - high_y, low_x - boxes.x1, low_y - boxes.y1, boxes.x0 - high_x])
    center_x, center_y = (boxes.x0 + boxes.x1) / 2, (boxes.y0 + boxes.y1) / 2
    half_x, half_y = (boxes.x1 - boxes.x0) / 2, (boxes.y1 - boxes.y0) / 2
    offset = at.normal_x * (center_x - at.x) + at.normal_y * (center_y - at.y)
    reach = jnp.abs(at.normal_x) * half_x + jnp.abs(at.normal_y) * half_y
    return BoxFit(of_box, without_padding(polygons, offset - reach))


def separation(
    polygons: Polygons,
    x: Float[Array, "s n"],
    y: Array,
    angle: Array,
    surfaces: Surfaces,
    num_edges: int,
) -> Float[Array, "s k n"]:
    """Return the largest separation of polygons from each surface; negative if they overlap.

    Args:
        polygons: the shapes.
        x, y, angle: their pose.
        surfaces: the candidates of each polygon: first `num_edges` edges, then boxes.
        num_edges: the number of edges.
    """
    at = outline(polygons, x, y, jnp.cos(angle), jnp.sin(angle))
    edges, boxes = divided(surfaces, num_edges)
    found = []
    if num_edges:
        edge_fit = fit_edges(polygons, at, edges)
        found.append(jnp.maximum(edge_fit.of_edge, jnp.max(edge_fit.of_faces, axis=0)))
    if boxes.id.shape[1]:
        box_fit = fit_boxes(polygons, at, boxes)
        found.append(
            jnp.maximum(jnp.max(box_fit.of_box, axis=0), jnp.max(box_fit.of_faces, axis=0))
        )
    return jnp.concatenate(found, axis=1) if len(found) > 1 else found[0]


def divided(surfaces: Surfaces, num_edges: int) -> tuple[Surfaces, Surfaces]:
    """Return edges and boxes."""
    return (
        Surfaces(*(x[:, :num_edges] for x in surfaces)),
        Surfaces(*(x[:, num_edges:] for x in surfaces)),
    )
