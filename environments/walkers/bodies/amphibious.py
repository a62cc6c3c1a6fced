"""The amphibious biped of TeachMyAgent: the classic biped, as light as water."""

import dataclasses

from didact.environments.physics import Mechanism
from didact.environments.walkers.bodies.bipeds import classic_biped
from didact.environments.walkers.plan import Walker

HULL_DENSITY, LEG_DENSITY = 1.25, 0.25  # relative to water
HULL_COLOUR, THIGH_COLOUR, SHANK_COLOUR = (112, 206, 60), (142, 196, 72), (232, 96, 44)


def amphibious_biped() -> Walker:
    """Return a biped that may touch the ground and lives in and out of water."""
    biped = classic_biped().solid()
    hull, *legs = biped.mechanism.bodies
    bodies = (
        dataclasses.replace(hull, density=HULL_DENSITY),
        *(dataclasses.replace(leg, density=LEG_DENSITY) for leg in legs),
    )
    colours = (HULL_COLOUR, *2 * (THIGH_COLOUR, SHANK_COLOUR))
    mechanism = Mechanism(bodies, biped.mechanism.joints)
    return dataclasses.replace(
        biped,
        name="amphibious biped",
        mechanism=mechanism,
        colours=colours,
        file="amphibious_biped",
        kind="amphibian",
    )
