"""A strategy that asks for environment configurations for weak skills."""

from collections.abc import Mapping
from typing import Any

from didact.teachers.language.prompts import question
from didact.teachers.language.proposer import Report
from didact.teachers.language.quoting import identity
from didact.teachers.language.strategies.base import Memory, Strategy, tasks_in_answer
from didact.teachers.language.summaries import (
    ROWS,
    attempted,
    frontier,
    row,
    skills,
    top_tasks,
    with_error,
)


def envgen() -> Strategy:
    """Ask for configurations with a purpose each, and report the outcomes of the previous ones.

    The prompt contains the success rate by skill, with error bars: those that the training measures
    (`Report.skills`), and those by parameter and value; the model's previous configurations; and
    other tasks of the pool from which much can be learned. The memory contains the last answer.

    References:
        Zala et al. 2024, EnvGen: Generating and Adapting Environments via LLMs for Training
        Embodied Agents (arXiv 2403.12014).
    """
    advice = (
        "Write environment configurations for the next phase of training. First find the skills "
        "that the agent is weak at; differences smaller than their error bars mean nothing. Each "
        "configuration trains one or two weak skills at a level that the agent can just manage, "
        "and together they train all weak skills. Keep what works of your previous "
        "configurations: make harder what was mastered, and easier what never succeeds."
    )

    def ask(report: Report, n: int, memory: Memory):
        purposes = dict(memory.get("previous", ()))
        tasks = attempted(report)
        ours = [task for task in tasks if identity(task.task) in purposes]
        others = [task for task in tasks if identity(task.task) not in purposes]
        measured = {name: with_error(*rate) for name, rate in report.skills.items()}
        shown = {
            **({"Success by skill, with standard errors": measured} if measured else {}),
            "Success by parameter and value, with standard errors": skills(report),
            "Your previous configurations": [
                row(task, purpose=purposes[identity(task.task)])
                for task in top_tasks(ours, frontier)
            ],
            "Other tasks of the pool": [
                row(task) for task in top_tasks(others, frontier, ROWS // 2)
            ],
        }
        return question(report, n, advice, shown)

    def hear(memory: Memory, answer: Mapping[str, Any], report: Report | None) -> Memory:
        heard = tasks_in_answer(answer)
        if not heard:
            return memory
        return {"previous": [[task["identity"], task["purpose"]] for task in heard]}

    return Strategy(ask, hear)
