"""The strategy interface: the messages to a language model, and the memory of its answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from didact.teachers.language.proposer import Message, Report
from didact.teachers.language.quoting import identity, shortened

Memory = Mapping[str, Any]  # JSON values
MAX = 64  # the maximum number of tasks of an answer in the memory
WORDS = 120  # the maximum number of characters of a purpose or a sub-goal


def _forgets(memory: Memory, answer: Mapping[str, Any], report: Report | None) -> Memory:
    return memory


class Strategy(NamedTuple):
    """Two pure functions with a memory, which is plain JSON and initially empty.

    Attributes:
        ask: `ask(report, n, memory) -> messages`.
        update_memory: `update_memory(memory, answer, report) -> memory`. The answer is a JSON
            object with any content. The report is that of the request, or None if it is no longer
            available.
        fields, parts: the schemas of further fields of the answer, see `prompts.answer_schema`.
    """

    ask: Callable[[Report, int, Memory], Sequence[Message]]
    update_memory: Callable[[Memory, Mapping[str, Any], Report | None], Memory] = _forgets
    fields: Mapping[str, Any] = {}
    parts: Mapping[str, Any] = {}


def tasks_in_answer(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tasks of an answer without validating them.

    Returns:
        For each task its identity (see `quoting.identity`), its purpose, and the item itself.
    """
    items = answer.get("tasks")
    heard = []
    for item in items[:MAX] if isinstance(items, list) else ():
        if not isinstance(item, Mapping):
            continue
        task = item.get("task") if isinstance(item.get("task"), Mapping) else item
        try:
            key = identity(task)
        except RecursionError:
            continue
        purpose = shortened(item.get("purpose", ""), WORDS) if task is not item else ""
        heard.append({"identity": key, "purpose": purpose, "item": item})
    return heard
