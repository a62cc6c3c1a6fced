"""What a strategy is: what a language model is asked, and what is kept of its answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from didact.teachers.language.proposer import Message, Report
from didact.teachers.language.quoting import identity, shortened

Memory = Mapping[str, Any]  # what JSON can say
MAX = 64  # tasks of an answer that are remembered
WORDS = 120  # characters of a purpose, or of a sub-goal


def _forgets(memory: Memory, answer: Mapping[str, Any], report: Report | None) -> Memory:
    return memory


class Strategy(NamedTuple):
    """Two pure functions, as a teacher is; the memory between them is plain JSON, at first empty.

    Attributes:
        ask: `ask(report, n, memory) -> messages`.
        update_memory: `update_memory(memory, answer, report) -> memory`: the answer is a JSON
            object of any content; the report is the one that was asked about, or None where nobody
            has it any more.
        fields, parts: schemas of what is wanted in the answer beside tasks, see
            `prompts.answer_schema`.
    """

    ask: Callable[[Report, int, Memory], Sequence[Message]]
    update_memory: Callable[[Memory, Mapping[str, Any], Report | None], Memory] = _forgets
    fields: Mapping[str, Any] = {}
    parts: Mapping[str, Any] = {}


def tasks_in_answer(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tasks of an answer, not yet checked.

    Returns:
        For each its identity (see `quoting.identity`), its purpose, and the item itself.
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
