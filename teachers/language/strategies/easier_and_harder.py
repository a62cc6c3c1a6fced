"""A strategy that evolves tasks towards easier and harder versions."""

from didact.teachers.language.prompts import question
from didact.teachers.language.proposer import Report, TaskReport
from didact.teachers.language.strategies.base import Memory, Strategy
from didact.teachers.language.summaries import FAILED, MASTERED, ROWS, attempted, row, uncertain


def easier_and_harder() -> Strategy:
    """Show seed tasks, and ask for easier or harder versions.

    Mastered tasks should become harder, failing tasks easier, and both versions are requested of
    tasks in between.

    References:
        Hu et al. 2024, AgentGen: Enhancing Planning Abilities for Large Language Model based Agent
        via Environment and Task Generation (arXiv 2408.00764), Bi-Evol.
    """
    advice = (
        "Evolve the seeds. An easier version reaches the same end by a shorter or plainer way; a "
        "harder version adds a condition, a distance or an obstacle. Change one or two values "
        "of a seed at a time, so that difficulty grows in small steps. Begin each `purpose` with "
        "the word easier or harder."
    )

    def wanted(task: TaskReport) -> str:
        if task.success >= MASTERED:
            return "harder"
        return "easier" if task.success <= FAILED else "easier and harder"

    def ask(report: Report, n: int, memory: Memory):
        kinds: dict[str, list[TaskReport]] = {}
        for task in attempted(report):
            kinds.setdefault(wanted(task), []).append(task)
        # Alternate between the kinds, starting with the tasks of the most uncertain success.
        order = [sorted(kind, key=uncertain, reverse=True) for _, kind in sorted(kinds.items())]
        seeds = [kind[i] for i in range(ROWS) for kind in order if i < len(kind)][:ROWS]
        shown = {"Seeds": [row(task, wanted=wanted(task)) for task in seeds]}
        return question(report, n, advice, shown)

    return Strategy(ask)
