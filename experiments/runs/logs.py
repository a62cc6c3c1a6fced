"""Metrics, TensorBoard events and the progress bar of a training."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from didact.common import strict_json
from didact.common.display import Display
from didact.common.files import replacing
from didact.common.plain_text import shown
from didact.experiments.evaluation.achievements import ACHIEVED, reported
from didact.experiments.runs.metrics_file import read_rows, set_aside
from didact.experiments.runs.waiting import Waiting

METRICS = "metrics.jsonl"
FIRST = 5.0  # seconds until compilation is reported, for output that is not a terminal
# These classes are generated at import time, so type checkers do not know them.
_event, _log = (getattr(event_pb2, name) for name in ("Event", "SessionLog"))


class Log:
    """Writes rows of metrics as JSON lines.

    Args:
        run: run folder.
        updates: number of updates of the checkpoint; later rows are dropped, since a resumed run
            writes them again.

    Attributes:
        damaged: number of damaged lines that were moved from the file to `aside`.
        unevaluated: whether the row of the checkpoint has no evaluation, as after a stop while it
            was evaluated.
        lost: whether there is no row of the checkpoint, as after a power cut.
    """

    def __init__(self, run: Path, updates: int):
        self.path = run / METRICS
        found = read_rows(self.path)
        # Set aside before they leave the file, so that nothing is lost in between.
        self.damaged, self.aside = len(found.damaged), set_aside(self.path, found.damaged)
        kept = [row for row in found.rows if row["updates"] <= updates]
        with replacing(self.path) as draft:
            draft.write_text("".join(strict_json.dumps(row) + "\n" for row in kept))
        last = kept[-1] if kept else {"updates": 0}
        self.lost = last["updates"] != updates
        self.unevaluated = bool(updates) and not self.lost and "evaluation" not in last
        self.seconds: float = next((r["seconds"] for r in kept[::-1] if r.get("seconds")), 0.0)

    def write(self, row: dict[str, Any]) -> None:
        """Append a row, which must contain `updates`, `steps` and `seconds`."""
        with self.path.open("a") as file:
            file.write(strict_json.dumps(row) + "\n")
            file.flush()

    def add_evaluation(self, evaluation: dict[str, Any]) -> None:
        """Add an evaluation to the last row."""
        *rows, last = read_rows(self.path).rows
        with replacing(self.path) as draft:
            rows = [*rows, last | {"evaluation": evaluation}]
            draft.write_text("".join(strict_json.dumps(row) + "\n" for row in rows))


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
        # An absolute path: tensorboardX reads relative ones such as "gs:run" as addresses.
        self._file = EventsWriter(str(folder.absolute() / "events"))
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
    """Read the rows of a metrics file, without damaged ones (for example after a crash)."""
    return read_rows(path).rows


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

    With several seeds, the row also has lists with one number per seed. `episodes` are those of all
    seeds, although `steps` are those of one; return, success and length are means over the seeds.
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
    achieved = {name: metrics.pop(name) for name in [*metrics] if name.startswith(ACHIEVED)}
    if np.any(happened):
        rates = {name: (x.sum(-1) / episodes)[happened] for name, x in achieved.items()}
        row |= reported({name.removeprefix(ACHIEVED): rate for name, rate in rates.items()})
    if "waiting" in metrics:  # share of steps in which environments waited for a proposal
        row["waiting"] = float(metrics.pop("waiting").mean())
    levels = _level_row(metrics)
    row["learning"] = {name: float(x.mean()) for name, x in sorted(metrics.items())} | levels
    return row


def _level_row(metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """Remove the metrics of levels that several students play, and return them as part of a row."""
    if "regret_sum" not in metrics:
        return {}
    regret, levels = (float(metrics.pop(name).sum()) for name in ("regret_sum", "levels"))
    return {"levels": int(levels), "regret": regret / levels if levels else None}


class ProgressBar(Display):
    """A progress bar; without a terminal, occasional lines. Errors of the display are ignored.

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
        super().__init__(console)
        self.total, self.title = total, title
        self.progress = Progress(
            _Description(),
            BarColumn(bar_width=None),
            _Count(unit, table_column=Column(no_wrap=True)),
            _Numbers(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("compiling", total=total, completed=done, numbers=Text())
        live, refresh = self.progress.live, self.progress.live.refresh

        def guarded() -> None:  # also called by the thread that redraws the bar
            with self.guard():
                refresh()

        live.refresh = guarded
        with self.guard():
            self.progress.start()
        if console.is_terminal:
            self._waiting = Waiting(self._show_seconds, 1.0)
        else:
            self._waiting = Waiting(
                lambda seconds: self.line(f"compiling ... {seconds:.0f} s"), first=FIRST
            )

    def compiled(self) -> None:
        """Report that the program is compiled; `update` implies it."""
        if self._waiting.stop() and self._waiting.reported and not self.console.is_terminal:
            self.line(f"compiled in {self._waiting.seconds:.1f} s")

    def update(self, steps: int, row: dict[str, Any]) -> None:
        """Update the bar with a row of metrics."""
        self.compiled()
        numbers = Text.assemble((f"{row['steps_per_second']:,.0f}", "cyan"), " steps/s")
        if row.get("return") is not None:
            numbers.append("  return ").append(f"{row['return']:.2f}", "cyan")
        if row.get("success") is not None:
            numbers.append("  success ").append(f"{row['success']:.1%}", "cyan")
        with self.guard():
            self.progress.update(
                self.task, completed=steps, numbers=numbers, description=self.title
            )

    def close(self) -> None:
        self._waiting.stop()
        with self.guard():
            self.progress.stop()

    def _show_seconds(self, seconds: float) -> None:
        with self.guard():
            self.progress.update(self.task, numbers=Text(f"{seconds:.0f} s"))


class _Description(ProgressColumn):
    def render(self, task: Any) -> Text:
        return Text(shown(task.description), "bold")


class _Numbers(ProgressColumn):
    def render(self, task: Any) -> Text:
        return task.fields["numbers"]


def short(steps: float) -> str:
    """Return a number of steps in millions, or in thousands below a million."""
    return f"{steps / 1e6:.2f}M" if steps >= 1e6 else f"{steps / 1e3:.1f}k"


class _Count(ProgressColumn):
    def __init__(self, unit: str, **more: Any):
        super().__init__(**more)
        self.unit = unit

    def render(self, task: Any) -> Text:
        if self.unit:
            return Text(f"{task.completed:,.0f}/{task.total:,.0f} {self.unit}", no_wrap=True)
        return Text(f"{short(task.completed)}/{short(task.total)}", no_wrap=True)
