"""The frames of videos of policies."""

import pytest

from didact.experiments.evaluation import watch


@pytest.mark.parametrize(
    ("picture", "frame"),
    [
        ((160, 160), (352, 352)),
        ((400, 600), (352, 528)),
        ((600, 400), (528, 352)),
        ((100, 400), (132, 528)),
        ((1, 2000), (1, 528)),
    ],
)
def test_frames_have_the_shape_of_the_picture(picture, frame):
    assert watch._scaled(*picture, 352) == frame
