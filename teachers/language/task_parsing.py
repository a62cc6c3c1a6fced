"""Parse and validate the tasks in a proposer's answer, with a reason for each refused task.

An answer may be anything: the requested JSON, JSON surrounded by prose, an incomplete answer, or an
attack. In any case, parsing takes a bounded time, raises nothing, and returns only tasks of the
space.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.common import json_extraction
from didact.common.errors import SettingError
from didact.environments.task_spaces import TaskSpace

MAX_LENGTH = 1_000_000  # characters in an answer
MAX = 256  # tasks in an answer
SENTENCE = 300  # characters in a reason
SHOWN = 80  # characters of a value in a reason


class ParsedTasks(NamedTuple):
    """The k valid tasks in an answer, and why others were refused."""

    tasks: Float[np.ndarray, "k d"]
    accepted: tuple[Mapping[str, Any], ...]  # the same tasks as JSON objects
    refused: tuple[str, ...]  # one sentence for each reason


def parse_tasks(
    text: str,
    space: TaskSpace,
    *,
    known: Float[np.ndarray, "m d"] | None = None,
    most: int = MAX,
) -> ParsedTasks:
    """Parse the tasks in a text.

    The text may contain a JSON array of tasks, an object with such an array in `tasks`, or several
    single objects, anywhere in the text. Of several arrays, the one with the most tasks is used
    (the last one of ties). A task may also be the value of `task` in an object with further fields,
    such as its purpose.

    Args:
        text: the answer.
        space: the task space.
        known: tasks that are not new, and are refused.
        most: the maximum number of tasks to read.
    """
    if len(text) > MAX_LENGTH:
        return _nothing(space, f"The answer is longer than {MAX_LENGTH:,} characters.")
    lists, single = [], []
    for value in json_extraction.find_json(json_extraction.answer_in(text)):
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
    """Return the items of a list of tasks; None for a single task."""
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
        refused.append(f"Only the first {most} of {len(items):,} tasks are read.")
    seen = set() if known is None else {_bytes(row) for row in known}
    ours: dict[bytes, int] = {}
    for number, item in enumerate(items[:most], 1):
        row, reason = _task(item, space)
        if row is not None and _bytes(row) in ours:
            reason = f"it is the same as task {ours[_bytes(row)]}."
        elif row is not None and _bytes(row) in seen:
            reason = "it is already in the pool."
        if row is None or reason:
            refused.append(f"Task {number}: {reason}"[:SENTENCE])
        else:
            ours[_bytes(row)] = number
            rows.append(row)
    tasks = np.array(rows, np.float32).reshape(-1, space.size)
    inside = _contained(tasks, space)
    numbers = list(ours.values())
    refused += [
        f"Task {numbers[i]}: it is not a task of this space." for i in np.flatnonzero(~inside)
    ]
    tasks = tasks[inside]
    return ParsedTasks(tasks, tuple(json.loads(space.to_json(t)) for t in tasks), tuple(refused))


def _task(item: Any, space: TaskSpace) -> tuple[np.ndarray | None, str]:
    """Return a task, or the reason why it is invalid."""
    if isinstance(item, Mapping) and isinstance(item.get("task"), Mapping):
        item = item["task"]
    if isinstance(item, json_extraction.DuplicateKeys):
        return None, f"the name {_shown(item.name)} occurs twice."
    try:
        return np.asarray(space.from_json(item), np.float32), ""
    except SettingError as error:
        return None, f"{error.setting} is {_shown(error.value)}, but must be {error.allowed}."
    except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
        return None, f"it cannot be read ({type(error).__name__})."


def _shown(value: Any) -> str:
    """Format a value for a reason; `repr` escapes unprintable characters."""
    shown = repr(value)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."


def _bytes(row: np.ndarray) -> bytes:
    return (np.asarray(row, np.float32) + np.float32(0)).tobytes()  # 0 for -0


def _contained(tasks: np.ndarray, space: TaskSpace) -> np.ndarray:
    """Return which rows are tasks; rows are padded to few sizes to avoid recompilation."""
    padded = np.zeros((-(-max(len(tasks), 1) // 32) * 32, space.size), np.float32)
    padded[: len(tasks)] = tasks
    return np.asarray(space.contains(jnp.asarray(padded)))[: len(tasks)]


def _nothing(space: TaskSpace, reason: str) -> ParsedTasks:
    return ParsedTasks(np.zeros((0, space.size), np.float32), (), (reason,))
