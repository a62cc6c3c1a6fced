"""Reads tasks out of what a proposer answered, and says of each that is refused why.

An answer may be anything: JSON as it was asked for, JSON amid prose, half an answer, or an attack.
Whatever it is, reading it ends soon and raises nothing, and what comes out are tasks of the space.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError
from didact.environments.task_spaces import TaskSpace
from didact.teachers.language import json_extraction

MAX_LENGTH = 1_000_000  # characters of an answer
MAX = 256  # tasks of an answer
SENTENCE = 300  # characters of a reason
SHOWN = 80  # characters of a value in a reason
THOUGHT = "</think>"  # what comes before it was not yet the answer


class ParsedTasks(NamedTuple):
    """What was found in an answer: k tasks, and what was wrong with the others."""

    tasks: Float[np.ndarray, "k d"]
    accepted: tuple[Mapping[str, Any], ...]  # the same as JSON objects
    refused: tuple[str, ...]  # one sentence for each reason


def parse_tasks(
    text: str,
    space: TaskSpace,
    *,
    known: Float[np.ndarray, "m d"] | None = None,
    most: int = MAX,
) -> ParsedTasks:
    """The tasks in a text.

    Looked for is a JSON array of tasks, an object whose `tasks` is one, or objects one by one,
    anywhere in the text; of several arrays, the one with the most tasks (the last of equals). A
    task may also be the `task` of an object that says more, such as its purpose.

    Args:
        text: what was answered.
        space: the tasks there are.
        known: tasks that would be no news.
        most: tasks beyond so many are not read.
    """
    if len(text) > MAX_LENGTH:
        return _nothing(space, f"The answer is longer than {MAX_LENGTH:,} characters.")
    lists, single = [], []
    for value in json_extraction.find_json(text.rpartition(THOUGHT)[2]):
        items = _items(value)
        if items is not None:
            lists.append(items)
        else:
            single.append(value)
    best: ParsedTasks | None = None
    for items in [*lists[-8:], *([single] if single else [])]:
        reading = _read(items, space, known, most)
        if best is None or len(reading.tasks) >= len(best.tasks):
            best = reading
    if best is None:
        return _nothing(space, "There is no JSON array or object of tasks in the answer.")
    return best


def _items(value: Any) -> list[Any] | None:
    """The tasks of a list of tasks; None for a single one."""
    if isinstance(value, Mapping) and isinstance(value.get("tasks"), list):
        return value["tasks"]
    return value if isinstance(value, list) else None


def _read(
    items: Sequence[Any], space: TaskSpace, known: np.ndarray | None, most: int
) -> ParsedTasks:
    rows: list[np.ndarray] = []
    refused: list[str] = []
    if not items:
        refused.append("The list of tasks is empty.")
    if len(items) > most:
        refused.append(f"Of {len(items):,} tasks, only the first {most} are read.")
    seen = set() if known is None else {_bytes(row) for row in known}
    ours: dict[bytes, int] = {}
    for number, item in enumerate(items[:most], 1):
        row, reason = _task(item, space)
        if row is not None and _bytes(row) in ours:
            reason = f"it is the same as task {ours[_bytes(row)]}."
        elif row is not None and _bytes(row) in seen:
            reason = "it is in the pool already."
        if row is None or reason:
            refused.append(f"Task {number}: {reason}"[:SENTENCE])
        else:
            ours[_bytes(row)] = number
            rows.append(row)
    tasks = np.array(rows, np.float32).reshape(-1, space.size)
    inside = _contained(tasks, space)
    numbers = list(ours.values())
    refused += [f"Task {numbers[i]}: it is no task here." for i in np.flatnonzero(~inside)]
    tasks = tasks[inside]
    return ParsedTasks(tasks, tuple(json.loads(space.to_json(t)) for t in tasks), tuple(refused))


def _task(item: Any, space: TaskSpace) -> tuple[np.ndarray | None, str]:
    """One task, or why it is none."""
    if isinstance(item, Mapping) and isinstance(item.get("task"), Mapping):
        item = item["task"]
    if isinstance(item, json_extraction.DuplicateKeys):
        return None, f"the name {_shown(item.name)} stands in it twice."
    try:
        return np.asarray(space.from_json(item), np.float32), ""
    except SettingError as error:
        return None, f"{error.setting} is {_shown(error.value)}, but must be {error.allowed}."
    except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
        return None, f"it cannot be read ({type(error).__name__})."


def _shown(value: Any) -> str:
    """A value as the reason shows it; `repr` escapes what would not print, or print elsewhere."""
    shown = repr(value)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."


def _bytes(row: np.ndarray) -> bytes:
    return (np.asarray(row, np.float32) + np.float32(0)).tobytes()  # 0 for -0


def _contained(tasks: np.ndarray, space: TaskSpace) -> np.ndarray:
    """Which rows are tasks; asked in few sizes, as each is compiled once."""
    padded = np.zeros((-(-max(len(tasks), 1) // 32) * 32, space.size), np.float32)
    padded[: len(tasks)] = tasks
    return np.asarray(space.contains(jnp.asarray(padded)))[: len(tasks)]


def _nothing(space: TaskSpace, reason: str) -> ParsedTasks:
    return ParsedTasks(np.zeros((0, space.size), np.float32), (), (reason,))
