"""Asking: at once or in a thread, and what happens when it goes wrong."""

import threading
import time
from unittest.mock import ANY

import pytest

from didact.teachers.language import Budget, LanguageModel
from didact.teachers.language.background import MAX_BACKOFF, BackgroundProposer, backoff
from didact.teachers.language.proposer import BudgetSpent, ProposerError, Reply, Report
from didact.teachers.language.strategies import Strategy
from didact.teachers.language.transcript import Exchange

REPORT = Report("", {}, 0, 0.0, ())
KEY = "sk-very-secret"
MESSAGES = ({"role": "user", "content": "Teach them."},)


class Proposer:
    """Answers when it is let; `answer` is what to give or to raise."""

    name = "fake"

    def __init__(self, answer, immediate=False):
        self.given, self.immediate = answer, immediate
        self.let, self.threads = threading.Event(), []

    def propose(self, report, n):
        self.threads.append(threading.current_thread())
        if not self.immediate:
            self.let.wait(20)
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def waited_for(asking):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        told = asking.answer()
        if told is not None:
            return told
        time.sleep(0.005)
    raise AssertionError("no answer")


def test_at_once():
    proposer = Proposer(Reply("[]"), immediate=True)
    asking = BackgroundProposer(proposer)
    asking.ask(REPORT, 3)
    told = asking.answer()
    assert told is not None
    assert (told.reply, told.error, told.report) == (Reply("[]"), "", REPORT)
    assert proposer.threads == [threading.main_thread()]
    assert asking.answer() is None
    assert asking.report is None


def test_in_a_thread():
    proposer = Proposer(Reply("[]"))
    asking = BackgroundProposer(proposer)
    asking.ask(REPORT, 3)
    assert asking.answer() is None
    assert asking.report is REPORT
    with pytest.raises(RuntimeError):
        asking.ask(REPORT, 3)
    proposer.let.set()
    told = waited_for(asking)
    assert told.reply is not None
    assert told.reply.seconds > 0
    assert proposer.threads[0].daemon
    asking.ask(REPORT, 3)
    assert waited_for(asking).reply is not None


def test_an_open_question_is_dropped_and_its_late_answer_is_lost():
    proposer = Proposer(Reply("late"))
    asking = BackgroundProposer(proposer)
    assert asking.drop("over") is None
    asking.ask(REPORT, 3)
    told = asking.drop("over")
    assert told is not None
    assert (told.reply, told.error) == (None, "over")
    proposer.let.set()
    proposer.threads[0].join()
    assert asking.answer() is None


def test_a_question_that_is_given_up_costs_what_was_sent():
    """A language model tells what that is while it is asked, and only then."""
    asked, let = threading.Event(), threading.Event()

    def complete(messages, schema):
        asked.set()
        let.wait(20)
        return Reply("[]", tuple(messages))

    proposer = LanguageModel(
        "m", complete, Strategy(lambda *_: MESSAGES), Budget(), prices=(300_000.0, 1.0)
    )
    asking = BackgroundProposer(proposer)
    asking.ask(REPORT, 3)
    assert asked.wait(20)
    told = asking.drop("over")
    assert told is not None
    assert told.spent == Reply("", MESSAGES, prompt_tokens=4, cost=1.2)  # 11 bytes
    let.set()
    asking.ask(REPORT, 3)
    assert waited_for(asking).reply == Reply("[]", MESSAGES, seconds=ANY)
    assert proposer.pending is None


@pytest.mark.parametrize("immediate", [True, False])
@pytest.mark.parametrize(
    ("given", "error", "over"),
    [
        (ProposerError("Nobody is there."), "Nobody is there.", False),
        (BudgetSpent("All calls are spent."), "All calls are spent.", True),
        (KeyError(KEY), "The proposer failed (KeyError).", False),
        (RecursionError(), "The proposer failed (RecursionError).", False),
        (None, "The proposer did not answer with text.", False),
        (Reply(None), "The proposer did not answer with text.", False),  # type: ignore[arg-type]
    ],
)
def test_what_goes_wrong_is_told(given, error, over, immediate):
    proposer = Proposer(given, immediate)
    proposer.let.set()
    asking = BackgroundProposer(proposer)
    asking.ask(REPORT, 3)
    told = waited_for(asking)
    assert (told.reply, told.error, told.over) == (None, error, over)
    assert KEY not in repr(told)


def test_patience_grows_with_failures():
    good, bad = Exchange(reply=Reply("[]")), Exchange(error="No.")
    assert backoff([]) == 1
    assert [backoff([bad, good, *[bad] * n]) for n in range(5)] == [1, 1, 2, 4, 8]
    assert backoff([bad] * 100) == MAX_BACKOFF
    assert backoff([bad] * 100 + [good]) == 1
    assert MAX_BACKOFF == 8


def test_an_outage_that_meets_all_seeds_is_one_failure():
    def rounds(*texts):
        """Exchanges of seeds side by side: x failed, o did not, - was not asked."""
        return [
            Exchange(seed=seed, error="No." if mark == "x" else "")
            for text in texts
            for seed, mark in enumerate(text)
            if mark != "-"
        ]

    assert backoff(rounds("xxxxxxxx")) == 1
    assert backoff(rounds("oooo", "xxxx")) == 1
    assert backoff(rounds("xxxx", "xxxx")) == backoff(rounds("x", "x")) == 2
    assert backoff(rounds("xxxx", "xxxx", "xxo-")) == 1
    assert backoff(rounds("xxxx", "xxxx", "xxo-", "xxxx")) == 1
    assert backoff(rounds("-xxx", "-xxx", "-xxx")) == 4
