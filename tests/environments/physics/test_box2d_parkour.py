"""Swimming and hanging bodies, and the same in Box2D."""

import numpy as np
import pytest

from didact.benchmarks.physics import parkour_accuracy
from didact.benchmarks.physics.box2d_parkour import Box2DParkour
from didact.environments.physics import iterations
from didact.environments.walkers.bodies import PARKOUR_BODIES
from didact.environments.walkers.plan import HANGING
from didact.environments.walkers.track import GROUND, SPACING

pytestmark = pytest.mark.reference
pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")

# Of the medians after 0.1, 0.2 and 0.5 s, in m, in addition to twice Box2D's own error.
LIMITS = {
    "fish, deep, random": [0.0005, 0.0005, 0.002],
    "fish, half out of the water, limp": [0.0005, 0.0005, 0.0005],
    "chest, hanging, weak random": [0.005, 0.01, 0.03],
    "chest, hanging, random": [0.01, 0.02, 0.04],
    "chimpanzee, hanging, random": [0.01, 0.02, 0.04],
}


def test_hands_collide_with_what_they_hold():
    """As in TeachMyAgent, where a sensor of its own holds."""
    mechanism, heights = PARKOUR_BODIES["climbing_chest"].mechanism, np.full(60, GROUND)
    world = Box2DParkour(mechanism, heights, heights + HANGING, SPACING)
    for _ in range(3):
        world.step(np.concatenate([np.zeros(len(mechanism.motors)), np.ones(2)]))
    for sensor, joint in zip(world.sensors, world.held, strict=True):
        box = next(fixture for fixture in sensor.body.fixtures if not fixture.sensor)
        contacts = [edge.contact for edge in sensor.body.contacts if edge.other == joint.bodyB]
        assert any(box in (contact.fixtureA, contact.fixtureB) for contact in contacts)


@pytest.mark.slow  # each body compiles its own engine
@pytest.mark.parametrize("name", LIMITS)
def test_bodies_swim_and_hang_as_in_box2d(name):
    condition = parkour_accuracy.CONDITIONS[name]
    found = parkour_accuracy.compare(condition, iterations("reference"), 8)
    bound = LIMITS[name] + 2 * np.median(found.floor, 1)
    assert (np.median(found.ours, 1) < bound).all(), (found.ours, found.floor)
    if condition.hold:
        assert found.held
        assert np.asarray(found.bodies.grips.holding).all()
