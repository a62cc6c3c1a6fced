"""Budgets of calls, tokens and cost for language models."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from didact.teachers.language.client.checks import check_number
from didact.teachers.language.proposer import BudgetSpent, Complete, Message, ProposerError, Reply


class Budget:
    """The limits of calls, tokens and cost, and what was spent. Thread-safe.

    Tokens and cost are known only after an answer, so the last answer may exceed the limits; with
    concurrent calls, the last answer of each.

    Args:
        calls: the maximum number of calls, including failed ones; None for no limit.
        tokens: the maximum number of tokens of prompts and answers together; None for no limit.
        cost: the maximum cost, in the currency of the prices of `chat`; None for no limit.

    Attributes:
        spent_calls, spent_tokens, spent_cost: what was spent so far.

    Raises:
        SettingError: a limit is not a number of at least 0.
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
        """Add to what was spent, for example before a run was resumed.

        Args:
            calls: the number of calls.
            tokens: the tokens of prompts and answers together.
            cost: the cost; None if it is unknown.
        """
        with self._lock:
            self._add(calls, tokens, cost)

    def begin(self) -> None:
        """Count a call before it is made.

        Raises:
            BudgetSpent: the budget is spent; the call is not counted.
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
            return f"The budget is {self.cost:g}, but the cost of answers is unknown."
        if self.cost is not None and self.spent_cost >= self.cost:
            return f"The budget of {self.cost:g} is spent ({self.spent_cost:.4g})."
        return ""

    def __repr__(self) -> str:
        limits = (self.calls, self.tokens, self.cost)
        spent = (self.spent_calls, self.spent_tokens, self.spent_cost)
        names = ("calls", "tokens", "cost")
        shown = ", ".join(
            f"{name}={used:g} of {limit:g}" if limit is not None else f"{name}={used:g}"
            for name, used, limit in zip(names, spent, limits, strict=True)
        )
        return f"Budget({shown})"


def with_budget(complete: Complete, budget: Budget) -> Complete:
    """Limit the calls of a language model by a budget.

    Args:
        complete: the language model.
        budget: the budget, which several language models may share.

    Returns:
        The language model, which raises `BudgetSpent` instead of calling it when the budget is
        spent.
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
