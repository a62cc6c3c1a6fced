"""The contract of pictures: what is drawn is checked, and each mistake is named."""

import numpy as np
import pytest

from didact.common import pictures

GAUSSIANS = {
    "means": np.zeros((3, 2)),
    "covariances": np.zeros((3, 2, 2)),
    "weights": np.array([0.5, 0.5, 0]),
    "progress": np.zeros(3),
}
BOXES = {"low": np.zeros((2, 2)), "high": np.ones((2, 2)), "weights": np.array([1.0, 0])}
MODEL = {"points": np.zeros((4, 2)), "values": np.zeros(4)}
LEVELS = {
    "levels": np.zeros((5, 2)),
    "scores": np.zeros(5),
    "probabilities": np.array([0.5, 0.5, 0, 0, 0]),
}
ARMS = {"arms": np.array([0.25, 0.75])}
ALL = {"Gaussians": GAUSSIANS, "boxes": BOXES, "success model": MODEL, "levels": LEVELS}


def test_kinds_are_told_by_their_names():
    assert pictures.kinds_of({}) == ()
    assert pictures.fault({}, 2) is None
    for kind, picture in {**ALL, "arms": ARMS}.items():
        assert pictures.kinds_of(picture) == (kind,)
        assert pictures.fault(picture, 2) is None
    both = {**BOXES, **MODEL, **LEVELS, **ARMS, "more": np.zeros(1)}
    assert pictures.kinds_of(both) == ("boxes", "success model", "levels", "arms")
    assert pictures.fault(both, 2) is None


def test_unused_items_may_hold_anything_in_old_snapshots():
    broken = GAUSSIANS["means"].copy()
    broken[2] = np.nan
    assert pictures.fault({**GAUSSIANS, "means": broken}, 2) is None
    assert pictures.fault({**GAUSSIANS, "means": broken[::-1]}, 2) == "'means' must be finite"


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ({"mean": np.zeros(2)}, "mean are no kind of beliefs"),
        ({**GAUSSIANS, **BOXES}, "cannot be combined"),
        ({**LEVELS, "scores": np.zeros(4)}, "'levels' requires 'scores' of the shape (5,)"),
        ({**LEVELS, "levels": np.zeros((5, 3))}, "'levels' requires 'levels' of the shape (5, 2)"),
        ({**LEVELS, "probabilities": np.full(5, 0.3)}, "a sum of at most 1"),
        ({**LEVELS, "probabilities": np.array([0.5, -0.1, 0, 0, 0])}, "at least 0"),
        ({**BOXES, "high": -np.ones((2, 2))}, "'low' must be at most 'high'"),
        ({**BOXES, "progress": np.zeros(3)}, "'progress' of boxes must be"),
        ({"low": np.zeros((2, 2)), "weights": np.ones(2)}, "'low' requires 'high'"),
        ({**MODEL, "values": np.full(4, np.inf)}, "'values' must be finite"),
        ({"points": np.zeros((0, 2)), "values": np.zeros(0)}, "at least one item"),
        ({"arms": np.ones(2)}, "a sum of at most 1"),
        ({"arms": np.float64(1)}, "'arms' requires 'arms' of the shape"),
    ],
)
def test_mistakes_are_named(picture, words):
    assert words in str(pictures.fault(picture, 2))
