"""Any mechanism of the engine, built in Box2D from the same data."""

import importlib
from typing import Any

import numpy as np
from jaxtyping import Float

from didact.environments.physics import Mechanism
from didact.environments.physics.mechanism import rotated
from didact.environments.physics.velocity import GRAVITY, GROUND_FRICTION

GROUND, BODY = 0x1, 0x20  # collision categories: bodies collide with the ground only


class Box2DMechanism:
    """A mechanism above a chain of edges and boxes, in Box2D.

    Args:
        mechanism: the bodies and joints.
        heights: of the points of the ground.
        spacing: the distance of these points.
        boxes: left, bottom, right and top of each box.
        iterations: of Box2D's solvers for velocities and positions.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        heights: Float[np.ndarray, " t"],
        spacing: float,
        boxes: Float[np.ndarray, "b 4"] = np.zeros((0, 4)),  # noqa: B008
        iterations: tuple[int, int] = (180, 60),
    ):
        b2: Any = importlib.import_module("Box2D.b2")
        self.mechanism, self.iterations = mechanism, iterations
        self.world: Any = b2.world(gravity=(0, GRAVITY))
        for left, bottom, right, top in np.asarray(boxes, float):
            corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
            shape = b2.polygonShape(vertices=corners)
            self._ground(b2.fixtureDef(shape=shape, friction=GROUND_FRICTION, categoryBits=GROUND))
        for i in range(len(heights) - 1):
            ends = [(i * spacing, float(heights[i])), ((i + 1) * spacing, float(heights[i + 1]))]
            shape = b2.edgeShape(vertices=ends)
            self._ground(b2.fixtureDef(shape=shape, friction=GROUND_FRICTION, categoryBits=GROUND))
        self.bodies = [
            self.world.CreateDynamicBody(
                position=body.position,
                angle=body.angle,
                fixtures=b2.fixtureDef(
                    shape=b2.polygonShape(vertices=list(body.vertices)),
                    density=body.density,
                    friction=body.friction,
                    categoryBits=BODY,
                    maskBits=GROUND,
                ),
            )
            for body in mechanism.bodies
        ]
        self.joints = [
            self.world.CreateJoint(
                b2.revoluteJointDef(
                    bodyA=self.bodies[joint.parent],
                    bodyB=self.bodies[joint.child],
                    localAnchorA=joint.parent_anchor,
                    localAnchorB=joint.child_anchor,
                    enableMotor=joint.torque > 0,
                    enableLimit=True,
                    maxMotorTorque=joint.torque,
                    lowerAngle=joint.lower,
                    upperAngle=joint.upper,
                )
            )
            for joint in mechanism.joints
        ]

    def _ground(self, fixture: Any) -> None:
        self.world.CreateStaticBody(fixtures=fixture)

    def step(self, actions: Float[np.ndarray, " m"]) -> None:
        """Move for 20 ms, with the torques of the motors relative to their largest ones."""
        for index, action in zip(self.mechanism.motors, actions, strict=True):
            data = self.mechanism.joints[index]
            self.joints[index].motorSpeed = float(data.speed * np.sign(action))
            self.joints[index].maxMotorTorque = float(data.torque * abs(action))
        self.world.Step(1 / 50, *self.iterations)

    def motion(self) -> Float[np.ndarray, "b 6"]:
        """Return x, y and angle of the centers of mass, and their velocities."""
        return np.array(
            [
                [*body.worldCenter, body.angle, *body.linearVelocity, body.angularVelocity]
                for body in self.bodies
            ]
        )

    def place(self, motion: Float[np.ndarray, "b 6"]) -> None:
        """Put the bodies somewhere."""
        centers = rotated(self.mechanism.centers, motion[:, 2])
        for body, row, center in zip(self.bodies, motion, centers, strict=True):
            body.angle = float(row[2])
            body.position = float(row[0] - center[0]), float(row[1] - center[1])
            body.linearVelocity = float(row[3]), float(row[4])
            body.angularVelocity = float(row[5])
