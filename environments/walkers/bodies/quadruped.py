"""The big quadruped of TeachMyAgent."""

from didact.environments.physics import Body, Joint, Mechanism
from didact.environments.physics.shapes import scaled
from didact.environments.walkers.bodies.legs import straight_leg
from didact.environments.walkers.plan import TORQUE_COST, UNIT, Walker
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

HULL = scaled(((-46, 13), (6, 13), (50, 5), (50, -12), (-46, -12)), UNIT)
DOWN, WIDTH, HEIGHT = 3 * UNIT, 10 * UNIT, 51 * UNIT
HIPS = (-0.7 * 48 * UNIT, 0.5 * 48 * UNIT)  # behind and before the origin of the hull
TORQUE = 300.0
HULL_COLOUR, NEAR_COLOUR, FAR_COLOUR = (110, 84, 214), (168, 108, 176), (126, 72, 138)


def quadruped() -> Walker:
    """Return a body with four legs of two parts."""
    x, y = SPACING * STARTPAD / 2, GROUND + 2 * HEIGHT + DOWN
    bodies = [Body("hull", HULL, 5.0, (x, y), friction=0.1, contact="detected")]
    joints: list[Joint] = []
    views = []
    for place, offset in zip(("hind", "front"), HIPS, strict=True):
        for side in ("left", "right"):
            hip = (x + offset, y - DOWN)
            name = f"{side} {place}"
            views += straight_leg(bodies, joints, name, 0, hip, (WIDTH, HEIGHT), TORQUE)
    colours = (HULL_COLOUR, *2 * (NEAR_COLOUR, NEAR_COLOUR, FAR_COLOUR, FAR_COLOUR))
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    cost = TORQUE_COST / 2
    return Walker("quadruped", mechanism, tuple(views), 0, cost, colours=colours, file="quadruped")
