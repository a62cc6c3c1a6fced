"""Swimming and hanging bodies, and the same in Box2D."""

import numpy as np
import pytest

from didact.benchmarks.physics import parkour_accuracy
from didact.environments.physics import iterations

pytestmark = [pytest.mark.reference, pytest.mark.slow]  # each body compiles its own engine
pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")

# Of the medians after 0.1, 0.2 and 0.5 s, in m, in addition to twice Box2D's own error.
LIMITS = {
    "fish, deep, random": [0.0005, 0.0005, 0.002],
    "fish, half out of the water, limp": [0.0005, 0.0005, 0.0005],
    "chest, hanging, weak random": [0.005, 0.01, 0.03],
}


@pytest.mark.parametrize("name", LIMITS)
def test_bodies_swim_and_hang_as_in_box2d(name):
    condition = parkour_accuracy.CONDITIONS[name]
    found = parkour_accuracy.compare(condition, iterations("reference"), 8)
    bound = LIMITS[name] + 2 * np.median(found.floor, 1)
    assert (np.median(found.ours, 1) < bound).all(), (found.ours, found.floor)
    if condition.hold:
        assert found.held
        assert np.asarray(found.bodies.grips.holding).all()
