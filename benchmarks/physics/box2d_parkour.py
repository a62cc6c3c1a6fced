"""A mechanism with hands, below a ceiling and in water, in Box2D. The rules are TeachMyAgent's."""

import importlib
import itertools
from typing import Any

import numpy as np
from jaxtyping import Float

from didact.benchmarks.physics.box2d_mechanism import BODY, GROUND, Box2DMechanism
from didact.environments.physics import Mechanism
from didact.environments.physics.mechanism import GRIP_DENSITY, GRIP_RADIUS
from didact.environments.physics.velocity import GROUND_FRICTION

WATER_DENSITY, DRAG, LIFT, PUSH = 1.0, 0.25, 0.25, 0.05
MAX_DRAG, MAX_LIFT, MAX_PUSH = 2000.0, 500.0, 20.0


class Box2DParkour(Box2DMechanism):
    """A mechanism between ground and ceiling.

    Args:
        mechanism: the bodies and joints.
        heights, ceiling: the points of the ground and of the ceiling.
        spacing: the distance of these points.
        water: its level, or None.
        iterations: of Box2D's solvers for velocities and positions.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        heights: Float[np.ndarray, " t"],
        ceiling: Float[np.ndarray, " t"],
        spacing: float,
        water: float | None = None,
        iterations: tuple[int, int] = (180, 60),
    ):
        super().__init__(mechanism, heights, spacing, iterations=iterations)
        self.b2: Any = importlib.import_module("Box2D.b2")
        self.water = water
        self.ceiling = []
        for i in range(len(ceiling) - 1):
            ends = [(i * spacing, float(ceiling[i])), ((i + 1) * spacing, float(ceiling[i + 1]))]
            fixture = self.b2.fixtureDef(
                shape=self.b2.edgeShape(vertices=ends),
                friction=GROUND_FRICTION,
                categoryBits=GROUND,
            )
            self.ceiling.append(self.world.CreateStaticBody(fixtures=fixture))
        self.sensors, self.held = [], []
        for i in mechanism.hands:
            shape = self.b2.circleShape(radius=GRIP_RADIUS, pos=mechanism.bodies[i].grip)
            sensor = self.b2.fixtureDef(
                shape=shape,
                density=GRIP_DENSITY,
                isSensor=True,
                categoryBits=BODY,
                maskBits=GROUND,
            )
            self.sensors.append(self.bodies[i].CreateFixture(sensor))
            self.held.append(None)

    def step(self, actions: Float[np.ndarray, " m"]) -> None:
        """Move for 20 ms; after the motors, actions say which hands shall hold (if positive)."""
        motors = len(self.mechanism.motors)
        for number, action in enumerate(actions[motors:]):
            if action <= 0 and self.held[number] is not None:
                self.world.DestroyJoint(self.held[number])
                self.held[number] = None
        if self.water is not None:
            for index, body in enumerate(self.bodies):
                self._immerse(index, body, self.water)
        super().step(actions[:motors])
        for number, action in enumerate(actions[motors:]):
            if action > 0 and self.held[number] is None:
                self._grasp(number)

    def _grasp(self, number: int) -> None:
        sensor = self.sensors[number]
        hand = sensor.body
        touched = [
            edge.other
            for edge in hand.contacts
            if edge.contact.touching
            and sensor in (edge.contact.fixtureA, edge.contact.fixtureB)
            and edge.other in self.ceiling
        ]
        if touched:
            at = hand.GetWorldPoint(sensor.shape.pos)
            # In TeachMyAgent, the joint is on a sensor of its own, so the box of the hand still
            # collides with what it holds; by default, Box2D turns the contact off.
            definition = self.b2.revoluteJointDef(
                bodyA=hand, bodyB=touched[0], anchor=at, collideConnected=True
            )
            self.held[number] = self.world.CreateJoint(definition)

    def _immerse(self, index: int, body: Any, level: float) -> None:
        """Apply the forces of the water to one body, edge by edge."""
        polygon = next(fixture.shape for fixture in body.fixtures if not fixture.sensor)
        outline = [np.array(body.GetWorldPoint(v)) for v in polygon.vertices]
        below = _below(outline, level)
        if len(below) < 3:
            return
        area, centroid = _centroid(below)
        body.ApplyForce((0.0, WATER_DENSITY * area * 10.0), tuple(map(float, centroid)), True)
        joint = next((j for j in self.mechanism.joints if j.child == index), None)
        for a, b in zip(below, [*below[1:], below[0]], strict=True):
            length = float(np.linalg.norm(b - a))
            if length < 1e-9:
                continue
            along = (b - a) / length
            normal = np.array([along[1], -along[0]])
            middle = tuple(map(float, (a + b) / 2))
            velocity = np.array(body.GetLinearVelocityFromWorldPoint(middle))
            speed = float(np.linalg.norm(velocity))
            if speed > 1e-9 and normal @ velocity >= 0:
                direction = velocity / speed
                facing = float(normal @ direction)
                size = facing * length * WATER_DENSITY * speed**2
                drag = -min(DRAG * size, MAX_DRAG) * direction
                lift = min(LIFT * size * float(along @ direction), MAX_LIFT)
                lift = lift * np.array([-direction[1], direction[0]])
                body.ApplyForce(tuple(map(float, drag + lift)), middle, True)
            if joint is not None:
                self._push(body, self.joints[self.mechanism.joints.index(joint)], normal * length)

    def _push(self, body: Any, joint: Any, normal: Float[np.ndarray, " 2"]) -> None:
        if not joint.lowerLimit < joint.angle < joint.upperLimit:
            return
        torque = joint.GetMotorTorque(60)
        lever = np.array(body.worldCenter) - np.array(joint.anchorB)
        force = np.array([-torque * lever[1], torque * lever[0]])
        facing = float(normal @ force)
        if facing > 0:
            size = (
                facing * PUSH * WATER_DENSITY * (torque + body.inertia * body.angularVelocity) ** 2
            )
            push = np.clip(-size * force, -MAX_PUSH, MAX_PUSH)
            body.ApplyForce(tuple(map(float, push)), joint.anchorB, True)


def _below(outline: list[np.ndarray], level: float) -> list[np.ndarray]:
    """Clip a polygon to what is below a level."""
    found = []
    for a, b in zip(outline, [*outline[1:], outline[0]], strict=True):
        if a[1] < level:
            found.append(a)
        if (a[1] < level) != (b[1] < level):
            found.append(a + (level - a[1]) / (b[1] - a[1]) * (b - a))
    return found


def _centroid(points: list[np.ndarray]) -> tuple[float, Float[np.ndarray, " 2"]]:
    """Return area and centroid of a polygon."""
    origin = points[0]
    area, moment = 0.0, np.zeros(2)
    for a, b in itertools.pairwise(points[1:]):
        (ax, ay), (bx, by) = a - origin, b - origin
        part = float(ax * by - ay * bx) / 2
        area, moment = area + part, moment + part * (origin + a + b) / 3
    return area, moment / area if area > 1e-12 else origin
