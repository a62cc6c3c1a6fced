"""Figures: the numbers behind them against other computations, and what is on the page."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import scipy.stats
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from PIL import Image

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box, Dimension
from didact.experiments.plotting.training_curves import (
    CurriculumSnapshot,
    bootstrap_band,
    curriculum,
    ellipse,
    learning_curves,
)
from didact.experiments.runs import report

SPACE = Box(
    (
        Dimension("room_size", 4, 8, integer=True),
        Dimension("rows", 1, 3, integer=True),
        Dimension("distractors", 0, 18, integer=True),
        Dimension("open_doors", 0, 1),
        Dimension("slope", -1, 1, unit="rad"),
    )
)


def snapshots(space, count=4, tasks=40, beliefs=True, seed=0):
    """A curriculum that moves from the low corner of the space to the high one."""
    rng = np.random.default_rng(seed)
    low, extent = space.low.astype(float), (space.high - space.low).astype(float)
    out = []
    for t in range(count):
        x = low + rng.beta(2 + t, 2 + count - t, (tasks, space.size)) * extent
        x = np.where(space.integer, np.round(x), x).astype(np.float32)
        success = (rng.random(tasks) < 0.6).astype(float)
        k = 3
        picture = {
            "means": low + rng.random((k, space.size)) * extent,
            "covariances": np.stack([np.diag(0.02 * extent**2)] * k),
            "weights": np.array([0.7, 0.3, 0.0]) * (t > 0),  # nothing is believed at first
            "progress": np.array([0.2, 0.05, 0.0]) * (t > 0),
        }
        out.append(CurriculumSnapshot(1000 * t, x, success, success, picture if beliefs else {}))
    return out


@pytest.fixture
def drawn(monkeypatch):
    """Figures as they were when they were saved."""
    figures = []
    save = Figure.savefig

    def savefig(self, *arguments, **settings):
        figures.append(self)
        return save(self, *arguments, **settings)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def panels(figure):
    """The axes above, with a task each point, and the strips below."""
    above, below = figure.subfigs
    return [a for a in above.axes if a.get_title(loc="left")], below.axes


def is_picture(path, width):
    with Image.open(path) as image:
        image.load()
        assert image.size[0] == pytest.approx(width, abs=1)
        return np.asarray(image.convert("RGB"))


# Learning curves.


def test_the_band_agrees_with_scipy():
    values = np.random.default_rng(0).gamma(2, size=(12, 3))
    low, high = bootstrap_band(values, resamples=9999)
    for column in range(3):
        other = scipy.stats.bootstrap(
            (values[:, column],), np.mean, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert low[column] == pytest.approx(other.low, rel=0.03)
        assert high[column] == pytest.approx(other.high, rel=0.03)
    again = bootstrap_band(values, resamples=9999)
    np.testing.assert_array_equal(again, (low, high))


def test_the_band_leaves_out_what_is_missing():
    values = np.array([[1.0, np.nan, 2.0], [3.0, np.nan, np.nan], [5.0, np.nan, np.nan]])
    low, high = bootstrap_band(values)
    assert 1 <= low[0] < 3 < high[0] <= 5
    assert np.isnan(low[1])
    assert np.isnan(high[1])
    assert low[2] == high[2] == 2


def test_learning_curves_draw_means_bands_and_the_threshold(tmp_path, drawn):
    x = np.linspace(0, 2e6, 40)
    seeds = np.random.default_rng(0).random((5, 40))
    seeds[:, 3] = np.nan
    path = learning_curves(
        tmp_path / "new" / "curves.png",
        {"seeds": (x, seeds), "one run": (x[::8], np.linspace(0, 1, 5))},
        threshold=0.9,
        y_limits=(0, 1),
    )
    assert path == tmp_path / "new" / "curves.png"
    picture = is_picture(path, 900)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line for line in axes.lines}
    with np.errstate(all="ignore"):
        expected = np.where(np.isnan(seeds[0]), np.nan, seeds.mean(axis=0))
    np.testing.assert_allclose(lines["seeds"].get_ydata(), expected)
    (band,) = (c for c in axes.collections if isinstance(c, PolyCollection))
    heights = np.concatenate([part.vertices[:, 1] for part in band.get_paths()])
    low, high = bootstrap_band(seeds)
    assert heights.min() == pytest.approx(np.nanmin(low))
    assert heights.max() == pytest.approx(np.nanmax(high))
    assert any(np.allclose(line.get_ydata(), 0.9) for line in axes.lines)
    assert {t.get_text() for t in drawn[0].legends[0].get_texts()} == {"seeds", "one run"}
    assert axes.get_ylabel() == "success rate\n(bands: 95 % bootstrap over seeds)"


def test_a_window_smooths_and_says_so(tmp_path, drawn):
    y = np.random.default_rng(0).random(50)
    learning_curves(tmp_path / "a.png", {"y": (np.arange(50), y)}, window=5)
    (axes,) = drawn[0].axes
    smooth = next(line for line in axes.lines if line.get_label() == "y").get_ydata()
    np.testing.assert_allclose(smooth[2:-2], np.convolve(y, np.ones(5) / 5, "valid"))
    assert smooth[0] == pytest.approx(y[:3].mean())
    assert axes.get_ylabel() == "success rate\n(mean over 5 points)"  # there are no bands


def test_fourteen_series_can_be_told_apart(tmp_path, drawn):
    series = {f"level {i}": (np.arange(4), np.full(4, i)) for i in range(14)}
    learning_curves(tmp_path / "a.png", series)
    looks = {(line.get_color(), line.get_linestyle()) for line in drawn[0].axes[0].lines}
    assert len(looks) == 14


@pytest.mark.parametrize(
    ("series", "settings", "message"),
    [
        ({}, {}, "at least one curve"),
        ({"a": (np.arange(3), np.arange(4))}, {}, "series 'a'"),
        ({"a": (np.arange(3), np.arange(3))}, {"window": 0}, "window is 0"),
    ],
)
def test_curves_that_cannot_be_drawn(tmp_path, series, settings, message):
    with pytest.raises(SettingError, match=message):
        learning_curves(tmp_path / "a.png", series, **settings)


def test_a_kind_of_picture_nobody_writes(tmp_path):
    with pytest.raises(SettingError, match="path is"):
        learning_curves(tmp_path / "a.docx", {"a": (np.arange(3), np.arange(3))})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_nothing_global_is_touched(tmp_path):
    before = dict(matplotlib.rcParams)
    learning_curves(tmp_path / "a.svg", {"a": (np.arange(3), np.arange(3))})
    assert dict(matplotlib.rcParams) == before
    module = "didact.experiments.plotting.training_curves"
    check = f"import sys, {module}; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)


# The curriculum.


def test_an_ellipse_has_the_axes_of_its_gaussian():
    rng = np.random.default_rng(0)
    for _ in range(20):
        factor = rng.normal(size=(2, 2))
        covariance, mean = factor @ factor.T, rng.normal(size=2)
        shape = ellipse(mean, covariance, deviations=2)
        # Every point of the outline lies two deviations from the mean.
        outline = shape.get_patch_transform().transform(shape.get_path().vertices)[::3] - mean
        distance = np.einsum("ni,ij,nj->n", outline, np.linalg.inv(covariance), outline)
        np.testing.assert_allclose(distance, 4, rtol=1e-6)
        variances = np.linalg.eigvalsh(covariance)
        assert (shape.height, shape.width) == pytest.approx(tuple(4 * np.sqrt(variances)))


def test_the_curriculum_shows_moments_strips_and_gaussians(tmp_path, drawn):
    given = snapshots(SPACE, count=20)
    path = curriculum(tmp_path / "c.png", given[::-1], SPACE, names=("open_doors", "slope"))
    assert is_picture(path, 1575).std() > 10
    above, below = panels(drawn[0])
    # 20 snapshots at 0 .. 19 000; six of them evenly, and the last.
    assert [a.get_title(loc="left") for a in above] == [
        f"{s} steps" for s in ("0", "4k", "8k", "11k", "15k", "19k")
    ]
    assert above[0].get_xlabel() == "open doors"
    assert above[0].get_ylabel() == "slope [rad]"
    first, second = above[:2]
    assert not [p for p in first.patches if isinstance(p, Ellipse)]
    shapes = [p for p in second.patches if isinstance(p, Ellipse)]
    assert len(shapes) == 2  # the third has no weight
    light, heavy = shapes  # the one with more progress is drawn over the other
    assert light.get_linewidth() < heavy.get_linewidth()
    np.testing.assert_allclose(heavy.center, given[4].beliefs["means"][0, 3:])
    assert (heavy.height, heavy.width) == pytest.approx((2 * 0.02**0.5, 4 * 0.02**0.5))
    points = np.concatenate(
        [c.get_offsets() for c in second.collections if isinstance(c, PathCollection)]
    )
    expected = given[4].tasks[:, 3:]
    np.testing.assert_allclose(sorted(points.tolist()), sorted(expected.tolist()), rtol=1e-6)

    strips = [a for a in below if a.get_ylabel() in {n.replace("_", " ") for n in SPACE.names}]
    assert len(strips) == 4  # the fifth has its unit in its name
    means = strips[0].lines[-1].get_ydata()
    np.testing.assert_allclose(means, [s.tasks[:, 0].mean() for s in given], rtol=1e-6)
    low, high = (line.get_ydata() for line in strips[0].lines[:2])
    np.testing.assert_allclose(low, [np.quantile(s.tasks[:, 0], 0.1) for s in given])
    np.testing.assert_allclose(high, [np.quantile(s.tasks[:, 0], 0.9) for s in given])
    rate = next(a for a in below if a.get_ylabel().startswith("success,")).lines[0].get_ydata()
    np.testing.assert_allclose(rate, [s.success.mean() for s in given])


def test_points_have_the_colour_of_their_progress(tmp_path, drawn):
    space = Box((Dimension("a", 0, 1), Dimension("b", 0, 1)))
    tasks = np.array([[0.1, 0.1], [0.9, 0.9]], np.float32)
    picture = {
        "means": tasks,
        "covariances": np.stack([0.001 * np.eye(2)] * 2),
        "weights": np.array([0.5, 0.5]),
        "progress": np.array([0.0, 0.4]),
    }
    nothing = CurriculumSnapshot(0, tasks, np.zeros(2), np.zeros(2), {})
    curriculum(tmp_path / "a.png", [nothing._replace(beliefs=picture)], space)
    curriculum(tmp_path / "b.png", [nothing], space)
    believed, plain = (panels(figure)[0][0] for figure in drawn)
    colours = {}
    for collection in believed.collections:
        for place, colour in zip(
            collection.get_offsets(), collection.get_facecolors(), strict=False
        ):
            colours[round(float(place[0]), 1)] = colour[:3]
    assert colours[0.1].sum() > 1.5 > colours[0.9].sum()  # pale without progress, dark with it
    labels = [[a.get_ylabel() for a in figure.subfigs[0].axes] for figure in drawn]
    assert "learning progress" in labels[0]
    assert "success" in labels[1]
    assert len(plain.collections[-1].get_offsets()) == 2


def test_a_gaussian_over_one_whole_number_is_as_wide_as_its_points(tmp_path, drawn):
    (given,) = snapshots(SPACE, 2)[1:]
    flat = {**given.beliefs, "covariances": np.zeros((3, 5, 5))}
    curriculum(tmp_path / "c.png", [given._replace(beliefs=flat)], SPACE, names=("rows", "slope"))
    ((axes,), _) = panels(drawn[0])
    shape = next(p for p in axes.patches if isinstance(p, Ellipse))
    points = np.concatenate([c.get_offsets() for c in axes.collections])
    jitter = points[:, 0] - np.round(points[:, 0])
    assert shape.width / 2 == pytest.approx(jitter.std(), rel=0.25)
    assert shape.height == 0


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("beliefs", [True, False])
def test_spaces_of_every_size_can_be_drawn(tmp_path, drawn, dimensions, count, beliefs):
    space = Box(SPACE.dimensions[-dimensions:])
    curriculum(tmp_path / "c.png", snapshots(space, count, 15, beliefs), space, dpi=40)
    above, _ = panels(drawn[0])
    assert len(above) == count
    assert (above[0].get_ylabel() == "return") == (dimensions == 1)


def test_dimensions_without_extent_are_left_out(tmp_path, drawn):
    space = SPACE.restricted(rows=2, distractors=5, slope=0)
    curriculum(tmp_path / "c.png", snapshots(space), space)
    words = {a.get_ylabel() for a in panels(drawn[0])[1]}
    assert words >= {"room size", "open doors"}
    assert not words & {"rows", "distractors", "slope\n[rad]"}
    with pytest.raises(SettingError, match="names"):
        curriculum(tmp_path / "d.png", snapshots(space), space, names=("rows",))
    flat = space.restricted(room_size=4, open_doors=0)
    with pytest.raises(SettingError, match="not fixed"):
        curriculum(tmp_path / "d.png", snapshots(flat), flat)


def test_many_snapshots_and_unfinished_tasks(tmp_path, drawn):
    given = snapshots(SPACE, count=250, tasks=6)
    nan = np.full(6, np.nan)
    given[10] = given[10]._replace(returns=nan, success=nan)
    curriculum(tmp_path / "c.png", given, SPACE, panels=1, dpi=40)
    above, below = panels(drawn[0])
    assert [a.get_title(loc="left") for a in above] == ["249k steps"]
    assert len(below[0].lines[-1].get_xdata()) == 100


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ([], {}, "at least one snapshot"),
        (snapshots(SPACE, tasks=0, beliefs=False), {}, "at least one snapshot"),
        (snapshots(Box(SPACE.dimensions[:2])), {}, r"\[m, 5\]"),
        (snapshots(SPACE), {"names": ("walls",)}, "walls"),
        (snapshots(SPACE), {"panels": 0}, "panels is 0"),
    ],
)
def test_a_curriculum_that_cannot_be_drawn(tmp_path, given, settings, message):
    with pytest.raises(SettingError, match=message):
        curriculum(tmp_path / "c.png", given, SPACE, **settings)
    assert not list(tmp_path.iterdir())


def test_returns_are_drawn_where_there_is_no_success():
    """Of rows as a training writes them: nobody ends at first, and some worlds only pay."""
    none = {"steps": 1, "success": None, "return": None, "evaluation": {}}
    score = {"success": 0.0, "return": 7.0, "success_by_seed": [0, 0]}
    paid = {"steps": 2, "success": 0.0, "return": 3.0, "evaluation": {"BabyAI-A-v0": score}}
    measure, series = report.curves([none, paid], ["BabyAI-A-v0"])
    assert measure == "return"
    told = {label: (x.tolist(), y.tolist()) for label, (x, y) in series.items()}
    assert told == {"on the teacher's tasks": ([2], [[3]]), "A": ([2], [[7]])}
    measure, series = report.curves([none, paid | {"success": 0.5}], ["BabyAI-A-v0"])
    assert measure == "success"
    assert series["on the teacher's tasks"][1].tolist() == [[0.5]]
    assert report.curves([none], ["BabyAI-A-v0"]) == ("success", {})
    lost = paid | {"return": 0.0, "evaluation": {}}
    assert report.curves([lost], [])[0] == "success"
