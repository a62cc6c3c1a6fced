"""The fish of TeachMyAgent: a head with a fin, and three parts of a tail."""

import numpy as np

from didact.environments.physics import Body, Joint, Mechanism, hinge
from didact.environments.physics.shapes import box, scaled
from didact.environments.walkers.plan import KNEE_SPEED, UNIT, MotorView, Walker
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

DENSITY = 0.99  # slightly lighter than water
TORQUE = 80.0
CENTER, ABOVE = 9 * UNIT, 1.0  # m: the head's height above the ground, and what is added to it
HEAD = scaled(((-20, 12), (6, 12), (15, 4), (15, -4), (6, -12), (-20, -12)), UNIT)
NECK = 35 / 2 * UNIT  # m: from the head's origin back to the first joint
# Of each part of the tail: its outline, its length in pixels, and the limits of its joint.
PARTS = (
    (((-8, 9), (8, 12), (8, -12), (-8, -9)), 16, (-0.1 * np.pi, 0.2 * np.pi)),
    (((-8, 4), (8, 9), (8, -9), (-8, -4)), 16, (-0.15 * np.pi, 0.15 * np.pi)),
    (((-4, 2), (4, 4), (4, -4), (-4, -2)), 8, (-0.3 * np.pi, 0.3 * np.pi)),
)
FIN, FIN_ANGLE, FIN_LIMITS = (2 * UNIT, 20 * UNIT), -0.2 * np.pi, (-0.3 * np.pi, 0.2 * np.pi)
FIN_DOWN = 11 * UNIT - 0.2  # m: the joint of the fin below the head's origin
COLOURS = ((236, 138, 62), (240, 158, 80), (244, 176, 98), (248, 196, 120), (226, 108, 52))


def fish() -> Walker:
    """Return a fish with four joints. It may touch the ground."""
    x, y = SPACING * STARTPAD / 2, GROUND + CENTER + ABOVE
    bodies = [Body("head", HEAD, DENSITY, (x, y), friction=0.1)]
    joints: list[Joint] = []
    back = x - NECK
    for number, (outline, length, limits) in enumerate(PARTS, 1):
        name = f"tail {number}"
        middle = back - length * UNIT / 2
        bodies.append(Body(name, scaled(outline, UNIT), DENSITY, (middle, y)))
        joints.append(
            hinge(bodies, name, number - 1, number, (back, y), *limits, KNEE_SPEED, TORQUE)
        )
        back -= length * UNIT
    at = (x, y - FIN_DOWN)
    half = FIN[1] / 2
    middle = (at[0] + np.sin(FIN_ANGLE) * half, at[1] - np.cos(FIN_ANGLE) * half)
    bodies.append(Body("fin", box(*FIN), DENSITY, middle, FIN_ANGLE))
    joints.append(hinge(bodies, "fin", 0, 4, at, *FIN_LIMITS, KNEE_SPEED, TORQUE))
    views = tuple(MotorView(foot=body) for body in range(1, 5))
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    return Walker(
        *("fish", mechanism, views),
        upright=False,
        colours=COLOURS,
        file="fish",
        pushed=(),
        kind="swimmer",
    )
