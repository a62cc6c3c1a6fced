"""Asks a proposer without letting anybody wait.

Whoever answers at once is asked at once. Anybody else is asked in a thread of its own, one
question at a time, and the answer is fetched when it is there. The thread never keeps a process
from ending, so there is no pool of workers: those are waited for at exit.
"""

import dataclasses
import threading
import time
from collections.abc import Sequence

from didact.teachers.language.proposer import (
    BudgetSpent,
    Proposer,
    ProposerError,
    Reply,
    Report,
)
from didact.teachers.language.transcript import Exchange

MAX_BACKOFF = 8  # of how many chances to ask one is taken, at the least, after many failures


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a question: a reply, or in one sentence why there is none, and its cost."""

    report: Report
    reply: Reply | None
    error: str = ""
    spent: Reply | None = None
    over: bool = False  # no answer will come any more


class BackgroundProposer:
    """One proposer, and at most one question to it.

    Attributes:
        report: of the question that is open or whose answer was not fetched yet, else None.
    """

    def __init__(self, proposer: Proposer):
        self.proposer = proposer
        self.report: Report | None = None
        self._answers: list[Answer] = []

    def ask(self, report: Report, n: int) -> None:
        """Asks for about n tasks; there must be no open question."""
        if self.report is not None:
            raise RuntimeError("one question at a time")
        self.report, self._answers = report, []
        if self.proposer.immediate:
            self._answers.append(answer(self.proposer, report, n))
        else:
            # The list is bound to the thread: a late answer to a dropped question is lost.
            arguments = (self.proposer, report, n, self._answers)
            threading.Thread(target=_answer, args=arguments, daemon=True).start()

    def answer(self) -> Answer | None:
        """The answer, once there is one; then the next question may be asked."""
        if not self._answers:
            return None
        self.report = None
        return self._answers.pop()

    def drop(self, why: str) -> Answer | None:
        """Gives up the open question, if there is one."""
        if self.report is None:
            return None
        # First, since it is gone once there is an answer.
        spent = getattr(self.proposer, "pending", None)
        told = self.answer() or Answer(self.report, None, why, spent)
        self.report, self._answers = None, []
        return told


def answer(proposer: Proposer, report: Report, n: int) -> Answer:
    """Asks, and waits. What goes wrong is told, not raised."""
    begun = time.perf_counter()
    try:
        reply = proposer.propose(report, n)
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            return Answer(report, None, "The proposer did not answer with text.")
        if not proposer.immediate and not reply.seconds:
            reply = dataclasses.replace(reply, seconds=time.perf_counter() - begun)
        return Answer(report, reply)
    except BudgetSpent as spent:
        return Answer(report, None, str(spent), over=True)
    except ProposerError as error:
        return Answer(report, None, str(error), error.reply)
    except Exception as error:  # of whatever kind: a training does not end because of a proposer
        # Its words might hold a key, so they are not told.
        return Answer(report, None, f"The proposer failed ({type(error).__name__}).")


def _answer(proposer: Proposer, report: Report, n: int, answers: list[Answer]) -> None:
    answers.append(answer(proposer, report, n))


def backoff(exchanges: Sequence[Exchange]) -> int:
    """Of so many chances to ask, one is to be taken: doubled by each failure after the first.

    Seeds are asked one after another, so a single outage may fail all of them: what counts are the
    failures in a row of the seed that has the fewest.
    """
    failures: dict[int, int] = {}
    for exchange in exchanges:
        failures[exchange.seed] = failures.get(exchange.seed, 0) + 1 if exchange.error else 0
    return min(2 ** max(0, min(failures.values(), default=0) - 1), MAX_BACKOFF)
