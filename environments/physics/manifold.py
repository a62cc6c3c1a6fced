"""Contact manifolds: up to two points between a polygon and an edge or box, in Box2D's order.

The order of the points matters, because the solvers treat them one after another.

References:
    Box2D 2.3: b2CollideEdge.cpp, b2CollidePolygon.cpp, b2ClipSegmentToLine.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from didact.environments.physics.mechanism import Polygons
from didact.environments.physics.separation import (
    Outline,
    constant,
    divided,
    fit_boxes,
    fit_edges,
    outline,
)
from didact.environments.physics.terrain import Surfaces

SKIN = 0.02  # m: shapes touch at this distance, twice Box2D's polygon radius
SLOP = 0.005  # m, Box2D's linear slop
UNCLIPPED = 4  # the clipping code of a vertex that was not clipped


class Manifold(NamedTuple):
    """Contact points of s polygons with k surfaces each; the first axis is that of two points.

    The normal points from the surface to the polygon and is fixed either in the world or, if a face
    of the polygon is the reference, in the polygon's frame.
    """

    active: Bool[Array, "2 s k n"]
    local_x: Float[Array, "2 s k n"]  # on the polygon, in its frame
    local_y: Float[Array, "2 s k n"]
    world_x: Float[Array, "2 s k n"]  # on the surface
    world_y: Float[Array, "2 s k n"]
    own_face: Bool[Array, "s k n"]  # whether the reference is a face of the polygon
    normal_x: Float[Array, "s k n"]
    normal_y: Float[Array, "s k n"]
    local_normal_x: Float[Array, "s k n"]
    local_normal_y: Float[Array, "s k n"]
    feature: Int[Array, "2 s k n"]  # what meets, to recognise a point in the next step


class Points(NamedTuple):
    """Contact points at a pose."""

    normal_x: Float[Array, "2 s k n"]
    normal_y: Float[Array, "2 s k n"]
    arm_x: Float[Array, "2 s k n"]  # from the center of mass to the middle between the shapes
    arm_y: Float[Array, "2 s k n"]


class _Faces(NamedTuple):
    """What a surface contributes: a reference face, an incident face, and the choice between."""

    own_face: Bool[Array, "s k n"]
    hit: Bool[Array, "s k n"]
    reference: tuple[Array, Array, Array, Array]  # x0, y0, x1, y1, the normal to the right
    incident: tuple[Array, Array, Array, Array]
    normal_x: Float[Array, "s k n"]
    normal_y: Float[Array, "s k n"]
    face: Int[Array, "s k n"]  # the face of the surface
    best: Bool[Array, "v s k n"]  # one-hot: the face of the polygon with the largest separation


def manifold(
    polygons: Polygons,
    x: Float[Array, "s n"],
    y: Array,
    angle: Array,
    surfaces: Surfaces,
    num_edges: int,
) -> Manifold:
    """Return the contact points at a pose."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    at = outline(polygons, x, y, cos, sin)
    edges, boxes = divided(surfaces, num_edges)
    parts = []
    if num_edges:
        parts.append(_edge_faces(polygons, at, edges))
    if boxes.id.shape[1]:
        parts.append(_box_faces(polygons, at, boxes))
    return _clipped(polygons, at, cos[:, None], sin[:, None], _joined(parts), surfaces)


def points(m: Manifold, x: Float[Array, "s n"], y: Array, angle: Array) -> Points:
    """Return normals and arms at the pose of the manifold or near it."""
    x, y, cos, sin = x[:, None], y[:, None], jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    own_x, own_y = cos * m.local_x - sin * m.local_y, sin * m.local_x + cos * m.local_y
    normal_x = jnp.where(m.own_face, sin * m.local_normal_y - cos * m.local_normal_x, m.normal_x)
    normal_y = jnp.where(m.own_face, -sin * m.local_normal_x - cos * m.local_normal_y, m.normal_y)
    apart = (x + own_x - m.world_x) * normal_x + (y + own_y - m.world_y) * normal_y
    arm_x = jnp.where(m.own_face, m.world_x - x, own_x)
    arm_y = jnp.where(m.own_face, m.world_y - y, own_y)
    half = jnp.where(m.own_face, 0.5, -0.5) * apart
    normal_x, normal_y = (jnp.broadcast_to(q, apart.shape) for q in (normal_x, normal_y))
    return Points(normal_x, normal_y, arm_x + half * normal_x, arm_y + half * normal_y)


def _edge_faces(polygons: Polygons, at: Outline, edges: Surfaces) -> _Faces:
    fit = fit_edges(polygons, at, edges)
    of_faces = jnp.max(fit.of_faces, axis=0)
    hit = (fit.of_edge <= SKIN) & (of_faces <= SKIN) & (edges.id >= 0)
    swap = fit.above  # the normal must be to the right
    reference = (
        jnp.where(swap, edges.x1, edges.x0),
        jnp.where(swap, edges.y1, edges.y0),
        jnp.where(swap, edges.x0, edges.x1),
        jnp.where(swap, edges.y0, edges.y1),
    )
    return _Faces(
        of_faces > 0.98 * fit.of_edge + 0.001,
        hit,
        reference,
        edges[1:],
        fit.normal_x,
        fit.normal_y,
        jnp.zeros_like(edges.id),
        first_true(fit.of_faces == of_faces),
    )


def _box_faces(polygons: Polygons, at: Outline, boxes: Surfaces) -> _Faces:
    fit = fit_boxes(polygons, at, boxes)
    of_faces, of_box = jnp.max(fit.of_faces, axis=0), jnp.max(fit.of_box, axis=0)
    best = first_true(fit.of_faces == of_faces)
    hit = (of_box <= SKIN) & (of_faces <= SKIN) & (boxes.id >= 0)
    chosen = first_true(fit.of_box == of_box)
    # The face of the box whose normal is most opposed to that of the polygon's face.
    nx, ny = selected(best, at.normal_x), selected(best, at.normal_y)
    opposed = jnp.stack([-ny, nx, ny, -nx])
    facing = first_true(opposed == jnp.min(opposed, axis=0))
    own_face = of_faces > of_box + 0.1 * SLOP
    face = jnp.where(own_face, _number(facing), _number(chosen))
    return _Faces(
        own_face,
        hit,
        _face_ends(chosen, boxes),
        _face_ends(facing, boxes),
        jnp.where(chosen[1], 1.0, 0.0) - jnp.where(chosen[3], 1.0, 0.0),
        jnp.where(chosen[2], 1.0, 0.0) - jnp.where(chosen[0], 1.0, 0.0),
        1 + face,
        best,
    )


def _face_ends(face: Bool[Array, "4 s k n"], boxes: Surfaces) -> tuple[Array, Array, Array, Array]:
    """Return the ends of a face of each box, counterclockwise."""
    bottom, right, top, _ = face
    return (
        jnp.where(right | top, boxes.x1, boxes.x0),
        jnp.where(bottom | right, boxes.y0, boxes.y1),
        jnp.where(bottom | right, boxes.x1, boxes.x0),
        jnp.where(right | top, boxes.y1, boxes.y0),
    )


def _clipped(
    polygons: Polygons, at: Outline, cos: Array, sin: Array, faces: _Faces, surfaces: Surfaces
) -> Manifold:
    """Clip the incident face to the reference face and keep the points within the skin."""
    own = faces.own_face
    # The polygon's face as the reference, or the one most opposed to that of the surface.
    opposed = faces.normal_x * at.normal_x + faces.normal_y * at.normal_y
    if polygons.padding.any():
        opposed = jnp.where(polygons.padding.T[:, :, None, None], 1e9, opposed)
    incident = first_true(opposed == jnp.min(opposed, axis=0))
    face = jnp.where(own, faces.best, incident)
    next_face = jnp.roll(face, 1, axis=0)
    own_x0, own_y0 = selected(face, at.x), selected(face, at.y)
    own_x1, own_y1 = selected(next_face, at.x), selected(next_face, at.y)
    own_normal_x, own_normal_y = selected(face, at.normal_x), selected(face, at.normal_y)
    local_normal_x = selected(face, constant(polygons.normals[..., 0]))
    local_normal_y = selected(face, constant(polygons.normals[..., 1]))

    def either(own_value, other):
        return jnp.where(own, own_value, other)

    x0, y0, x1, y1 = faces.reference
    x0, y0 = either(own_x0, x0), either(own_y0, y0)
    x1, y1 = either(own_x1, x1), either(own_y1, y1)
    normal_x, normal_y = either(own_normal_x, faces.normal_x), either(own_normal_y, faces.normal_y)
    length = jnp.sqrt(jnp.square(x1 - x0) + jnp.square(y1 - y0))
    along_x, along_y = -normal_y, normal_x
    i0, j0, i1, j1 = faces.incident
    ax, ay = either(i0, own_x0) - x0, either(j0, own_y0) - y0
    bx, by = either(i1, own_x1) - x0, either(j1, own_y1) - y0
    a, b = ax * along_x + ay * along_y, bx * along_x + by * along_y
    apart = b - a
    scale = 1 / jnp.where(jnp.abs(apart) < 1e-9, 1e-9, apart)
    outside = ((a < 0) & (b < 0)) | ((a > length) & (b > length))
    hit = faces.hit & ~outside
    made = []
    for end, (position, px, py) in enumerate(((a, ax, ay), (b, bx, by))):
        clipped = jnp.clip(position, 0, length)
        share = (clipped - position) * scale
        px, py = px + share * (bx - ax), py + share * (by - ay)
        code = jnp.where(clipped > position, 1, jnp.where(clipped < position, 2, UNCLIPPED + end))
        made.append((px + x0, py + y0, px * normal_x + py * normal_y, code))
    # A clipped point takes the second place.
    swap = ((a < 0) | (a > length)) ^ ((a < 0) & (b > length))
    first = [jnp.where(swap, q, p) for p, q in zip(*made, strict=True)]
    second = [jnp.where(swap, p, q) for p, q in zip(*made, strict=True)]
    px, py, apart, code = (jnp.stack(q) for q in zip(first, second, strict=True))
    center_x, center_y = at.center_x, at.center_y
    arm_x, arm_y = (
        either(own_x0 - center_x, px - center_x),
        either(own_y0 - center_y, py - center_y),
    )
    number = _number(face) * 64 + faces.face * 8 + jnp.where(own, 32 * 64, 0)
    return Manifold(
        hit & (apart <= SKIN) & (surfaces.id >= 0),
        cos * arm_x + sin * arm_y,
        cos * arm_y - sin * arm_x,
        either(px, x0),
        either(py, y0),
        own,
        faces.normal_x,
        faces.normal_y,
        local_normal_x,
        local_normal_y,
        number + code,
    )


def _joined(parts: list[_Faces]) -> _Faces:
    if len(parts) == 1:
        return parts[0]

    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=-2), *parts)


def first_true(mask: Bool[Array, "v *rest"]) -> Bool[Array, "v *rest"]:
    """Keep only the first true value along the first axis."""
    kept, found = [], jnp.zeros_like(mask[0])
    for row in mask:
        kept.append(row & ~found)
        found = found | row
    return jnp.stack(kept)


def selected(one_hot: Bool[Array, "v *rest"], values: Array) -> Array:
    """Return the value of the chosen row."""
    return jnp.sum(jnp.where(one_hot, values, 0), axis=0)


def _number(one_hot: Bool[Array, "v *rest"]) -> Int[Array, "*rest"]:
    """Return the index of the chosen row."""
    index = jnp.arange(one_hot.shape[0], dtype=jnp.int32)
    return jnp.sum(jnp.where(one_hot, index.reshape(-1, *[1] * (one_hot.ndim - 1)), 0), axis=0)
