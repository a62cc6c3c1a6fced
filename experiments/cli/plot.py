"""Plot the learning curves of several runs in one figure, or write them as CSV.

Runs that differ only in their seed form one curve, with a 95 % bootstrap interval over the seeds,
which is too narrow for less than about ten. Curves are labelled by the settings in which the runs
differ.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from didact.common.plain_text import shown
from didact.common.setting_types import Range


@dataclasses.dataclass(frozen=True)
class Options:
    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders"""
    out: tuple[Path, ...] = (Path("curves.png"),)
    """output files: .png, .pdf or .svg for a figure, .csv for the measurements of each seed"""
    on: tuple[str, ...] = ()
    """evaluation tasks to average over, or `teacher` for the tasks of the training itself; defaults
    to all evaluation tasks that the runs have in common"""
    measure: Literal["success", "return", "length"] | None = None
    """measurement to plot; defaults to success, or to return if no episode succeeds"""
    labels: tuple[str, ...] = ()
    """one label for each run; runs with the same label form one curve"""
    window: Annotated[int, Range(1, 10**6)] = 1
    """number of measurements to smooth over"""
    title: str = ""
    """title of the figure"""
    json: bool = False
    """print the result as JSON"""


def run(options: Options) -> None:
    """Write the files and print their paths.

    Raises:
        SettingError: an option is invalid, or a run has no such measurements.
    """
    from didact.common.errors import SettingError, require
    from didact.common.registry import suggest
    from didact.experiments.plotting import run_comparison as comparison

    require("RUN", (), options.runs, "at least one run folder")
    require("--out", (), options.out, "at least one file")
    allowed = (*comparison.FIGURES, ".csv")
    for path in options.out:
        fits = path.suffix.lower() in allowed
        require("--out", str(path), fits, f"a file that ends in {', '.join(allowed)}")
    if options.labels and len(options.labels) != len(options.runs):
        raise SettingError("--labels", options.labels, f"one for each of {len(options.runs)} runs")
    for number, path in enumerate(options.runs):
        require("RUN", str(path), path not in options.runs[:number], "given once")
    runs = [comparison.read(path) for path in options.runs]
    common = comparison.evaluation_tasks(runs)
    for name in options.on:
        if name not in (*common, comparison.TEACHER):
            raise suggest("--on", name, [*common, comparison.TEACHER])
    if comparison.TEACHER in options.on and len(options.on) > 1:
        raise SettingError("--on", options.on, f"evaluation tasks, or only {comparison.TEACHER}")
    on = options.on or tuple(common) or (comparison.TEACHER,)
    measure = options.measure or comparison.automatic_measure(runs, on)
    labels = options.labels or comparison.labels_of(runs)
    curves = comparison.curves_of(runs, labels, on, measure)
    for path in options.out:
        comparison.write(path, curves, measure, on, title=options.title, window=options.window)
    pools = comparison.pooled(curves)
    result = {
        "files": [str(path) for path in options.out],
        "measure": measure,
        "on": list(on),
        "curves": {
            label: {
                "seeds": len(values),
                "steps": int(steps[-1]),
                "last": float(values[:, -1].mean()),
            }
            for label, (steps, values) in pools.items()
        },
    }
    if options.json:
        return print(json.dumps(result, indent=1))
    for label, row in result["curves"].items():
        seeds = "1 seed" if row["seeds"] == 1 else f"{row['seeds']} seeds"
        print(f"{shown(label)}: {measure} {row['last']:.3f} at {row['steps']:,} steps, {seeds}")
    for path in options.out:
        print(shown(str(path)))
    return None
