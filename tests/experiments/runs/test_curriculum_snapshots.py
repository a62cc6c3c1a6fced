"""Snapshots on disk, and what is read out of them."""

import os

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box, Dimension
from didact.experiments.runs.curriculum_snapshots import (
    CurriculumSnapshot,
    expected_progress,
    load_snapshots,
    most_informative_dimensions,
    save_snapshot,
)

SPACE = Box((Dimension("a", 0, 10), Dimension("still", 3, 3), Dimension("b", -1, 1)))


def beliefs(rng, k=4, d=3):
    factors = rng.normal(size=(k, d, d))
    return {
        "means": rng.normal(size=(k, d)).astype(np.float32),
        "covariances": factors @ factors.transpose(0, 2, 1) + 0.3 * np.eye(d),
        "weights": rng.dirichlet(np.ones(k)),
        "progress": rng.random(k),
    }


def snapshot(steps, tasks, success=None, pictured=None):
    tasks = np.asarray(tasks, np.float32)
    success = np.zeros(len(tasks)) if success is None else np.asarray(success, float)
    return CurriculumSnapshot(steps, tasks, 2 * success, success, pictured or {})


def test_snapshots_come_back_as_they_were_in_order_of_steps(tmp_path):
    rng = np.random.default_rng(0)
    for steps in (900, 1000, 20):
        given = snapshot(steps, rng.random((5, 3)), rng.random(5), beliefs(rng) if steps else {})
        assert save_snapshot(tmp_path / f"{steps}.npz", given) == tmp_path / f"{steps}.npz"
    (tmp_path / ".1000.deadbeef.part.npz").write_bytes(b"half")  # what a crash leaves behind
    read = load_snapshots(tmp_path)
    assert [s.steps for s in read] == [20, 900, 1000]
    assert read[0].tasks.dtype == np.float32
    assert list(read[0].beliefs) == list(given.beliefs)
    for name, value in given.beliefs.items():
        np.testing.assert_array_equal(read[0].beliefs[name], value)
        assert read[0].beliefs[name].dtype == value.dtype
    for field in ("tasks", "returns", "success"):
        np.testing.assert_array_equal(getattr(read[0], field), getattr(given, field))


def test_an_empty_folder_and_no_beliefs(tmp_path):
    assert load_snapshots(tmp_path) == []
    save_snapshot(tmp_path / "0.npz", snapshot(0, np.zeros((2, 3))))
    assert load_snapshots(tmp_path)[0].beliefs == {}


def test_pickles_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        save_snapshot(tmp_path / "0.npz", snapshot(0, [[0]])._replace(returns=np.array([{}])))
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingError, match=r"\*\.npz"):
        save_snapshot(tmp_path / "0.json", snapshot(0, [[0]]))
    for content in (b"", b"PK\x03\x04 broken", b"text"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(SettingError, match=r"bad\.npz"):
            load_snapshots(tmp_path)
    np.savez(tmp_path / "bad.npz", steps=3)
    with pytest.raises(SettingError, match=r"bad\.npz"):
        load_snapshots(tmp_path)


@pytest.mark.parametrize("kind", ["bomb", "pipe", "device", "array"])
def test_files_that_would_fill_the_memory_or_never_end(tmp_path, kind):
    path = tmp_path / "0.npz"
    if kind == "bomb":
        n = 3_000_000
        rows = {"tasks": np.zeros((n, 2), np.float32), "returns": np.zeros(n, np.float32)}
        np.savez_compressed(path, steps=1, success=rows["returns"], **rows)
        assert path.stat().st_size < 100_000
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(SettingError, match=r"0\.npz"):
        load_snapshots(tmp_path)


def test_expected_progress_agrees_with_scipy():
    rng = np.random.default_rng(1)
    space = Box((Dimension("a", -40, 40), Dimension("b", 0, 3), Dimension("c", -2, 2)))
    picture = beliefs(rng)
    picture["weights"][2] = 0  # not in use: whatever it says must not count
    picture["means"][2] = np.nan
    tasks = rng.normal(size=(50, 3))
    densities = np.stack(
        [
            weight * multivariate_normal(mean, covariance).pdf(tasks)
            for mean, covariance, weight in zip(
                np.nan_to_num(picture["means"]),
                picture["covariances"],
                picture["weights"],
                strict=True,
            )
        ],
        axis=1,
    )
    expected = densities @ picture["progress"] / densities.sum(axis=1)
    # A thousandth of each range is added to every Gaussian, so that none can be flat.
    np.testing.assert_allclose(expected_progress(tasks, picture, space), expected, atol=0.01)


def test_expected_progress_far_away_and_for_flat_gaussians():
    picture = {
        "means": np.array([[1, 3, -0.5], [9, 3, 0.5]]),
        "covariances": np.zeros((2, 3, 3)),
        "weights": np.array([0.5, 0.5]),
        "progress": np.array([0.1, 0.7]),
    }
    found = expected_progress(np.array([[0, 3, -1], [10, 3, 1], [5, 3, 0.0]]), picture, SPACE)
    np.testing.assert_allclose(found, [0.1, 0.7, 0.4])
    assert np.isnan(expected_progress(np.zeros((2, 3)), {}, SPACE)).all()
    nothing = {**picture, "weights": np.zeros(2)}
    assert np.isnan(expected_progress(np.zeros((2, 3)), nothing, SPACE)).all()


def test_the_telling_dimensions_are_those_that_move_or_decide():
    rng = np.random.default_rng(2)
    dimensions = [Dimension(name, 0, 1) for name in "uvwx"]
    space = Box((*dimensions, Dimension("still", 2, 2)))
    noise = rng.random((6, 300, 5))
    noise[..., 4] = 2

    moving = noise.copy()
    for t in range(6):
        moving[t, :, 3] = moving[t, :, 3] / 6 + t / 6
    success = (noise[..., 1] < 0.5).astype(float)
    both = [snapshot(t, moving[t], success[t]) for t in range(6)]
    assert set(most_informative_dimensions(both, space)) == {1, 3}
    still = [snapshot(t, noise[t], success[t]) for t in range(6)]
    assert most_informative_dimensions(still, space)[0] == 1
    assert most_informative_dimensions(still[:1], space.restricted(u=0, w=0, x=0)) == (1,)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": np.float64(np.inf)},
        {"steps": np.int64(-1)},
        {"steps": np.zeros(3)},
        {"tasks": np.zeros(4)},
        {"tasks": np.zeros((4, 5))},
        {"tasks": np.full((4, 2), np.inf)},
        {"tasks": np.array([["a", "b"]] * 4)},
        {"returns": np.zeros((4, 1))},
        {"returns": np.full(4, -np.inf)},
        {"success": np.full(4, np.nan)},
        {"success": np.zeros(3)},
        {"beliefs.weights": np.float64(1)},
        {"beliefs.weights": np.array([np.inf, 1])},
        {"beliefs.means": np.zeros((2, 3))},
        {"beliefs.covariances": np.zeros((2, 2))},
        {"beliefs.progress": np.full(2, np.nan)},
    ],
)
def test_snapshots_with_other_shapes_or_infinite_values(change, tmp_path):
    fields = {"steps": 1, "tasks": np.zeros((4, 2)), "returns": np.zeros(4), "success": np.ones(4)}
    mixture = {"weights": np.ones(2), "progress": np.ones(2), "means": np.zeros((2, 2))}
    mixture["covariances"] = np.zeros((2, 2, 2))
    fields |= {f"beliefs.{name}": values for name, values in mixture.items()}
    np.savez(tmp_path / "1.npz", **fields)
    assert len(load_snapshots(tmp_path, 2)) == 1
    np.savez(tmp_path / "1.npz", **fields | change)
    with pytest.raises(SettingError, match="snapshot is"):
        load_snapshots(tmp_path, 2)
