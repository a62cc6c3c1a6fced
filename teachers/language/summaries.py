"""Summaries of a report for prompts: the most informative tasks and statistics."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from didact.teachers.language.proposer import Report, TaskReport
from didact.teachers.language.quoting import identity, quoted

ROWS = 12  # the maximum number of tasks in a list
CHARACTERS = 4000  # the maximum length of a list; whole maps are long
PARAMETERS = 12  # the maximum number of parameters in `skills`
BINS = 4  # for real-valued parameters, and for integers with at least BINS + 3 values
MASTERED, FAILED = 0.8, 0.2


def attempted(report: Report) -> list[TaskReport]:
    """Return the tasks with at least one finished episode."""
    return [task for task in report.tasks if task.attempts > 0]


def top_tasks(
    tasks: Sequence[TaskReport], score: Callable[[TaskReport], Any], rows: int = ROWS
) -> list[TaskReport]:
    """Return the tasks with the highest scores; ties are resolved by more attempts."""
    order = sorted(tasks, key=lambda t: (score(t), t.attempts, identity(t.task)), reverse=True)
    return order[:rows]


def uncertain(task: TaskReport) -> float:
    """Return p (1 - p), which is maximal if half of the attempts succeed."""
    return task.success * (1 - task.success)


def frontier(task: TaskReport) -> float:
    """Return a score for how much can be learned: uncertainty plus recent change of success."""
    return uncertain(task) + abs(task.progress)


def with_error(success: float, error: float) -> str:
    """Format a success rate with its standard error: `0.25±0.07`."""
    return f"{success:.2f}±{error:.2f}"


def row(task: TaskReport, **more: Any) -> dict[str, Any]:
    """Format one task as a row of a list."""
    rates = {"success": with_error(task.success, task.error), "attempts": task.attempts}
    return {"task": task.task, **rates, "progress": f"{task.progress:+.2f}", **more}


def json_rows(rows: Sequence[Any]) -> str:
    """Write rows as JSON, one per line, up to the maximum length."""
    lines: list[str] = []
    for line in map(quoted, rows):
        if sum(map(len, lines)) + len(line) > CHARACTERS:
            break
        lines.append(f"  {line}")
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def pooled(tasks: Sequence[TaskReport]) -> dict[str, Any]:
    """Return the pooled success rate of some tasks with its standard error.

    Tasks are weighted by the number of episodes that their success rates average. The error is
    computed with one success and one failure added. Otherwise it would be 0 after a few attempts
    with equal outcomes.
    """
    attempts = sum(task.attempts for task in tasks)
    if not attempts:
        return {"attempts": 0}
    known = sum(task.weight for task in tasks)
    success = sum(task.weight * task.success for task in tasks) / known
    guarded = (known * success + 1) / (known + 2)
    error = math.sqrt(guarded * (1 - guarded) / (known + 2))
    return {"success": with_error(success, error), "attempts": attempts}


def skills(report: Report) -> dict[str, dict[str, str]]:
    """Return the success rate by parameter and value, over all tasks of the pool.

    Includes only numeric parameters with at least two tried values. Parameters with the largest
    differences come first.
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
            result = pooled(members)
            table[label] = f"{result['success']} of {result['attempts']}"
            rates.append(float(result["success"].split("±")[0]))
        tables.append((max(rates) - min(rates), name, table))
    tables.sort(key=lambda entry: (-entry[0], entry[1]))
    return {name: table for _, name, table in tables[:PARAMETERS]}


def _cell(value: Any, bounds: Any) -> tuple[float, str] | None:
    """Return the bin of a parameter's value: a number to sort by, and a label."""
    low, high = bounds.get("minimum"), bounds.get("maximum")
    numbers = (value, low, high)
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in numbers) or low >= high:
        return None
    if bounds.get("type") == "integer" and high - low < BINS + 2:
        return value, f"{value:g}"
    number = min(max(int((value - low) / (high - low) * BINS), 0), BINS - 1)
    edges = [low + (high - low) * i / BINS for i in (number, number + 1)]
    return number, f"{edges[0]:.3g} to {edges[1]:.3g}"
