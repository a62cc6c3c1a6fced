"""A strategy that splits a goal into sub-goals, to be learned in order."""

from collections.abc import Mapping, Sequence
from typing import Any

from didact.common.errors import SettingError
from didact.teachers.language.prompts import question, whole_object
from didact.teachers.language.proposer import Report
from didact.teachers.language.quoting import identity, shortened
from didact.teachers.language.strategies.base import WORDS, Memory, Strategy, tasks_in_answer
from didact.teachers.language.summaries import attempted, frontier, pooled, row, skills, top_tasks

MAX_GOALS = 8
MAX_KEPT = 64  # the latest tasks of a sub-goal, by which its success is measured

SPLIT = (
    "Split the goal into 2 to 8 sub-goals, instructions that the agent could be given, in the "
    "order in which they should be learned, each building on those before. None is learned yet. "
    "Write tasks for the first ones."
)
JUDGE = (
    "Judge each of your sub-goals: `learned` is true only if its success is above 0.9 by more than "
    "its error, or if it is high and has stopped rising; take it back if success fell. Keep the "
    "wording and order of sub-goals, unless one proved useless or a step between two is missing. "
    "Write most tasks for the first sub-goals that are not learned, and a few that repeat learned "
    "ones. Once all are learned, write tasks of the whole goal."
)
FIELDS = {
    "sub_goals": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_GOALS,
        "items": whole_object({"goal": {"type": "string"}, "learned": {"type": "boolean"}}),
    }
}
PARTS = {"sub_goal": {"type": "integer"}}


def decompose(goal: str) -> Strategy:
    """Let the model split a goal into sub-goals and decide when each of them is learned.

    The memory contains `sub_goals`: the wording of each, whether the model considers it learned,
    and its tasks. A sub-goal without finished episodes does not count as learned, whatever the
    model says. If the report of an answer is no longer available, newly learned sub-goals do not
    count until the next answer.

    Args:
        goal: the goal in words, such as an instruction.

    References:
        Zhang et al. 2024, Game On: Towards Language Models as RL Experimenters
        (arXiv 2409.03402).

    Raises:
        SettingError: the goal is empty.
    """
    if not goal.strip():
        raise SettingError("goal", goal, "a description of what to learn")

    def ask(report: Report, n: int, memory: Memory):
        known = memory.get("sub_goals", ())
        shown: dict[str, Any] = {"Goal": shortened(goal, 600)}
        if known:
            shown["Your sub-goals"] = [
                {
                    "sub_goal": number,
                    "goal": sub_goal["goal"],
                    "learned": sub_goal["learned"],
                    **_measured(sub_goal["tasks"], report),
                }
                for number, sub_goal in enumerate(known, 1)
            ]
        shown["Success by parameter and value, with standard errors"] = skills(report)
        shown["Tasks where there is most to learn"] = [
            row(task) for task in top_tasks(attempted(report), frontier)
        ]
        return question(
            report,
            n,
            JUDGE if known else SPLIT,
            shown,
            fields='"sub_goals": [{"goal": "...", "learned": false}, ...], ',
            parts='"sub_goal": (its number, from 1), ',
        )

    def hear(memory: Memory, answer: Mapping[str, Any], report: Report | None) -> Memory:
        before = memory.get("sub_goals", ())
        kept = {_wording(sub_goal["goal"]): list(sub_goal["tasks"]) for sub_goal in before}
        said = answer.get("sub_goals")
        goals: list[dict[str, Any]] = []
        for item in said[:MAX_GOALS] if isinstance(said, list) else ():
            words = item.get("goal") if isinstance(item, Mapping) else None
            if not isinstance(words, str) or not words.strip():
                return memory  # otherwise the tasks would refer to wrong sub-goals
            words = shortened(words, WORDS)
            tasks = list(kept.get(_wording(words), ()))
            learned = item.get("learned") is True and bool(tasks)
            if learned:
                tried = report is not None and _measured(tasks, report)["attempts"] > 0
                learned = tried or _held(before, words)
            goals.append({"goal": words, "learned": learned, "tasks": tasks})
        if not goals:
            goals = [dict(sub_goal, tasks=list(sub_goal["tasks"])) for sub_goal in before]
        for task in tasks_in_answer(answer):
            number = task["item"].get("sub_goal")
            if isinstance(number, int) and 1 <= number <= len(goals):
                tasks = goals[number - 1]["tasks"]
                tasks[:] = [*(k for k in tasks if k != task["identity"]), task["identity"]]
                del tasks[:-MAX_KEPT]
        return {"sub_goals": goals} if goals else memory

    return Strategy(ask, hear, FIELDS, PARTS)


def _wording(goal: str) -> str:
    return " ".join(goal.casefold().split()).rstrip(".")


def _held(before: Sequence[Mapping[str, Any]], words: str) -> bool:
    """Whether a sub-goal was learned before; its tasks may no longer be in the pool."""
    return any(
        sub_goal["learned"] and _wording(sub_goal["goal"]) == _wording(words) for sub_goal in before
    )


def _measured(tasks: Sequence[str], report: Report) -> dict[str, Any]:
    """Return the success rate of the tasks of a sub-goal that are in the pool."""
    own = set(tasks)
    found = [task for task in attempted(report) if identity(task.task) in own]
    measured = pooled(found)
    if found:
        weight = sum(task.weight for task in found)
        progress = sum(task.weight * task.progress for task in found) / weight
        measured["progress"] = f"{progress:+.2f}"
    return measured
