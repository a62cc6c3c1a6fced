"""A strategy that asks for interestingly new tasks."""

from didact.teachers.language.prompts import question
from didact.teachers.language.proposer import Report
from didact.teachers.language.strategies.base import Memory, Strategy
from didact.teachers.language.summaries import MASTERED, ROWS, attempted, frontier, row, top_tasks


def interesting() -> Strategy:
    """Show the learned tasks, and ask for interesting tasks that are not learned yet.

    The language model decides what is interesting. In the paper it selects from given tasks; here
    it writes them.

    References:
        Zhang et al. 2023, OMNI: Open-endedness via Models of human Notions of Interestingness
        (arXiv 2306.01711).
    """
    advice = (
        "Write tasks that are interesting and not yet learned. A task is boring if it is a small "
        "variation of one that is done well, or differs from it only in numbers that make no "
        "difference to what has to be done. It is interesting if it needs something that none of "
        "the learned tasks needs, or a new combination, and if it can be learned soon by who "
        "knows the learned tasks. No two of your tasks should be interesting for the same reason; "
        "say that reason in `purpose`."
    )

    def ask(report: Report, n: int, memory: Memory):
        tasks = attempted(report)
        learned = [task for task in tasks if task.success >= MASTERED]
        others = [task for task in tasks if task.success < MASTERED]
        shown = {
            "Done well": [row(task) for task in top_tasks(learned, lambda t: t.success)],
            "Not yet learned": [row(task) for task in top_tasks(others, frontier, ROWS // 2)],
        }
        return question(report, n, advice, shown)

    return Strategy(ask)
