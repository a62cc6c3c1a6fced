"""Snapshots of a curriculum over the course of training, and their analysis."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
from jaxtyping import Float

from didact.common import pictures
from didact.common.errors import SettingError
from didact.common.files import replacing
from didact.common.foreign_files import opened
from didact.environments.task_spaces import Box

MOST = 400  # episodes of a snapshot
MOST_BYTES = 1 << 25  # of a file, also when it is unpacked


class CurriculumSnapshot(NamedTuple):
    """The tasks of episodes that ended recently, and the beliefs of the teacher."""

    steps: int  # environment steps so far
    tasks: Float[np.ndarray, "m d"]  # in task units
    returns: Float[np.ndarray, " m"]
    success: Float[np.ndarray, " m"]  # from 0 to 1
    beliefs: Mapping[str, np.ndarray]  # result of `Teacher.picture`; may be empty


def snapshot_of(
    steps: int, tasks: Any, outcomes: Any, beliefs: Mapping[str, np.ndarray]
) -> CurriculumSnapshot:
    """Make a snapshot of a few hundred evenly spaced episodes, which are enough for a plot.

    Args:
        steps: environment steps so far.
        tasks: tasks of episodes [..., d].
        outcomes: their `Outcomes`, each [...]; those of weight 0 are left out.
        beliefs: result of `Teacher.picture`.
    """
    chosen = np.flatnonzero(np.asarray(outcomes.weights) > 0)
    chosen = chosen[np.linspace(0, chosen.size - 1, min(chosen.size, MOST)).astype(int)]
    tasks = np.asarray(tasks)
    return CurriculumSnapshot(
        steps,
        tasks.reshape(-1, tasks.shape[-1])[chosen],
        np.asarray(outcomes.returns).reshape(-1)[chosen],
        np.asarray(outcomes.success).reshape(-1)[chosen],
        beliefs,
    )


def save_snapshot(path: str | os.PathLike[str], snapshot: CurriculumSnapshot) -> Path:
    """Write a snapshot to an .npz file, atomically, and return its path."""
    path = Path(path)
    if path.suffix != ".npz":
        raise SettingError("path", str(path), "a file called *.npz")
    fields = {
        name: np.asarray(value) for name, value in snapshot._asdict().items() if name != "beliefs"
    }
    fields |= {f"beliefs.{name}": np.asarray(v) for name, v in snapshot.beliefs.items()}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **fields)
    return path


def load_snapshots(
    folder: str | os.PathLike[str], dimensions: int | None = None
) -> list[CurriculumSnapshot]:
    """Load all snapshots of a folder, ordered by steps.

    Args:
        folder: the folder.
        dimensions: the size of the task space; any if None.

    Raises:
        SettingError: a file in the folder is not a snapshot, or not one of this task space.
    """
    snapshots = []
    for path in sorted(Path(folder).glob("[!.]*.npz")):
        try:
            fields = _fields(path)
            beliefs = {k.removeprefix("beliefs."): v for k, v in fields.items() if "." in k}
            plain = {k: v for k, v in fields.items() if "." not in k}
            plain["steps"] = int(plain["steps"])
            snapshot = CurriculumSnapshot(**plain, beliefs=beliefs)
            _check(snapshot, dimensions)
            snapshots.append(snapshot)
        except Exception as error:  # of zipfile, zlib, ast, tokenize, ..., if it is damaged
            why = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise SettingError("snapshot", str(path), f"a readable snapshot ({why})") from error
    return sorted(snapshots, key=lambda snapshot: snapshot.steps)


def _fields(path: Path) -> dict[str, Any]:
    """Return the arrays of an .npz file that are not too large."""
    with opened(path, MOST_BYTES) as file:
        with ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes, {size:,}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)


def _check(snapshot: CurriculumSnapshot, dimensions: int | None) -> None:
    """Raise a ValueError unless shapes fit each other and all numbers are finite."""
    tasks = snapshot.tasks
    if tasks.ndim != 2 or dimensions not in (None, tasks.shape[1]):
        raise ValueError(f"tasks have shape {tasks.shape}")
    for name, values in {"returns": snapshot.returns, "success": snapshot.success}.items():
        if values.shape != tasks.shape[:1]:
            raise ValueError(f"{name} have shape {values.shape} for tasks of shape {tasks.shape}")
    if snapshot.steps < 0:
        raise ValueError(f"steps are {snapshot.steps}")
    arrays = {"tasks": tasks, "returns": snapshot.returns, "success": snapshot.success}
    for name, values in (arrays | dict(snapshot.beliefs)).items():
        if values.dtype.kind not in "biuf":
            raise ValueError(f"{name} are not numbers")
        if name in arrays and not np.isfinite(values).all():
            raise ValueError(f"{name} are not finite")
    wrong = pictures.fault(snapshot.beliefs, tasks.shape[1])
    if wrong is not None:
        raise ValueError(wrong)


def most_informative_dimensions(
    snapshots: Sequence[CurriculumSnapshot], space: Box
) -> tuple[int, ...]:
    """Return the (at most two) columns that show a curriculum best, the best first.

    A dimension is informative if the proposals move along it over time and if the values of a
    success model, or else the learning progress expected by Gaussians, or else success, vary along
    it.
    """
    tasks = [_unit(s.tasks, space) for s in snapshots]
    values = [expected_progress(s.tasks, s.beliefs, space) for s in snapshots]
    if not np.isfinite(np.concatenate(values)).any():
        values = [np.asarray(s.success, float) for s in snapshots]
    modelled = [s.beliefs for s in snapshots if "points" in s.beliefs]
    places = [_unit(b["points"], space) for b in modelled] or tasks
    values = [np.asarray(b["values"], float) for b in modelled] or values
    scores = {}
    for column, dimension in enumerate(space.dimensions):
        if dimension.high > dimension.low:
            range_ = [np.quantile(t[:, column], (0.1, 0.5, 0.9)) for t in tasks]
            moved = np.std(range_, axis=0).mean()
            pooled = np.concatenate([t[:, column] for t in places]), np.concatenate(values)
            scores[column] = 2 * moved + _explained(*pooled)
    return tuple(sorted(scores, key=lambda column: -scores[column])[:2])


def expected_progress(
    tasks: Float[np.ndarray, "m d"], beliefs: Mapping[str, np.ndarray], space: Box
) -> Float[np.ndarray, " m"]:
    """Return the expected learning progress of tasks under the teacher's Gaussian mixture.

    The progress of each Gaussian is weighted by its responsibility for the task. NaN without
    beliefs.
    """
    tasks = np.asarray(tasks, float)
    used = np.asarray(beliefs["weights"] if "means" in beliefs else ()) > 0
    active = space.high > space.low
    if not used.any():
        return np.full(len(tasks), np.nan)
    extent = (space.high - space.low)[active]
    weights, progress = (np.asarray(beliefs[k], float)[used] for k in ("weights", "progress"))
    means = np.asarray(beliefs["means"], float)[used][:, active] / extent
    covariances = np.asarray(beliefs["covariances"], float)[used][:, active][:, :, active]
    covariances = covariances / np.outer(extent, extent) + 1e-6 * np.eye(len(extent))

    away = tasks[:, None, active] / extent - means
    solved = np.linalg.solve(covariances, away[..., None])[..., 0]
    log = np.log(weights) - 0.5 * np.linalg.slogdet(covariances)[1]
    log = log - 0.5 * (away * solved).sum(axis=-1)
    shares = np.exp(log - log.max(axis=1, keepdims=True))
    return shares @ progress / shares.sum(axis=1)


def _unit(tasks: np.ndarray, space: Box) -> np.ndarray:
    extent = np.where(space.high > space.low, space.high - space.low, 1)
    return (np.asarray(tasks, float) - space.low) / extent


def _explained(x: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    """Return how much of the spread of `values` is explained by x, from 0 to 1.

    This is the correlation ratio over eight bins of [0, 1], corrected for chance.
    """
    there = np.isfinite(values)
    x, values = x[there], values[there]
    parts = np.minimum((8 * x).astype(int), 7)
    occupied = np.unique(parts)
    if len(values) <= len(occupied) or values.std() == 0:
        return 0.0
    within = sum(((g - g.mean()) ** 2).sum() for g in (values[parts == p] for p in occupied))
    within /= len(values) - len(occupied)
    return float(np.sqrt(max(0.0, 1 - within / values.var(ddof=1))))
