"""Budgets: how often a language model is asked, and what it may cost."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from didact.teachers.language.client.checks import check_number
from didact.teachers.language.proposer import BudgetSpent, Complete, Message, ProposerError, Reply


class Budget:
    """What may be spent on questions, and what was. Threads may share one.

    Tokens and cost are known only after an answer, so the last answer may go beyond them; with
    several questions at a time, the last of each.

    Args:
        calls: questions, also those that were not answered; None is without limit.
        tokens: of prompts and answers together.
        cost: in the currency of the prices that `chat` was given.

    Attributes:
        spent_calls, spent_tokens, spent_cost: so far.

    Raises:
        SettingError: a limit is negative or no number.
    """

    def __init__(
        self, calls: int | None = None, tokens: int | None = None, cost: float | None = None
    ):
        if calls is not None:
            check_number("calls", calls, 0, whole=True)
        if tokens is not None:
            check_number("tokens", tokens, 0, whole=True)
        if cost is not None:
            check_number("cost", cost, 0)
        self.calls, self.tokens, self.cost = calls, tokens, cost
        self.spent_calls, self.spent_tokens, self.spent_cost = 0, 0, 0.0
        self._priceless = False
        self._lock = threading.Lock()

    def spend(self, calls: int = 0, tokens: int = 0, cost: float | None = 0.0) -> None:
        """Counts what was spent, such as by a run that is continued.

        Args:
            calls: questions.
            tokens: of prompts and answers together.
            cost: None if nobody knows what the tokens cost.
        """
        with self._lock:
            self._add(calls, tokens, cost)

    def begin(self) -> None:
        """Counts one question that is about to be asked.

        Raises:
            BudgetSpent: there is nothing left to ask it with; then it is not counted.
        """
        with self._lock:
            why = self._spent()
            if why:
                raise BudgetSpent(why)
            self.spent_calls += 1

    def _add(self, calls: int, tokens: int, cost: float | None) -> None:
        self.spent_calls += calls
        self.spent_tokens += tokens
        self.spent_cost += cost or 0.0
        self._priceless |= cost is None and tokens > 0

    def _spent(self) -> str:
        if self.calls is not None and self.spent_calls >= self.calls:
            return f"The budget of {self.calls:,} calls is spent."
        if self.tokens is not None and self.spent_tokens >= self.tokens:
            return f"The budget of {self.tokens:,} tokens is spent ({self.spent_tokens:,})."
        if self.cost is not None and self._priceless:
            return f"The budget is {self.cost:g}, but nobody knows what answers cost."
        if self.cost is not None and self.spent_cost >= self.cost:
            return f"The budget of {self.cost:g} is spent ({self.spent_cost:.4g})."
        return ""

    def __repr__(self) -> str:
        limits = (self.calls, self.tokens, self.cost)
        spent = (self.spent_calls, self.spent_tokens, self.spent_cost)
        names = ("calls", "tokens", "cost")
        told = ", ".join(
            f"{name}={used:g} of {limit:g}" if limit is not None else f"{name}={used:g}"
            for name, used, limit in zip(names, spent, limits, strict=True)
        )
        return f"Budget({told})"


def with_budget(complete: Complete, budget: Budget) -> Complete:
    """A language model that is asked only as long as the budget lasts.

    Args:
        complete: the language model.
        budget: its own, or one that it shares.

    Returns:
        The same, but once the budget is spent it raises `BudgetSpent` and asks nobody.
    """

    def ask(messages: Sequence[Message], schema: Mapping[str, Any]) -> Reply:
        budget.begin()
        try:
            reply = complete(messages, schema)
        except ProposerError as error:
            if error.reply is not None:
                budget.spend(tokens=_tokens(error.reply), cost=error.reply.cost)
            raise
        budget.spend(tokens=_tokens(reply), cost=reply.cost)
        return reply

    return ask


def _tokens(reply: Reply) -> int:
    return reply.prompt_tokens + reply.completion_tokens
