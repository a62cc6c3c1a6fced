"""A language model as a proposer of tasks."""

from collections.abc import Callable, Iterable, Sequence

from didact.common.errors import SettingError
from didact.teachers.language.client.budget import Budget, with_budget
from didact.teachers.language.client.chat_completions import chat
from didact.teachers.language.client.responses import sendable, with_cost
from didact.teachers.language.prompts import answer_schema, object_in
from didact.teachers.language.proposer import Complete, Message, Reply, Report
from didact.teachers.language.strategies import Memory, Strategy, named


class LanguageModel:
    """A proposer that requests tasks from a language model; create it by `language_model`.

    Attributes:
        name: "language-model", followed by the name of the strategy if it has one.
        immediate: False, because answers take seconds or minutes.
        budget: the budget and what was spent of it.
        memories: the memory of the strategy for each seed, as plain JSON.
        pending: during a request, what was sent, with estimated tokens and cost; otherwise None.
    """

    immediate = False

    def __init__(
        self,
        name: str,
        complete: Complete,
        strategy: Strategy,
        budget: Budget,
        prices: tuple[float, float] | None = None,
    ):
        self.name = name
        self.budget = budget
        self.pending: Reply | None = None
        self.memories: dict[int, Memory] = {}
        self._strategy = strategy
        self._prices = prices
        self._complete = with_budget(complete, budget)

    def propose(self, report: Report, n: int) -> Reply:
        """Request n tasks and return the reply, whose text is not yet validated.

        Raises:
            BudgetSpent: the budget is spent.
            ProposerError: there is no answer.
        """
        strategy = self._strategy
        memory = self.memories.get(report.seed, {})
        messages = strategy.ask(report, n, memory)
        schema = answer_schema(report.schema, n, strategy.fields, strategy.parts)
        asked = Reply("", tuple(map(sendable, messages)))
        self.pending = with_cost(asked, {}, 0, self._prices)
        try:
            reply = self._complete(messages, schema)
        finally:
            self.pending = None
        heard = object_in(reply.text)
        self.memories[report.seed] = strategy.update_memory(memory, heard, report)
        return reply

    def recall(self, answers: Iterable[tuple[int, str]]) -> None:
        """Restore the memory from earlier answers, to resume a run from its transcript.

        The cost of these answers is added separately, by `budget.spend`.

        Args:
            answers: the seed and text of each answer, oldest first.
        """
        for seed, text in answers:
            memory = self.memories.get(seed, {})
            self.memories[seed] = self._strategy.update_memory(memory, object_in(text), None)

    def __repr__(self) -> str:
        return f"LanguageModel({self.name!r}, {self.budget!r})"


def language_model(
    model: str = "",
    base_url: str | None = None,
    strategy: str | Strategy | Callable[[Report, int], Sequence[Message]] = "envgen",
    *,
    goal: str = "",
    budget: Budget | None = None,
    complete: Complete | None = None,
    api_key_env: str | None = "OPENAI_API_KEY",
    temperature: float = 0.7,
    max_tokens: int = 4096,
    timeout: float = 120.0,
    retries: int = 2,
    prices: tuple[float, float] | None = None,
) -> LanguageModel:
    """Create a proposer that requests tasks from a language model.

    Args:
        model, base_url, api_key_env, temperature, max_tokens, timeout, retries, prices: see
            `chat_completions.chat`; unused if `complete` is given.
        strategy: the kind of tasks to request: one of `strategies.NAMES`, a `Strategy`, or a
            function from a report and a number of tasks to messages.
        goal: the goal of learning in words, for the strategies "towards" and "decompose".
        budget: the limits of calls, tokens and cost; None for no limits.
        complete: called instead of a server: a function from messages and the JSON schema of the
            answer to a reply.

    Returns:
        The proposer.

    Raises:
        SettingError: a setting is invalid, or the budget limits the cost but there are no prices.
    """
    if isinstance(strategy, str):
        name, chosen = f"language-model, {strategy}", named(strategy, goal)
    else:
        if goal:
            raise SettingError("goal", goal, "omitted with your own strategy")
        name, chosen = "language-model", _made(strategy)
    budget = budget or Budget()
    if complete is not None:
        prices = None
    else:
        if budget.cost is not None and prices is None:
            allowed = "two numbers, because the budget limits the cost"
            raise SettingError("prices", prices, allowed)
        complete = chat(
            model,
            base_url,
            api_key_env=api_key_env,
            temperature=temperature,
            max_tokens=max_tokens,
            timeout=timeout,
            retries=retries,
            prices=prices,
        )
    return LanguageModel(name, complete, chosen, budget, prices)


def _made(strategy: Strategy | Callable[[Report, int], Sequence[Message]]) -> Strategy:
    if isinstance(strategy, Strategy):
        return strategy
    return Strategy(lambda report, n, memory: strategy(report, n))
