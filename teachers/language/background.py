"""Requests to proposers that do not block the training.

Immediate proposers are called directly. All others are called in a background thread, one request
at a time, and the answer is fetched when it is available. The thread is a daemon, so that it never
keeps the process from exiting; the workers of a thread pool would be joined at exit.
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

MAX_BACKOFF = 8  # after many failures, at least one of this many opportunities is used


@dataclasses.dataclass(frozen=True)
class Answer:
    """The outcome of a request: a reply, or the reason in one sentence why there is none.

    Attributes:
        report: the report of the request.
        reply: the reply, if there is one.
        error: why there is no reply.
        spent: what was sent and what it cost, if there is no reply.
        over: whether no further request can succeed.
    """

    report: Report
    reply: Reply | None
    error: str = ""
    spent: Reply | None = None
    over: bool = False


class BackgroundProposer:
    """A proposer with at most one open request.

    Attributes:
        report: the report of the request that is open or whose answer was not fetched yet, or None.
    """

    def __init__(self, proposer: Proposer):
        self.proposer = proposer
        self.report: Report | None = None
        self._answers: list[Answer] = []

    def ask(self, report: Report, n: int) -> None:
        """Request about n tasks; there must be no open request."""
        if self.report is not None:
            raise RuntimeError("there is an open request already")
        self.report, self._answers = report, []
        if self.proposer.immediate:
            self._answers.append(answer(self.proposer, report, n))
        else:
            # Each thread has its own list, so that late answers to dropped requests are ignored.
            arguments = (self.proposer, report, n, self._answers)
            threading.Thread(target=_answer, args=arguments, daemon=True).start()

    def answer(self) -> Answer | None:
        """Return the answer if it is available; then a new request can be made."""
        if not self._answers:
            return None
        self.report = None
        return self._answers.pop()

    def drop(self, why: str) -> Answer | None:
        """Drop the open request, if there is one, and return its answer or the reason."""
        if self.report is None:
            return None
        # Read `pending` first, because the proposer resets it when the answer arrives.
        spent = getattr(self.proposer, "pending", None)
        outcome = self.answer() or Answer(self.report, None, why, spent)
        self.report, self._answers = None, []
        return outcome


def answer(proposer: Proposer, report: Report, n: int) -> Answer:
    """Call a proposer and wait for the answer. Errors are returned, not raised."""
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
    except Exception as error:  # no error of a proposer may end the training
        # The message is omitted, because it might contain an API key.
        return Answer(report, None, f"The proposer failed ({type(error).__name__}).")


def _answer(proposer: Proposer, report: Report, n: int, answers: list[Answer]) -> None:
    answers.append(answer(proposer, report, n))


def backoff(exchanges: Sequence[Exchange]) -> int:
    """Return k such that one of k opportunities for a request should be used.

    k doubles with each consecutive failure after the first. Requests for different seeds follow one
    another, so a single outage may affect all of them: the number of consecutive failures is that
    of the seed with the fewest.
    """
    failures: dict[int, int] = {}
    for exchange in exchanges:
        failures[exchange.seed] = failures.get(exchange.seed, 0) + 1 if exchange.error else 0
    return min(2 ** max(0, min(failures.values(), default=0) - 1), MAX_BACKOFF)
