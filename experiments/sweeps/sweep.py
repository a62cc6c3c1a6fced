"""Run all trainings of a sweep."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from didact.common import display
from didact.common.errors import SettingError
from didact.common.extensions import require_named
from didact.common.files import writable, write_whole
from didact.common.intervals import t_interval
from didact.experiments import setup
from didact.experiments.config import LLMConfig, TrainConfig, read_run
from didact.experiments.evaluation import fixed_tasks
from didact.experiments.plotting import run_comparison
from didact.experiments.preparation import settled
from didact.experiments.runs.folder import CONFIG
from didact.experiments.runs.optional import reason
from didact.experiments.sweeps.sweep_files import Combination, read_sweep
from didact.experiments.tasks import proposers
from didact.experiments.tasks.server_consent import require_named_server
from didact.experiments.training import train_or_resume

RESULTS = "sweep.json"


def sweep(
    file: Path | str,
    out: Path | str | None = None,
    console: Console | None = None,
    proposer: str | None = None,
    llm: LLMConfig | None = None,
) -> dict[str, Any]:
    """Run the trainings of a sweep file; see `read_sweep` for its format.

    Finished trainings are skipped and unfinished ones are resumed, so that the same call continues
    an interrupted sweep. All settings are validated before the first training. If a training fails,
    the others are run nevertheless.

    Args:
        file: path of the sweep file.
        out: folder for the run folders; overrides that of the file.
        console: console that shows the progress.
        proposer, llm: the language model that the file wants to ask; see `require_named_server`.

    Returns:
        `out` and `runs`: for each training its `name`, `settings` (those that are varied),
        `status` ("finished", "failed" or "pending"), `error`, and the last evaluation: `success`
        and `return`, with one number for each seed.

    Raises:
        SettingError: the file or a setting is invalid, or a run in the folder has other settings.
    """
    console = console or display.terminal()
    read = read_sweep(Path(file))
    folder = writable("--out", read.out if out is None else out)
    configs = {}
    for combination in read.combinations:
        config = dataclasses.replace(combination.config, run=folder / combination.name)
        require_named(config.imports, "the sweep file", file)
        own = None if proposer == "none" else proposer  # the default names nothing
        config = require_named_server(config, "the sweep file", file, own, llm or LLMConfig())
        configs[combination.name] = _validated(config)
    errors: dict[str, str] = {}

    def results() -> dict[str, Any]:
        runs = [_row(folder, each, errors.get(each.name)) for each in read.combinations]
        return {"out": str(folder), "runs": runs}

    def write() -> None:
        write_whole(folder / RESULTS, json.dumps(results(), indent=1) + "\n")

    try:
        for number, (name, config) in enumerate(configs.items(), 1):
            if _finished(folder / name):
                continue
            console.print(Text(f"[{number}/{len(configs)}] {name}"))
            try:
                finished = train_or_resume(config, console=console)["finished"]
            except Exception as error:  # also of the code of users
                errors[name] = reason(error)
                console.print(Text(f"{name} failed: {errors[name]}"))
            else:
                if not finished:  # the user has stopped the training, and so the sweep
                    raise KeyboardInterrupt
            write()
    finally:
        write()
    return results()


def table(result: dict[str, Any]) -> Table:
    """Return a table of the results, the best first."""
    names = list(dict.fromkeys(name for run in result["runs"] for name in run["settings"]))
    made = Table(title=Text(result["out"], "bold"))
    for name in names:
        made.add_column(Text(name))
    for name in ("success", "return"):
        made.add_column(name, justify="right")
    made.add_column("status")

    def score(run: dict[str, Any]) -> tuple[float, float]:
        return tuple(_mean(run[name], -math.inf) for name in ("success", "return"))  # type: ignore

    for run in sorted(result["runs"], key=score, reverse=True):
        cells = [_text(run["settings"].get(name)) for name in names]
        cells += [_rate(run["success"]), _text(_mean(run["return"]))]
        made.add_row(*map(Text, cells), Text(run["status"]))
    return made


def _validated(config: TrainConfig) -> TrainConfig:
    """Check all that can be checked before a training.

    Raises:
        SettingError: a setting is invalid, or the folder holds a run with other settings.
    """
    config, run = settled(config), Path(config.run or "")
    environment = setup.environment_of(config)
    config = setup.with_teacher(config, environment)
    if (run / CONFIG).is_file():
        if read_run(run / CONFIG, run) != config:
            allowed = "another folder: its runs have different settings"
            raise SettingError("--out", str(run.parent), allowed)
        if _finished(run):
            return config
    setup.loop_of(config, environment, jax.devices())
    fixed_tasks.evaluation_tasks_of(config, environment)
    proposers.proposer_of(config, environment)
    return config


def _finished(run: Path) -> bool:
    return (run / "policy").is_dir()


def _row(folder: Path, combination: Combination, error: str | None) -> dict[str, Any]:
    run = folder / combination.name
    status = "finished" if _finished(run) else "failed" if error else "pending"
    row = {"name": combination.name, "settings": combination.varied, "status": status}
    row |= {"error": error, "success": [], "return": []}
    if status == "finished":
        row |= {measure: _last(run, measure) for measure in ("success", "return")}
    return row


def _last(run: Path, measure: str) -> list[float]:
    """Return the last measurement of each seed; none if there are no measurements."""
    try:
        found = run_comparison.read(run)
        on = run_comparison.evaluation_tasks([found]) or [run_comparison.TEACHER]
        curves = run_comparison.curves_of([found], [""], on, measure)
    except SettingError:
        return []
    return [float(curve.values[-1]) for curve in curves]


def _mean(values: Sequence[float], otherwise: float | None = None) -> Any:
    return float(np.mean(values)) if values else otherwise


def _rate(values: Sequence[float]) -> str:
    if not values:
        return "-"
    text = f"{np.mean(values):.1%}"
    if len(values) > 1:
        low, high = np.clip(t_interval(values), 0, 1)
        text += f" [{low:.1%}, {high:.1%}]"
    return text


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
