"""TeachMyAgent's `ClassicBipedalBody`, and the small biped, whose legs are half as long."""

from didact.environments.physics import Body, Joint, Mechanism
from didact.environments.walkers.bodies.gymnasium_biped import (
    FAR_COLOUR,
    HULL,
    HULL_COLOUR,
    NEAR_COLOUR,
)
from didact.environments.walkers.bodies.legs import straight_leg
from didact.environments.walkers.plan import UNIT, Walker
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

DOWN, WIDTH = 3 * UNIT, 8 * UNIT
TORQUE = 80.0


def classic_biped() -> Walker:
    """Return a biped with the measures of BipedalWalker-v3, but higher hips and straight legs."""
    return _biped("classic biped", 34 * UNIT, "classic_biped")


def small_biped() -> Walker:
    """Return the biped with short legs."""
    return _biped("small biped", 17 * UNIT, "small_biped")


def _biped(name: str, leg: float, file: str) -> Walker:
    x, y = SPACING * STARTPAD / 2, GROUND + 2 * leg + DOWN
    bodies = [Body("hull", HULL, 5.0, (x, y), friction=0.1, contact="detected")]
    joints: list[Joint] = []
    views = [
        view
        for side in ("left", "right")
        for view in straight_leg(bodies, joints, side, 0, (x, y - DOWN), (WIDTH, leg), TORQUE)
    ]
    colours = (HULL_COLOUR, NEAR_COLOUR, NEAR_COLOUR, FAR_COLOUR, FAR_COLOUR)
    mechanism = Mechanism(tuple(bodies), tuple(joints))
    return Walker(name, mechanism, tuple(views), colours=colours, file=file)
