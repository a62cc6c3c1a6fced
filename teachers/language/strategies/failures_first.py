"""A strategy that asks for variants of failed tasks."""

from didact.teachers.language.prompts import question
from didact.teachers.language.proposer import Report
from didact.teachers.language.strategies.base import Memory, Strategy
from didact.teachers.language.summaries import MASTERED, ROWS, attempted, row, top_tasks


def failures_first() -> Strategy:
    """Use failed tasks as seeds, and ask for variants within reach of the agent.

    References:
        Qi et al. 2024, WebRL: Training LLM Web Agents via Self-Evolving Online Curriculum
        Reinforcement Learning (arXiv 2411.02337).
    """
    advice = (
        "Take the failed tasks as seeds. Write variants of them that practise what makes them "
        "fail: keep what they are about, and change a few values towards tasks that succeed, so "
        "that you expect success between 0.1 and 0.7. What never succeeded needs larger changes "
        "than what succeeds at times. Write nothing that is already mastered."
    )

    def ask(report: Report, n: int, memory: Memory):
        tasks = attempted(report)
        failed = [task for task in tasks if task.success < 0.5]
        seeds = top_tasks(failed, lambda task: 1 - task.success, len(failed))
        # The worst tasks, and the most successful of the others.
        worst = seeds[: ROWS // 2]
        rest = top_tasks(seeds[ROWS // 2 :], lambda task: task.success, ROWS - len(worst))
        good = [task for task in tasks if task.success >= MASTERED]
        shown = {
            "Failed tasks, the seeds": [row(task) for task in [*worst, *rest]],
            "Mastered tasks": [row(t) for t in top_tasks(good, lambda t: -t.success, ROWS // 3)],
        }
        return question(report, n, advice, shown)

    return Strategy(ask)
