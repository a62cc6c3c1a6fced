"""Metrics, TensorBoard events and the progress bar of a training."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from didact.common.files import replacing
from didact.experiments.runs.waiting import Waiting

METRICS = "metrics.jsonl"
# These classes are generated at import time, so type checkers do not know them.
_event, _log = (getattr(event_pb2, name) for name in ("Event", "SessionLog"))


class Log:
    """Writes rows of metrics as JSON lines.

    Args:
        run: run folder.
        updates: number of updates of the checkpoint; later rows are dropped, since a resumed run
            writes them again.
    """

    def __init__(self, run: Path, updates: int):
        self.path = run / METRICS
        kept = [row for row in read(self.path) if row["updates"] <= updates]
        with replacing(self.path) as draft:
            draft.write_text("".join(json.dumps(row) + "\n" for row in kept))
        self.seconds = kept[-1]["seconds"] if kept else 0.0

    def write(self, row: dict[str, Any]) -> None:
        """Append a row, which must contain `updates`, `steps` and `seconds`."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()


class EventWriter:
    """Writes TensorBoard events.

    Events are written synchronously rather than by a background thread, so that a full disk raises
    an error.

    Args:
        folder: folder of the event file.
        begin: TensorBoard hides earlier events from this step on.
    """

    def __init__(self, folder: Path, begin: int = 0):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = EventsWriter(str(folder / "events"))
        if begin:
            self._write(_event(session_log=_log(status=_log.START)), begin)

    def scalars(self, values: dict[str, float], steps: int) -> None:
        for name, value in values.items():
            self._write(_event(summary=summary.scalar(name, value)), steps)
        self._file.flush()

    def image(self, name: str, picture: np.ndarray, steps: int) -> None:
        """Add an image, uint8[height, width, 3]."""
        self._write(_event(summary=summary.image(name, picture, dataformats="HWC")), steps)
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Any, steps: int) -> None:
        event.step, event.wall_time = int(steps), time.time()
        self._file.write_event(event)


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a metrics file, up to the first damaged one (for example after a crash)."""
    rows = []
    if path.is_file():
        for line in path.read_text(errors="replace").splitlines():
            try:
                row = json.loads(line)
                rows.append(row | {"steps": int(row["steps"]), "updates": int(row["updates"])})
            except (ValueError, TypeError, KeyError):
                break
    return rows


def numbers(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a row of metrics other than its position, by flat name."""
    return {k: v for k, v in flat(row).items() if k not in ("updates", "steps")}


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Flatten nested numbers to names such as `a/b`; lists (one number per seed) are omitted."""
    result = {}
    for name, value in row.items():
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)):
            result[prefix + name] = value
    return result


def chunk_row(metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """Summarize the metrics of a chunk, `[k]` or `[seeds, k]`, as one row.

    With several seeds, the row also has lists with one number per seed.
    """
    metrics = {name: np.asarray(x, np.float64) for name, x in metrics.items()}
    episodes = np.maximum(metrics["episodes"].sum(-1), 1e-9)
    happened = metrics["episodes"].sum(-1) > 0
    row: dict[str, Any] = {"episodes": int(np.sum(metrics.pop("episodes")))}
    for name, key in (
        ("return", "return_sum"),
        ("success", "success_sum"),
        ("length", "length_sum"),
    ):
        each = np.where(happened, metrics.pop(key).sum(-1) / episodes, np.nan)
        if not np.all(happened):
            row[name] = None
            continue
        row[name] = float(each.mean())
        if each.ndim:
            row[f"{name}_by_seed"] = each.tolist()
    if "waiting" in metrics:  # share of steps in which environments waited for a proposal
        row["waiting"] = float(metrics.pop("waiting").mean())
    row["learning"] = {name: float(x.mean()) for name, x in sorted(metrics.items())}
    return row


class ProgressBar:
    """A progress bar; without a terminal, occasional lines.

    Args:
        console: console to print to.
        total: total number of steps.
        done: number of steps already done.
        title: name of the activity.
        unit: unit of progress, if not steps.
    """

    def __init__(
        self, console: Console, total: int, done: int, title: str = "training", unit: str = ""
    ):
        self.console, self.total, self.title = console, total, title
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            _Count(unit, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("compiling", total=total, completed=done, told="")
        self.progress.start()
        if console.is_terminal:
            self._waiting = Waiting(self._show_seconds, 1.0)
        else:
            console.print("compiling ...")
            self._waiting = Waiting(lambda seconds: self.line(f"compiling ... {seconds:.0f} s"))

    def compiled(self) -> None:
        """Report that the program is compiled; `update` implies it."""
        if self._waiting.stop() and not self.console.is_terminal:
            self.line(f"compiled in {self._waiting.seconds:.1f} s")

    def update(self, steps: int, row: dict[str, Any]) -> None:
        """Update the bar with a row of metrics."""
        self.compiled()
        told = f"[cyan]{row['steps_per_second']:,.0f}[/] steps/s"
        if row.get("return") is not None:
            told += f"  return [cyan]{row['return']:.2f}[/]"
        if row.get("success") is not None:
            told += f"  success [cyan]{row['success']:.1%}[/]"
        self.progress.update(self.task, completed=steps, told=told, description=self.title)

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        self.progress.console.print(text)

    def close(self) -> None:
        self._waiting.stop()
        self.progress.stop()

    def _show_seconds(self, seconds: float) -> None:
        self.progress.update(self.task, told=f"{seconds:.0f} s")


class _Count(ProgressColumn):
    def __init__(self, unit: str, **more: Any):
        super().__init__(**more)
        self.unit = unit

    def render(self, task: Any) -> Text:
        if self.unit:
            return Text(f"{task.completed:,.0f}/{task.total:,.0f} {self.unit}", no_wrap=True)
        return Text(f"{task.completed / 1e6:.2f}/{task.total / 1e6:.2f}M", no_wrap=True)


def terminal() -> Console:
    """Return a console on standard error, so that standard output holds results only."""
    return Console(stderr=True, width=None if os.isatty(2) else 120)
