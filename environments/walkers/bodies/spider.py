"""The spider of TeachMyAgent: four legs of three parts, bent upwards and then down."""

import numpy as np

from didact.environments.physics import Body, Joint, Mechanism, hinge
from didact.environments.physics.shapes import box
from didact.environments.walkers.plan import (
    HIP_SPEED,
    KNEE_SPEED,
    TORQUE_COST,
    UNIT,
    MotorView,
    Walker,
)
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

HULL = box(20 * UNIT, 20 * UNIT)
DOWN, WIDTH, HEIGHT = 4 * UNIT, 6 * UNIT, 20 * UNIT
TORQUE = 100.0
# Of each part of a leg: its name, its angle, whether it points up, its joint's limit, its speed.
PARTS = (
    ("upper", 0.25 * np.pi, 0.1 * np.pi, HIP_SPEED),
    ("middle", 0.7 * np.pi, 0.15 * np.pi, HIP_SPEED),
    ("lower", 0.9 * np.pi, 0.2 * np.pi, KNEE_SPEED),
)
HULL_COLOUR, NEAR_COLOUR, FAR_COLOUR = (88, 52, 104), (168, 96, 150), (134, 70, 122)


def spider() -> Walker:
    """Return a body with four legs of three parts."""
    x, y = SPACING * STARTPAD / 2, GROUND + HEIGHT + DOWN
    bodies = [Body("hull", HULL, 5.0, (x, y), friction=0.1, contact="detected")]
    joints: list[Joint] = []
    views, colours = [], [HULL_COLOUR]
    for number, side in enumerate((1, -1, 1, -1)):
        name = f"{'hind' if side > 0 else 'front'} {'left' if number < 2 else 'right'}"
        at, parent = (x - side * 10 * UNIT, y - DOWN), 0
        for part, turn, limit, speed in PARTS:
            angle = float(turn * side)
            # From the joint along the leg; at an angle of 0, legs point up.
            along = (-float(np.sin(angle)) * HEIGHT, float(np.cos(angle)) * HEIGHT)
            middle = (at[0] + along[0] / 2, at[1] + along[1] / 2)
            width = 0.8 * WIDTH if part == "lower" else WIDTH
            bodies.append(Body(f"{name} {part}", box(width, HEIGHT), 1.0, middle, angle))
            body = len(bodies) - 1
            joints.append(
                hinge(bodies, f"{name} {part}", parent, body, at, -limit, limit, speed, TORQUE)
            )
            views.append(MotorView(foot=body if part == "lower" else None))
            colours.append(NEAR_COLOUR if number < 2 else FAR_COLOUR)
            at, parent = (at[0] + along[0], at[1] + along[1]), body
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    cost = TORQUE_COST / 2
    return Walker("spider", mechanism, tuple(views), 0, cost, True, tuple(colours), "spider")
