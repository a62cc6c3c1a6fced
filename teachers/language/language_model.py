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
    """Asks a language model for tasks, by a strategy; made by `language_model`.

    Attributes:
        name: "language-model", and the strategy if it has a name.
        immediate: False: answers take seconds or minutes.
        budget: what may be spent, and what was.
        memories: what the strategy remembers of answers, for each seed; plain JSON.
        pending: while it is asked, what was sent, with tokens and cost by estimate; else None.
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
        """Text that should hold n tasks.

        Raises:
            BudgetSpent: nothing is left to ask with.
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
        """Takes up earlier answers, for a run that is continued from its transcript.

        What they cost is told by `budget.spend`.

        Args:
            answers: the seed and the text of each, oldest first.
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
    """A language model that proposes tasks.

    Args:
        model, base_url, api_key_env, temperature, max_tokens, timeout, retries, prices: see
            `chat_completions.chat`; unused where `complete` is given.
        strategy: what it is asked for: one of `strategies.NAMES`, a `Strategy`, or a function of a
            report and a number of tasks that makes the messages.
        goal: what is to be learned, in words, for the strategies "towards" and "decompose".
        budget: what may be spent; None is without limit.
        complete: who is asked, instead of a server: any function of messages and the JSON schema
            of the answer.

    Raises:
        SettingError: a setting cannot be used, or a limit of money is set and no prices.
    """
    if isinstance(strategy, str):
        name, chosen = f"language-model, {strategy}", named(strategy, goal)
    else:
        if goal:
            raise SettingError("goal", goal, "left out with a strategy of your own")
        name, chosen = "language-model", _made(strategy)
    budget = budget or Budget()
    if complete is not None:
        prices = None
    else:
        if budget.cost is not None and prices is None:
            allowed = "two numbers, since the budget has a limit of money"
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
