"""Pictures of beliefs: each kind as it is drawn, and the film."""

import jax
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from didact.environments import Box, Dimension
from didact.experiments.plotting import beliefs_plot, curriculum_film, levels_plot
from didact.experiments.plotting.training_curves import CurriculumSnapshot, curriculum
from didact.experiments.runs.curriculum_snapshots import most_informative_dimensions

SPACE = Box((Dimension("a", 0, 2), Dimension("b", 0, 4, integer=True), Dimension("c", 0, 1)))


def snapshot(steps, beliefs, n=30):
    tasks = np.asarray(SPACE.sample(jax.random.key(steps), n))
    success = (tasks[:, 0] < 1).astype(float)
    return CurriculumSnapshot(steps, tasks, success, success, beliefs)


def boxes(t):
    low = np.array([[0, 0, 0], [1, 2, 0], [0.0, 0, 0]])
    high = np.array([[1 + t / 5, 1, 1], [2, 4, 1], [0, 0, 0]])
    return {"low": low, "high": high, "weights": np.array([0.25, 0.75, 0])}


def model(t):
    points = np.asarray(SPACE.sample(jax.random.key(9), 400))
    return {"points": points, "values": 0.1 + 0.8 / (1 + np.exp(4 * (points[:, 0] - 1 - t / 10)))}


def levels(t, k=12):
    rows = np.asarray(SPACE.sample(jax.random.key(3), k))
    scores = np.linspace(0, 1, k)
    chances = np.where(np.arange(k) < 4, 0, (1 + t) ** np.arange(k))
    return {"levels": rows, "scores": scores, "probabilities": chances / chances.sum()}


def arms(t):
    return {"arms": np.array([0.2, 0.8])}


KINDS = {"boxes": boxes, "model": model, "levels": levels, "arms": arms}


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    save = Figure.savefig

    def savefig(self, *arguments, **settings):
        figures.append(self)
        return save(self, *arguments, **settings)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def moments(figure):
    return [axes for axes in figure.subfigs[0].axes if axes.get_title(loc="left")]


def test_boxes_are_drawn_where_they_are(tmp_path, drawn):
    given = [snapshot(t, boxes(t)) for t in range(3)]
    curriculum(tmp_path / "a.png", given, SPACE, names=("a", "b"))
    for t, axes in enumerate(moments(drawn[0])):
        shapes = [p for p in axes.patches if isinstance(p, Rectangle)]
        found = sorted((p.get_xy(), p.get_width(), p.get_height()) for p in shapes)
        # A whole number is as wide as its cell; the third box has no weight.
        assert found == [
            ((0, -0.5), pytest.approx(1 + t / 5), 2),
            ((1, 1.5), pytest.approx(1), 3),
        ]
        dark = {p.get_xy()[0]: p.get_facecolor()[3] for p in shapes}
        assert dark[1] > dark[0]
    words = drawn[0].subfigs[0].get_suptitle()
    assert words.startswith("a and b, of 3 parameters; rectangles")


def test_the_progress_of_boxes_is_shown_instead_of_their_weights(tmp_path, drawn):
    beliefs = boxes(0) | {"weights": np.array([0.5, 0.5, 0]), "progress": np.array([0.3, 0, 0])}
    curriculum(tmp_path / "a.png", [snapshot(0, beliefs)], SPACE, names=("a", "b"))
    (axes,) = moments(drawn[0])
    shapes = [p for p in axes.patches if isinstance(p, Rectangle)]
    dark = {p.get_xy()[0]: p.get_facecolor()[3] for p in shapes}
    assert dark[0] > 0.2 > dark[1]


def test_a_model_is_averaged_over_what_is_not_shown():
    rng = np.random.default_rng(0)
    points = rng.random((2000, 2))
    values = points[:, 0] ** 2 + rng.normal(size=2000)
    at = np.linspace(0.1, 0.9, 9)[:, None]
    found = beliefs_plot.smoothed(points[:, :1], values, at)
    # The kernel adds its variance to the square.
    np.testing.assert_allclose(found, at[:, 0] ** 2 + 0.06**2, atol=0.25)
    brute = [
        np.average(values, weights=np.exp(-((points[:, 0] - x) ** 2) / 0.0072)) for x in at[:, 0]
    ]
    np.testing.assert_allclose(found, brute)
    far = beliefs_plot.smoothed(np.zeros((1, 2)), np.array([0.3]), np.full((1, 2), 100.0))
    assert far == pytest.approx(0.3)


def test_levels_are_larger_where_replayed_more(tmp_path, drawn):
    given = [snapshot(t, levels(t)) for t in range(2)]
    curriculum(tmp_path / "a.png", given, SPACE, names=("a", "c"))
    axes = moments(drawn[0])[1]
    (squares,) = (
        c for c in axes.collections if isinstance(c, PathCollection) and c.get_zorder() == 3
    )
    beliefs = levels(1)
    np.testing.assert_allclose(squares.get_offsets(), beliefs["levels"][4:, [0, 2]], rtol=1e-6)
    assert np.all(np.diff(squares.get_sizes()) > 0)


def test_the_best_levels_come_first():
    beliefs = levels(0)  # of equal probability, so by score
    np.testing.assert_array_equal(levels_plot.best(beliefs, 3), [11, 10, 9])
    assert len(levels_plot.best(beliefs, 100)) == 8
    np.testing.assert_array_equal(levels_plot.best(levels(2), 2), [11, 10])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimensions", [1, 3])
def test_every_kind_in_every_space(kind, dimensions, tmp_path):
    fixed = {name: float(SPACE.low[i]) for i, name in enumerate(SPACE.names) if i >= dimensions}
    space = SPACE.restricted(**fixed)
    given = [snapshot(t, KINDS[kind](t) if t else {}) for t in range(2)]
    given = [s._replace(tasks=np.asarray(space.clip(s.tasks))) for s in given]
    curriculum(tmp_path / "a.png", given, space, dpi=40)
    frames = list(curriculum_film.frames(given, space, dpi=40))
    assert len(frames) == 2
    assert frames[0].shape == frames[1].shape


def test_thumbnails_are_those_of_the_most_probable_levels(tmp_path):
    asked = []

    def thumbnails(tasks):
        asked.append(tasks)
        return [np.full((8, 8, 3), 40 * i, np.uint8) for i in range(len(tasks))]

    given = [snapshot(t, levels(t) if t else {}) for t in range(3)]
    levels_plot.levels(tmp_path / "a.png", given, thumbnails, count=3)
    assert len(asked) == 2
    for t, tasks in enumerate(asked, 1):
        np.testing.assert_array_equal(tasks, levels(t)["levels"][[11, 10, 9]])
    levels_plot.levels(tmp_path / "b.png", given, None)
    for name in "ab":
        with Image.open(tmp_path / f"{name}.png") as image:
            assert np.asarray(image).std() > 5


def test_thumbnails_that_are_all_alike_are_left_out():
    given = [snapshot(0, levels(0))]

    def alike(tasks):
        return [np.zeros((4, 4, 3), np.uint8)] * len(tasks)

    def different(tasks):
        return [np.full((4, 4, 3), i, np.uint8) for i in range(len(tasks))]

    assert levels_plot.informative(alike, given) is None
    assert levels_plot.informative(different, given) is different
    assert levels_plot.informative(different, [snapshot(0, {})]) is None


def test_a_film_has_a_frame_for_each_snapshot_and_holds_the_last(tmp_path):
    given = [snapshot(1000 * t, boxes(t)) for t in range(4)]
    path = curriculum_film.film(
        tmp_path / "a.gif", given, SPACE, title="env, teacher", dpi=40, fps=2
    )
    with Image.open(path) as image:
        seconds = []
        for i in range(image.n_frames):
            image.seek(i)
            seconds.append(image.info["duration"] / 1000)
    assert len(seconds) == 4
    np.testing.assert_allclose(seconds, [0.5, 0.5, 0.5, 2.0])
    (last,) = curriculum_film.frames(given, SPACE, title="env, teacher", dpi=40, last=1)
    whole = list(curriculum_film.frames(given, SPACE, title="env, teacher", dpi=40))
    np.testing.assert_array_equal(last, whole[-1])


def test_dimensions_in_which_a_model_differs_are_shown():
    given = [snapshot(t, model(0)) for t in range(2)]
    given = [s._replace(success=np.zeros(30)) for s in given]
    assert most_informative_dimensions(given, SPACE)[0] == 0
