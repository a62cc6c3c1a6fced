"""Suites that are tested on published sets of test tasks."""

import numpy as np
import pytest

from didact.benchmarks.suites import suite_files
from didact.environments import make
from didact.environments.task_spaces import Box
from didact.environments.walkers import parkour_test_tasks
from didact.environments.walkers.parkour.tasks import SCALE, SETS, WIDTH
from didact.environments.wrappers.step_limit import WithStepLimit


@pytest.mark.parametrize(
    ("name", "kind"),
    [("biped", "walking"), ("fish", "swimming"), ("climber", "climbing")],
)
def test_parkour_is_tested_on_the_published_tasks(name, kind):
    """And taught in the space of training, of which the others are samples."""
    suite = suite_files.read_suite(f"parkour_{name}")
    np.testing.assert_array_equal(suite.tests["published"], parkour_test_tasks(kind))
    assert np.asarray(suite.space.contains(suite.tests["training"])).all()
    training = make("Parkour").task_space
    assert isinstance(suite.space, Box)
    bounds = {d.name: (d.low, d.high) for d in suite.space.dimensions}
    assert bounds.pop("creeper_width") == (WIDTH, WIDTH)
    assert bounds.pop("terrain_scale") == (SCALE, SCALE)
    assert bounds == {d.name: (d.low, d.high) for d in training.dimensions}


def test_wrappers_keep_the_published_tasks():
    environment = WithStepLimit(make("Parkour", tasks="tests"), 100)
    assert set(environment.test_sets) == set(SETS)
    for kind, tasks in environment.test_sets.items():
        np.testing.assert_array_equal(tasks, parkour_test_tasks(kind))
    assert make("Parkour").test_sets == {}  # whose tasks have too few parameters
