"""The millipede of TeachMyAgent: four boxes in a row, each with two legs. It cannot fall."""

import numpy as np

from didact.environments.physics import Body, Joint, Mechanism, hinge
from didact.environments.physics.shapes import box
from didact.environments.walkers.bodies.legs import straight_leg
from didact.environments.walkers.plan import TORQUE_COST, UNIT, Walker
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

SIDE = 20 * UNIT  # of each box
DOWN, WIDTH, HEIGHT = 3 * UNIT, 4 * UNIT, 10 * UNIT
TORQUE = 200.0
SEGMENTS = 4
BEND = 0.05 * np.pi  # rad, the limit between segments
HULL_COLOUR, NEAR_COLOUR, FAR_COLOUR = (112, 92, 212), (182, 112, 162), (142, 82, 132)


def millipede() -> Walker:
    """Return four segments with eight legs."""
    y = GROUND + 2 * HEIGHT + DOWN
    left = SPACING * STARTPAD / 2 - SIDE * SEGMENTS / 2
    bodies: list[Body] = []
    joints: list[Joint] = []
    views, colours, segments = [], [], []
    for segment in range(SEGMENTS):
        x, here = left + segment * SIDE, len(bodies)
        name = f"segment {segment + 1}"
        bodies.append(Body(name, box(SIDE, SIDE), 5.0, (x, y), friction=0.1))
        for side in ("left", "right"):
            leg = f"{name} {side}"
            views += straight_leg(bodies, joints, leg, here, (x, y - DOWN), (WIDTH, HEIGHT), TORQUE)
        if segments:
            at = (x - SIDE / 2, y)
            joints.append(hinge(bodies, f"{name} waist", segments[-1], here, at, -BEND, BEND))
        segments.append(here)
        colours += [HULL_COLOUR, NEAR_COLOUR, NEAR_COLOUR, FAR_COLOUR, FAR_COLOUR]
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    cost = TORQUE_COST / SEGMENTS
    return Walker(
        *("millipede", mechanism, tuple(views), segments[-1], cost, True, tuple(colours)),
        file="millipede",
        pushed=tuple(segments),
    )
