"""A strategy that asks for tasks that lead to a target."""

from didact.common.errors import SettingError
from didact.teachers.language.prompts import question
from didact.teachers.language.proposer import Report
from didact.teachers.language.quoting import shortened
from didact.teachers.language.strategies.base import Memory, Strategy
from didact.teachers.language.summaries import ROWS, attempted, frontier, row, skills, top_tasks


def towards(target: str) -> Strategy:
    """Ask for the tasks that best prepare for a target.

    In the paper, the most useful tasks for a target are selected from a collection; here the model
    writes them.

    Args:
        target: the target tasks in words, such as "rooms of 8 x 8 with many distractors".

    References:
        Hübotter et al. 2025, Learning on the Job: Test-Time Curricula for Targeted Reinforcement
        Learning (arXiv 2510.04786).

    Raises:
        SettingError: the target is empty.
    """
    if not target.strip():
        raise SettingError("target", target, "a description of the target tasks")
    advice = (
        "The agent is examined on the target and nothing else. Write the tasks that prepare for "
        "it best: as much like the target as the agent can learn from now. While those fail, "
        "write the steps towards them that are missing; once they succeed at times, write tasks "
        "of the target itself. Leave out what the target does not need."
    )

    def ask(report: Report, n: int, memory: Memory):
        best = top_tasks(attempted(report), frontier, ROWS)
        shown = {
            "Target": shortened(target, 600),
            "Success by parameter and value, with standard errors": skills(report),
            "Tasks where there is most to learn": [row(task) for task in best],
        }
        return question(report, n, advice, shown)

    return Strategy(ask)
