"""The wheel of TeachMyAgent: a square with a leg of two parts on each side, on which it rolls."""

import numpy as np

from didact.environments.physics import Body, Joint, Mechanism, hinge
from didact.environments.physics.shapes import box
from didact.environments.walkers.bodies.legs import HIP, KNEE
from didact.environments.walkers.plan import (
    HIP_SPEED,
    KNEE_SPEED,
    TORQUE_COST,
    UNIT,
    MotorView,
    Walker,
)
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

SIDE = 20 * UNIT
WIDTH, HEIGHT = 4 * UNIT, 10 * UNIT
TORQUE = 500.0
# Where the legs point, in the order of the original, and the angles of their boxes.
SIDES = (
    *(("lower", (0, -1), 0.0), ("upper", (0, 1), 0.0)),
    *(("hind", (-1, 0), np.pi / 2), ("front", (1, 0), np.pi / 2)),
)
COLOURS = ((128, 51, 102), *4 * ((178, 101, 152), (204, 132, 176)))


def wheel() -> Walker:
    """Return a square with four legs. It may touch the ground."""
    x, y = SPACING * STARTPAD / 2, GROUND + SIDE / 2 + 2 * HEIGHT
    bodies = [Body("hull", box(SIDE, SIDE), 5.0, (x, y), friction=0.1)]
    joints: list[Joint] = []
    views: list[MotorView] = []
    for name, (dx, dy), angle in SIDES:

        def out(distance, dx=dx, dy=dy):
            return x + dx * distance, y + dy * distance

        thigh = len(bodies)
        hip, knee = out(SIDE / 2), out(SIDE / 2 + HEIGHT)
        upper, lower = out(SIDE / 2 + HEIGHT / 2), out(SIDE / 2 + 1.5 * HEIGHT)
        bodies.append(Body(f"{name} thigh", box(WIDTH, HEIGHT), 1.0, upper, angle))
        bodies.append(Body(f"{name} shank", box(0.8 * WIDTH, HEIGHT), 1.0, lower, angle))
        joints.append(hinge(bodies, f"{name} hip", 0, thigh, hip, *HIP, HIP_SPEED, TORQUE))
        joints.append(
            hinge(bodies, f"{name} knee", thigh, thigh + 1, knee, *KNEE, KNEE_SPEED, TORQUE)
        )
        views += [MotorView(), MotorView(1.0, thigh + 1)]
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    return Walker(
        *("wheel", mechanism, tuple(views)),
        torque_cost=TORQUE_COST / 2,
        upright=False,
        colours=COLOURS,
        file="wheel",
    )
