"""Learning curves of several runs in one figure, and as CSV."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError
from didact.common.files import write_whole
from didact.common.settings import flat
from didact.experiments.config import read_run, to_dict
from didact.experiments.plotting.training_curves import learning_curves
from didact.experiments.runs import logs

TEACHER = "teacher"  # selects the episodes of the training itself
MEASURES = {"success": "success rate", "return": "episode return", "length": "episode length"}
FIGURES = (".png", ".pdf", ".svg")
# Runs that differ in these settings only are seeds of one curve; equal seeds count once.
IGNORED = ("run", "seed", "num_seeds", "imports", "pictures", "video", "checkpoint_every")
LONGEST_LABEL = 60


class Run(NamedTuple):
    """A run folder that was read."""

    path: Path
    settings: dict[str, Any]  # by dotted name, as JSON values
    rows: list[dict[str, Any]]  # of metrics.jsonl


class Curve(NamedTuple):
    """The measurements of one seed."""

    label: str
    run: str
    seed: int
    steps: Float[np.ndarray, " m"]
    values: Float[np.ndarray, " m"]


def read(path: Path) -> Run:
    """Read the settings and metrics of a run.

    Raises:
        SettingError: the folder is not a run, or has no metrics yet.
    """
    if not (path / "config.json").is_file():
        raise SettingError("RUN", str(path), "a run folder")
    settings = flat(to_dict(read_run(path / "config.json", path)))
    rows = logs.read(path / logs.METRICS)
    if not rows:
        raise SettingError("RUN", str(path), "a run with metrics; it has none yet")
    return Run(path, settings, rows)


def evaluation_tasks(runs: Sequence[Run]) -> list[str]:
    """Return the names of the evaluation tasks that all runs have in common."""
    found = [_tasks(run) for run in runs]
    return [name for name in found[0] if all(name in other for other in found)]


def labels_of(runs: Sequence[Run]) -> list[str]:
    """Return a label for each run: the settings in which the runs differ.

    Runs with the same label are seeds of one curve.
    """
    names = dict.fromkeys(name for run in runs for name in run.settings if name not in IGNORED)
    differing = [
        name
        for name in names
        if len({json.dumps(run.settings.get(name), default=str) for run in runs}) > 1
    ]
    labels = []
    for run in runs:
        parts = [_setting(name, run.settings.get(name)) for name in differing]
        text = _printable(", ".join(filter(None, parts)))
        labels.append(text or _printable(f"{run.settings['env']}, {run.settings['teacher']}"))
    # Long lists of settings are cut only where they stay distinguishable.
    short = {label: label[: LONGEST_LABEL - 1] + "…" for label in labels}
    if len(set(short.values())) < len(short):
        return labels
    return [label if len(label) <= LONGEST_LABEL else short[label] for label in labels]


def curves_of(
    runs: Sequence[Run], labels: Sequence[str], on: Sequence[str], measure: str
) -> list[Curve]:
    """Return the curves of all seeds of all runs.

    Args:
        runs: the runs.
        labels: the label of each run.
        on: names of evaluation tasks, over which the measure is averaged; or `TEACHER`.
        measure: "success", "return" or "length".

    Raises:
        SettingError: a run has no such measurements.
    """
    result: list[Curve] = []
    for run, label in zip(runs, labels, strict=True):
        points: list[tuple[int, list[float]]] = []
        for row in run.rows:
            values = [_values(_measured(row, name), measure) for name in on]
            seeds = max(map(len, values))
            # One number for all seeds counts as a single seed.
            if any(len(x) not in (0, seeds) for x in values):
                values, seeds = [[math.fsum(x) / len(x)] if x else [] for x in values], 1
            if all(len(x) == seeds for x in values) and seeds:
                means = [math.fsum(x) / len(on) for x in zip(*values, strict=True)]
                points.append((row["steps"], means))
        number = max((len(values) for _, values in points), default=0)
        found = []
        for seed in range(number):
            x = {steps: v[seed] for steps, v in points if len(v) == number}
            x = {steps: x[steps] for steps in sorted(x) if math.isfinite(x[steps])}
            if x:
                numbers = np.array(list(x), float), np.array(list(x.values()))
                first = int(run.settings["seed"])
                found.append(Curve(label, str(run.path), first + seed, *numbers))
        if not found:
            allowed = f"a run with the {MEASURES[measure]} on {', '.join(on)}"
            raise SettingError("RUN", str(run.path), allowed)
        # The same seed of equal runs is no further draw.
        known = {(curve.label, curve.seed) for curve in result}
        result += [curve for curve in found if (curve.label, curve.seed) not in known]
    return result


def pooled(
    curves: Sequence[Curve],
) -> dict[str, tuple[Float[np.ndarray, " m"], Float[np.ndarray, "s m"]]]:
    """Return the steps and the values of all seeds, for each label.

    Values are interpolated linearly between the measurements of a seed. The curve covers the steps
    that all its seeds have reached, so that its mean is always one of the same seeds.
    """
    result = {}
    for label in dict.fromkeys(curve.label for curve in curves):
        seeds = [curve for curve in curves if curve.label == label]
        low, high = (
            max(curve.steps[0] for curve in seeds),
            min(curve.steps[-1] for curve in seeds),
        )
        if low > high:
            raise SettingError("RUN", seeds[-1].run, f"a run that overlaps with others of {label}")
        steps = np.unique(np.concatenate([curve.steps for curve in seeds]))
        steps = steps[(steps >= low) & (steps <= high)]
        values = [np.interp(steps, curve.steps, curve.values) for curve in seeds]
        result[label] = steps, np.stack(values)
    return result


def write(
    path: Path, curves: Sequence[Curve], measure: str, on: Sequence[str], *, title: str, window: int
) -> Path:
    """Write a figure or, if the path ends in .csv, a table with a row for each measurement.

    Raises:
        SettingError: the suffix is unknown, or the file cannot be written.
    """
    where = "the teacher's tasks" if list(on) == [TEACHER] else ", ".join(on)
    try:
        if path.suffix.lower() == ".csv":
            write_whole(path, _csv(curves, measure))
            return path
        learning_curves(
            path,
            {_shown(label): pool for label, pool in pooled(curves).items()},
            y_label=f"{MEASURES[measure]} on {_shown(_cut(where))}",
            y_limits=(0, 1.02) if measure == "success" else None,
            title=_shown(title),
            window=window,
        )
    except OSError as error:
        allowed = f"a writable file ({error.strerror or error})"
        raise SettingError("--out", str(path), allowed) from None
    return path


def automatic_measure(runs: Sequence[Run], on: Sequence[str]) -> str:
    """Return "success", or "return" if no episode of any run succeeds but some have returns."""
    found = [_measured(row, name) for run in runs for row in run.rows for name in on]
    succeeded = any(x > 0 for part in found for x in _values(part, "success"))
    paid = any(x != 0 for part in found for x in _values(part, "return"))
    return "return" if paid and not succeeded else "success"


def _tasks(run: Run) -> list[str]:
    names: dict[str, None] = {}
    for row in run.rows:
        evaluation = row.get("evaluation")
        if isinstance(evaluation, dict):
            names |= dict.fromkeys(name for name in evaluation if name.isprintable())
    return list(names)


def _measured(row: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the part of a row with the measurements of an evaluation task or of the training."""
    if name == TEACHER:
        return row
    evaluation = row.get("evaluation")
    part = evaluation.get(name) if isinstance(evaluation, dict) else None
    return part if isinstance(part, dict) else {}


def _values(part: dict[str, Any], measure: str) -> list[float]:
    """Return one number for each seed, or one for all; none if there is no measurement."""
    values = part.get(f"{measure}_by_seed", part.get(measure))
    values = values if isinstance(values, list) else [values]
    numbers = [float(x) for x in values if isinstance(x, int | float) and not isinstance(x, bool)]
    return numbers if len(numbers) == len(values) else []


def _setting(name: str, value: Any) -> str:
    """Write a setting for a label."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    if name in ("env", "teacher", "student"):
        return text
    if isinstance(value, list):  # such as the NAME=VALUE texts of a teacher's settings
        return text
    return f"{name.removeprefix('ppo.').replace('_', ' ')} {text}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _printable(text: str) -> str:
    """Write control characters as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _shown(text: str) -> str:
    """Write a text such that matplotlib shows it as it is; a label with "_" first would be hidden.

    The style does not read "$" as the beginning of mathematics.
    """
    text = _printable(text)
    return f" {text}" if text.startswith("_") else text


def _csv(curves: Sequence[Curve], measure: str) -> str:
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["label", "run", "seed", "steps", measure])
    for curve in curves:
        for steps, value in zip(curve.steps, curve.values, strict=True):
            table.writerow([curve.label, curve.run, curve.seed, int(steps), repr(float(value))])
    return file.getvalue()
