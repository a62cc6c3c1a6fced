"""The biped of gymnasium's BipedalWalker-v3, whose joints are apart at the start.

It is also the biped of TeachMyAgent's published results, `OldClassicBipedalBody`.
"""

from didact.environments.physics import Body, Joint, Mechanism
from didact.environments.physics.shapes import box, scaled
from didact.environments.walkers.plan import HIP_SPEED, KNEE_SPEED, UNIT, MotorView, Walker
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

HULL = scaled(((-30, 9), (6, 9), (34, 1), (34, -8), (-30, -8)), UNIT)
DOWN, WIDTH, HEIGHT = -8 * UNIT, 8 * UNIT, 34 * UNIT
X = SPACING * STARTPAD / 2  # of the hull's origin
ALTITUDE = 2 * HEIGHT  # of the hull's origin above the ground
PARKOUR_ALTITUDE = 2 * HEIGHT + DOWN + 0.5  # where TeachMyAgent's parkour places it
TORQUE = 80.0
HULL_COLOUR, NEAR_COLOUR, FAR_COLOUR = (127, 51, 229), (178, 101, 152), (128, 51, 102)


def gymnasium_biped(altitude: float = ALTITUDE, file: str = "gymnasium_biped") -> Walker:
    """Return the walker of BipedalWalker-v3.

    Args:
        altitude: of the hull's origin above the ground at the start, m.
        file: the name of the table of its first step, which depends on the altitude.
    """
    y = GROUND + altitude
    bodies = [Body("hull", HULL, 5.0, (X, y), friction=0.1, contact="detected")]
    joints: list[Joint] = []
    for side, which in ((-1, "left"), (1, "right")):
        upper, lower = len(bodies), len(bodies) + 1
        for name, middle, width in (
            (f"{which} thigh", HEIGHT / 2, WIDTH),
            (f"{which} shank", 1.5 * HEIGHT, 0.8 * WIDTH),
        ):
            at = (X, y - middle - DOWN)
            bodies.append(Body(name, box(width, HEIGHT), 1.0, at, side * 0.05))
        top, bottom = (0.0, HEIGHT / 2), (0.0, -HEIGHT / 2)
        hip, knee = f"{which} hip", f"{which} knee"
        joints += [
            Joint(hip, 0, upper, (0.0, DOWN), top, -0.8, 1.1, HIP_SPEED, TORQUE),
            Joint(knee, upper, lower, bottom, top, -1.6, -0.1, KNEE_SPEED, TORQUE),
        ]
    views = (MotorView(), MotorView(1.0, 2), MotorView(), MotorView(1.0, 4))
    colours = (HULL_COLOUR, NEAR_COLOUR, NEAR_COLOUR, FAR_COLOUR, FAR_COLOUR)
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    return Walker("biped", mechanism, views, colours=colours, file=file)
