"""What of a report is told to a language model: the few tasks and figures that say most."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from didact.teachers.language.proposer import Report, TaskReport
from didact.teachers.language.quoting import identity, quoted

ROWS = 12  # tasks told in one list
CHARACTERS = 4000  # of such a list; whole maps are long
PARAMETERS = 12  # of tasks, told by the success at their values
BINS = 4  # for a parameter with more values than this and 2 more
MASTERED, FAILED = 0.8, 0.2


def attempted(report: Report) -> list[TaskReport]:
    """The tasks of which anything is known."""
    return [task for task in report.tasks if task.attempts > 0]


def top_tasks(
    tasks: Sequence[TaskReport], score: Callable[[TaskReport], Any], rows: int = ROWS
) -> list[TaskReport]:
    """The tasks of the highest scores; of equals, those that were tried more often."""
    order = sorted(tasks, key=lambda t: (score(t), t.attempts, identity(t.task)), reverse=True)
    return order[:rows]


def uncertain(task: TaskReport) -> float:
    """p (1 - p): greatest where every second attempt succeeds."""
    return task.success * (1 - task.success)


def frontier(task: TaskReport) -> float:
    """How much there is to learn: where success is uncertain or has changed of late."""
    return uncertain(task) + abs(task.progress)


def with_error(success: float, error: float) -> str:
    """Success as it is told: `0.25±0.07`."""
    return f"{success:.2f}±{error:.2f}"


def row(task: TaskReport, **more: Any) -> dict[str, Any]:
    """One task as it is told."""
    told = {"success": with_error(task.success, task.error), "attempts": task.attempts}
    return {"task": task.task, **told, "progress": f"{task.progress:+.2f}", **more}


def json_rows(rows: Sequence[Any]) -> str:
    """Rows as JSON, one a line, as many as there is room for."""
    lines: list[str] = []
    for line in map(quoted, rows):
        if sum(map(len, lines)) + len(line) > CHARACTERS:
            break
        lines.append(f"  {line}")
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def pooled(tasks: Sequence[TaskReport]) -> dict[str, Any]:
    """The success of all attempts at some tasks together, with its standard error.

    The error is that of the estimate with one success and one failure added, as otherwise it would
    be 0 after a few attempts that all ended alike.
    """
    attempts = sum(task.attempts for task in tasks)
    if not attempts:
        return {"attempts": 0}
    success = sum(task.attempts * task.success for task in tasks) / attempts
    guarded = (attempts * success + 1) / (attempts + 2)
    error = math.sqrt(guarded * (1 - guarded) / (attempts + 2))
    return {"success": with_error(success, error), "attempts": attempts}


def skills(report: Report) -> dict[str, dict[str, str]]:
    """Success at the values of each parameter, over all tasks of the pool.

    Only of parameters that are numbers, and of which more than one value was tried; those where it
    matters most come first.
    """
    tasks = attempted(report)
    tables: list[tuple[float, str, dict[str, str]]] = []
    for name, bounds in report.schema.get("properties", {}).items():
        cells: dict[tuple[float, str], list[TaskReport]] = {}
        for task in tasks:
            cell = _cell(task.task.get(name), bounds)
            if cell is not None:
                cells.setdefault(cell, []).append(task)
        if len(cells) < 2:
            continue
        table, rates = {}, []
        for (_, label), members in sorted(cells.items()):
            told = pooled(members)
            table[label] = f"{told['success']} of {told['attempts']}"
            rates.append(float(told["success"].split("±")[0]))
        tables.append((max(rates) - min(rates), name, table))
    tables.sort(key=lambda entry: (-entry[0], entry[1]))
    return {name: table for _, name, table in tables[:PARAMETERS]}


def _cell(value: Any, bounds: Any) -> tuple[float, str] | None:
    """Where a value of a parameter belongs: a number to sort by, and a label."""
    low, high = bounds.get("minimum"), bounds.get("maximum")
    numbers = (value, low, high)
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in numbers) or low >= high:
        return None
    if bounds.get("type") == "integer" and high - low < BINS + 2:
        return value, f"{value:g}"
    number = min(max(int((value - low) / (high - low) * BINS), 0), BINS - 1)
    edges = [low + (high - low) * i / BINS for i in (number, number + 1)]
    return number, f"{edges[0]:.3g} to {edges[1]:.3g}"
