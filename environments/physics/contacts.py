"""Finds the surfaces that bodies may touch, and carries contacts from step to step."""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.environments.physics.manifold import Manifold
from didact.environments.physics.mechanism import Polygons
from didact.environments.physics.state import Contacts
from didact.environments.physics.terrain import (
    Surfaces,
    Terrain,
    boxes_from,
    edges_from,
    edges_near,
    joined,
)

MARGIN = 0.25  # m, ahead and behind: what bodies of up to 12.5 m/s reach in a step
FAR = 9.0  # m: stands for a surface that does not exist


@dataclasses.dataclass(frozen=True)
class Reach:
    """How many surfaces are considered for each body.

    Attributes:
        spacing: the distance of the points of the ground, m.
        edges, boxes: the surfaces of each kind that a body can touch at a time; the nearest ones.
        box_pitch: the least distance between the left sides of two boxes, m.
        ceiling: whether the terrain has a ceiling.
        creeper_width: the largest width of creepers, m.
    """

    spacing: float
    edges: int = 2
    boxes: int = 0
    box_pitch: float = 1.0
    ceiling: bool = False
    creeper_width: float = 0.0

    @property
    def surfaces(self) -> int:
        """The surfaces that a body can touch at a time."""
        return self.edges + self.boxes

    def window_edges(self, polygons: Polygons) -> int:
        """The edges among which the nearest ones are found."""
        chains = 2 if self.ceiling else 1
        return chains * edges_near(polygons.diameter, MARGIN, self.spacing)

    def window_boxes(self, length: float) -> int:
        """The boxes that are within a length, from wherever the nearest point of the ground is."""
        return math.ceil((length + self.spacing) / self.box_pitch) + 1 if self.boxes else 0


def candidates(
    polygons: Polygons, terrain: Terrain, reach: Reach, x: Float[Array, "s n"], angle: Array
) -> Surfaces:
    """Return the surfaces around polygons: edges, then boxes."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    vx = jnp.asarray(polygons.vertices[..., 0].T[:, :, None], jnp.float32)
    vy = jnp.asarray(polygons.vertices[..., 1].T[:, :, None], jnp.float32)
    left = x + jnp.min(cos * vx - sin * vy, axis=0) - MARGIN
    edges = edges_near(polygons.diameter, MARGIN, reach.spacing)
    surfaces = edges_from(terrain, reach.spacing, left, edges)
    if not reach.boxes:
        return surfaces
    count = reach.window_boxes(polygons.diameter + 2 * MARGIN)
    return joined(surfaces, boxes_from(terrain, reach.spacing, left, count))


def nearest(
    surfaces: Surfaces, separation: Float[Array, "s w n"], reach: Reach, num_edges: int
) -> Surfaces:
    """Return the nearest edges and boxes, in the order of the candidates."""
    found = _nearest(surfaces, separation, slice(0, num_edges), reach.edges)
    if not reach.boxes:
        return found
    return joined(found, _nearest(surfaces, separation, slice(num_edges, None), reach.boxes))


def _nearest(
    surfaces: Surfaces, separation: Float[Array, "s w n"], part: slice, count: int
) -> Surfaces:
    surfaces = Surfaces(*(values[:, part] for values in surfaces))
    remaining = jnp.where(surfaces.id >= 0, separation[:, part], FAR)
    chosen = jnp.zeros(remaining.shape, bool)
    found = min(count, remaining.shape[1])
    for _ in range(found):
        best = jnp.where(chosen, jnp.inf, remaining)
        chosen = chosen | _first(best == jnp.min(best, axis=1, keepdims=True))
    ranks, seen = [], jnp.zeros(chosen[:, 0].shape, jnp.int32)
    for column in range(chosen.shape[1]):
        ranks.append(seen)
        seen = seen + chosen[:, column]
    rank = jnp.stack(ranks, axis=1)

    def pick(values):
        return jnp.stack(
            [jnp.sum(jnp.where(chosen & (rank == i), values, 0), axis=1) for i in range(found)], 1
        )

    return _completed(Surfaces(*(pick(values) for values in surfaces)), count)


def _completed(surfaces: Surfaces, count: int) -> Surfaces:
    """Repeat the last surface, as one that does not exist, where there are fewer than `count`."""
    missing = count - surfaces.id.shape[1]
    if not missing:
        return surfaces
    width = ((0, 0), (0, missing), (0, 0))
    repeated = Surfaces(*(jnp.pad(values, width, mode="edge") for values in surfaces))
    return repeated._replace(id=repeated.id.at[:, -missing:].set(-1))


def _first(mask: Bool[Array, "s w n"]) -> Bool[Array, "s w n"]:
    """Keep only the first true value along the second axis."""
    kept, found = [], jnp.zeros_like(mask[:, 0])
    for i in range(mask.shape[1]):
        kept.append(mask[:, i] & ~found)
        found = found | mask[:, i]
    return jnp.stack(kept, axis=1)


def updated(old: Contacts, m: Manifold, surfaces: Surfaces) -> Contacts:
    """Return the contacts of a new manifold, with the impulses of the points that persist.

    Gymnasium's listener is followed: a body's contact is reported when one begins, and no longer
    when any ends.
    """
    same = (surfaces.id[:, :, None] == old.surface[:, None]) & (surfaces.id[:, :, None] >= 0)
    touching = jnp.any(m.active, axis=0)
    before = jnp.any(same & old.touching[:, None], axis=2)
    begins = jnp.any(touching & ~before, axis=1)
    after = jnp.any(same & touching[:, :, None], axis=1)
    ends = jnp.any(old.touching & ~after, axis=1)
    reported = ~ends & (begins | old.reported)

    def carried(values):  # from the old slots of surfaces to the new ones
        return jnp.sum(jnp.where(same, values[:, :, None], 0), axis=3)

    feature = carried(old.feature + 1) - 1
    normal, tangent = carried(old.normal), carried(old.tangent)
    kept = m.active[:, None] & (m.feature[:, None] == feature[None])  # [new, old, s, k, n]
    return Contacts(
        surfaces.id,
        touching,
        jnp.where(m.active, m.feature, -1),
        jnp.sum(jnp.where(kept, normal[None], 0), axis=1),
        jnp.sum(jnp.where(kept, tangent[None], 0), axis=1),
        reported,
    )
