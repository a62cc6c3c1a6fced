"""The engine and Box2D, from the same states under the same actions."""

import numpy as np
import pytest

from didact.benchmarks.physics import accuracy

pytestmark = pytest.mark.reference
pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")

# Of the medians and 90th percentiles after 0.1, 0.2 and 0.5 s, in m; about twice what was measured.
LIMITS = {
    "reset, random": ([0.004, 0.008, 0.04], [0.04, 0.06, 0.35]),
    "mid-gait, scripted": ([0.001, 0.001, 0.003], [0.005, 0.01, 0.03]),
    "hardcore, random": ([0.004, 0.008, 0.05], [0.03, 0.05, 0.2]),
}


@pytest.mark.parametrize("condition", LIMITS)
def test_paths_are_those_of_box2d(condition, walkers):
    found = accuracy.Case(condition, walkers.n).errors(walkers.step)
    median, high = LIMITS[condition]
    assert (np.array(found["median"][:3]) <= median).all(), found
    assert (np.array(found["90 %"][:3]) <= high).all(), found
