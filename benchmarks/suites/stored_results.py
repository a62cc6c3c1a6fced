"""Checks of stored results of suites, which may come from others: all that reports read."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any

import numpy as np

from didact.common.foreign_files import file_name
from didact.common.setting_types import NotNegative, PositiveShare, Range, Seed, value_of
from didact.experiments.config import Steps

MOST_LETTERS = 200  # of a name in tables and figures
Count = Annotated[int, Range(0, 10**15)]
Some = Annotated[int, Range(1, 10**6)]
Seconds = Annotated[float, Range(0, 1e12)]


def check(result: Any) -> None:
    """Check the content of a file of results.

    Raises:
        ValueError: a value is not what it must be; the message is one line.
        KeyError, TypeError, AttributeError: a part is missing, or of another kind.
    """
    file_name("suite", result["suite"])
    value_of("description", result["description"], str)
    value_of("profile", result.get("profile"), str | None)
    kinds: dict[str, Any] = {"steps": Steps, "seeds": Some, "seed": Seed, "tests": str}
    for name, kind in kinds.items():
        value_of(f"settings.{name}", result["settings"][name], kind)
    value_of("settings.training", result["settings"].get("training"), str | None)
    for name, size in result["tests"].items():
        value_of(f"tests {_named(name)}", size, Some)
    parameters = value_of("parameters", result["parameters"], tuple[str, ...])
    for name in parameters:
        _named(name)
    if not result["tests"] or not result["teachers"]:
        raise ValueError("no test tasks or no teachers")
    for name, row in result["teachers"].items():
        check_row(row, result["tests"], parameters, _named(name))
    if len({tuple(row["steps"]) for row in result["teachers"].values()}) > 1:
        raise ValueError("teachers were tested after different numbers of steps")


def check_row(
    row: Any, groups: Collection[str], parameters: Sequence[str], teacher: str = "row"
) -> None:
    """Check a result of `jobs.run`.

    Args:
        row: the result.
        groups: the names of the groups of tests.
        parameters: the names of the task parameters; empty if tasks have no names.
        teacher: the name of the row, for errors.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: see `check`.
    """
    steps = value_of(f"steps of {teacher}", row["steps"], tuple[Steps, ...])
    if not steps or list(steps) != sorted(set(steps)):
        raise ValueError(f"the steps of {teacher} do not increase")
    success, points = row["success"], len(steps)
    if set(success) != set(groups):
        raise ValueError(f"{teacher} was tested on other groups")
    curves = [_numbers(success[name], 2, 0, 1) for name in groups]
    seeds = len(curves[0])
    if seeds < 2 or any(curve.shape != (seeds, points) for curve in curves):
        raise ValueError(f"the success of {teacher} has different numbers of seeds or points")
    students = value_of(f"students of {teacher}", row.get("students", 1), Some)
    if seeds % students or seeds // students < 2:
        raise ValueError(f"{teacher} has {seeds} trainings of {students} students")
    moments = [_numbers(x, 2, -1, 2) for x in row["proposals"]]
    if parameters and len(moments) != points:
        raise ValueError(f"the proposals of {teacher} are incomplete")
    if any(len(x) < 1 or x.shape[1] != len(parameters) for x in moments):
        raise ValueError(f"the proposals of {teacher} have other parameters")
    value_of(f"seconds of {teacher}", row["seconds"], Seconds)
    if "worst" in row:
        shares = value_of("shares", row["worst"]["shares"], tuple[PositiveShare, ...])
        worst = _numbers(row["worst"]["success"], 2, 0, 1)
        if not shares or worst.shape != (seeds, len(shares)):
            raise ValueError(f"the success of {teacher} in the worst tasks is incomplete")
    if "language" in row:
        for name in ("calls", "tokens"):
            value_of(f"{name} of {teacher}", row["language"][name], Count)
        value_of(f"lost_calls of {teacher}", row["language"].get("lost_calls", 0), Count)
        value_of(f"cost of {teacher}", row["language"]["cost"], NotNegative | None)


def _named(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MOST_LETTERS:
        raise ValueError(f"a name has no letters, or more than {MOST_LETTERS}")
    name.encode()  # raises a ValueError for halves of characters
    return name


def _numbers(values: Any, ndim: int, low: float, high: float) -> np.ndarray:
    """Return an array of numbers from `low` to `high`."""
    numbers = np.array(values, float)
    if not isinstance(values, list) or numbers.ndim != ndim:
        raise ValueError(f"numbers have {numbers.ndim} axes in place of {ndim}")
    if not ((numbers >= low) & (numbers <= high)).all():  # also NaN
        raise ValueError(f"numbers are not from {low:g} to {high:g}")
    return numbers
