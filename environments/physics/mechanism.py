"""Mechanisms as data: rigid bodies in the plane, joined by motors into a tree."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from didact.common.errors import SettingError
from didact.environments.physics import shapes
from didact.environments.physics.shapes import Point

GRIP_RADIUS, GRIP_DENSITY = 0.05, 1.0  # m and kg/m^2, of the round sensor of a hand


@dataclasses.dataclass(frozen=True)
class Body:
    """A uniform convex polygon.

    Attributes:
        name: for documentation and pictures.
        vertices: in m, relative to the body's origin.
        density: kg/m^2.
        position: of the origin at the start, in m.
        angle: at the start, in rad, counterclockwise.
        friction: the coefficient of the body; with that of the ground, the effective one is the
            square root of their product.
        contact: "solid" bodies are held up by the ground; "detected" ones only report that they
            touch it, which is enough where this ends an episode.
        grip: the center of a round sensor that is fixed to the body and can hold on to surfaces,
            relative to the body's origin; None for bodies that cannot grip.
    """

    name: str
    vertices: tuple[Point, ...]
    density: float
    position: Point
    angle: float = 0.0
    friction: float = 0.2
    contact: Literal["solid", "detected"] = "solid"
    grip: Point | None = None


@dataclasses.dataclass(frozen=True)
class Joint:
    """A hinge with a motor between two bodies.

    Its angle is that of the child relative to the parent, minus the same at the start.

    Attributes:
        name: for documentation.
        parent, child: indices of bodies; the parent comes first.
        parent_anchor, child_anchor: the hinge in the frame of each body, in m. They may be apart at
            the start.
        lower, upper: limits of the angle, in rad.
        speed: the speed that the motor aims at, in rad/s.
        torque: the largest torque of the motor, in N m; 0 for a hinge without a motor.
    """

    name: str
    parent: int
    child: int
    parent_anchor: Point
    child_anchor: Point
    lower: float
    upper: float
    speed: float = 0.0
    torque: float = 0.0


def hinge(
    bodies: Sequence[Body],
    name: str,
    parent: int,
    child: int,
    at: Point,
    lower: float,
    upper: float,
    speed: float = 0.0,
    torque: float = 0.0,
) -> Joint:
    """Return a joint at a point of the plane that both bodies share at the start."""

    def local(body: Body) -> Point:
        x, y = at[0] - body.position[0], at[1] - body.position[1]
        c, s = np.cos(body.angle), np.sin(body.angle)
        return float(c * x + s * y), float(c * y - s * x)

    anchors = local(bodies[parent]), local(bodies[child])
    return Joint(name, parent, child, *anchors, lower, upper, speed, torque)


class Polygons(NamedTuple):
    """The outlines of some bodies relative to their centers of mass, padded to v vertices."""

    bodies: Int[np.ndarray, " s"]  # their indices
    vertices: Float[np.ndarray, "s v 2"]
    normals: Float[np.ndarray, "s v 2"]  # of the face from each vertex to the next
    padding: np.ndarray  # bool[s, v]: faces that do not exist
    diameter: float  # m, of the largest


@dataclasses.dataclass(frozen=True)
class Mechanism:
    """Bodies and joints that form one tree, in the order in which Box2D would create them.

    Raises:
        SettingError: the joints do not form a tree in which parents come first.
    """

    bodies: tuple[Body, ...]
    joints: tuple[Joint, ...]

    def __post_init__(self):
        children = sorted(joint.child for joint in self.joints)
        ordered = all(joint.parent < joint.child for joint in self.joints)
        if children != list(range(1, len(self.bodies))) or not ordered:
            allowed = "one for each body except the first, with parents before children"
            raise SettingError("joints", [(j.parent, j.child) for j in self.joints], allowed)

    @property
    def parent(self) -> Int[np.ndarray, " j"]:
        return np.array([joint.parent for joint in self.joints], np.int32)

    @property
    def child(self) -> Int[np.ndarray, " j"]:
        return np.array([joint.child for joint in self.joints], np.int32)

    @functools.cached_property
    def properties(self) -> tuple[shapes.MassProperties, ...]:
        return tuple(map(_mass_properties, self.bodies))

    @functools.cached_property
    def mass(self) -> Float[np.ndarray, " b"]:
        return np.array([x.mass for x in self.properties])

    @functools.cached_property
    def inertia(self) -> Float[np.ndarray, " b"]:
        return np.array([x.inertia for x in self.properties])

    @functools.cached_property
    def centers(self) -> Float[np.ndarray, "b 2"]:
        """The centers of mass in the frames of the bodies."""
        return np.array([x.center for x in self.properties])

    @functools.cached_property
    def pose(self) -> Float[np.ndarray, "b 3"]:
        """Center of mass (x, y) and angle of each body at the start."""
        angle = np.array([body.angle for body in self.bodies])
        origin = np.array([body.position for body in self.bodies])
        return np.concatenate([origin + rotated(self.centers, angle), angle[:, None]], 1)

    @functools.cached_property
    def anchors(self) -> tuple[Float[np.ndarray, "j 2"], Float[np.ndarray, "j 2"]]:
        """The hinges relative to the centers of mass of parents and of children."""
        parents = np.array([j.parent_anchor for j in self.joints]).reshape(-1, 2)
        children = np.array([j.child_anchor for j in self.joints]).reshape(-1, 2)
        return parents - self.centers[self.parent], children - self.centers[self.child]

    @functools.cached_property
    def reference(self) -> Float[np.ndarray, " j"]:
        """The difference of the bodies' angles at which each joint has the angle 0."""
        angle = self.pose[:, 2]
        return angle[self.child] - angle[self.parent]

    @functools.cached_property
    def limits(self) -> tuple[Float[np.ndarray, " j"], Float[np.ndarray, " j"]]:
        """The limits of the difference of the bodies' angles."""
        lower = np.array([j.lower for j in self.joints])
        upper = np.array([j.upper for j in self.joints])
        return lower + self.reference, upper + self.reference

    @functools.cached_property
    def speed(self) -> Float[np.ndarray, " j"]:
        return np.array([joint.speed for joint in self.joints])

    @functools.cached_property
    def torque(self) -> Float[np.ndarray, " j"]:
        return np.array([joint.torque for joint in self.joints])

    @functools.cached_property
    def motors(self) -> Int[np.ndarray, " m"]:
        """The joints that have a motor."""
        return np.flatnonzero(self.torque > 0)

    @functools.cached_property
    def levers(self) -> Float[np.ndarray, "b b 2"]:
        """Lever [i, k]: the velocity of body i relative to the common center of mass if k spins.

        In the frame of body k: if only k spins while all joints hold, the center of i moves by the
        spin times the lever, turned by 90 degrees.
        """
        n = len(self.bodies)
        lever = np.zeros((n, n, 2))
        outwards = np.argsort(self.child)
        for index in outwards:
            joint = self.joints[index]
            at_parent, at_child = (anchor[index] for anchor in self.anchors)
            lever[joint.child] = lever[joint.parent]
            lever[joint.child, joint.parent] += at_parent
            lever[joint.child, joint.child] -= at_child
        share = self.mass / self.mass.sum()
        return lever - np.einsum("i,ikx->kx", share, lever)

    @functools.cached_property
    def solid(self) -> Polygons:
        """The bodies that the ground holds up."""
        return self._polygons("solid")

    @functools.cached_property
    def detected(self) -> Polygons:
        """The bodies whose contacts are only detected."""
        return self._polygons("detected")

    @functools.cached_property
    def outlines(self) -> Polygons:
        """All bodies."""
        return self._polygons("solid", "detected")

    @functools.cached_property
    def hands(self) -> Int[np.ndarray, " g"]:
        """The bodies that can grip."""
        return np.array([i for i, body in enumerate(self.bodies) if body.grip], np.int32)

    @functools.cached_property
    def grips(self) -> Float[np.ndarray, "g 2"]:
        """The centers of the sensors of hands, relative to their centers of mass."""
        at = np.array([self.bodies[i].grip for i in self.hands]).reshape(-1, 2)
        return at - self.centers[self.hands]

    def _polygons(self, *contacts: str) -> Polygons:
        chosen = [i for i, body in enumerate(self.bodies) if body.contact in contacts]
        outlines = [shapes.convex(self.bodies[i].vertices) - self.centers[i] for i in chosen]
        size = max(map(len, outlines), default=0)
        vertices, normals = np.zeros((2, len(chosen), size, 2))
        padding = np.ones((len(chosen), size), bool)
        diameter = 0.0
        for row, outline in enumerate(outlines):
            count = len(outline)
            # Padded with the first vertex, so that each vertex of a face has the next one after it.
            vertices[row] = outline[np.where(np.arange(size) < count, np.arange(size), 0)]
            normals[row, :count] = shapes.normals(outline)
            padding[row, :count] = False
            apart = outline[:, None] - outline[None]
            diameter = max(diameter, float(np.linalg.norm(apart, axis=-1).max()))
        return Polygons(np.array(chosen, np.int32), vertices, normals, padding, diameter)

    @functools.cached_property
    def island_order(self) -> tuple[int, ...]:
        """The order in which Box2D solves the joints.

        It searches from the body created last, with a stack, and visits the joints of each body
        from the one created last.
        """
        order: list[int] = []
        stack, seen = [len(self.bodies) - 1], {len(self.bodies) - 1}
        while stack:
            body = stack.pop()
            for index in reversed(range(len(self.joints))):
                joint = self.joints[index]
                if body not in (joint.parent, joint.child) or index in order:
                    continue
                order.append(index)
                other = joint.child if body == joint.parent else joint.parent
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return tuple(order)


def _mass_properties(body: Body) -> shapes.MassProperties:
    polygon = shapes.mass_properties(shapes.convex(body.vertices), body.density)
    if body.grip is None:
        return polygon
    return shapes.combined([polygon, shapes.disc(body.grip, GRIP_RADIUS, GRIP_DENSITY)])


def rotated(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return points [..., 2] turned by angles [...]."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], -1)
