"""The proposer interface. Proposers write new tasks for a pool, on the host, between two chunks.

A proposer gets a report on the student's performance and answers with text that contains tasks as
JSON objects. It runs on the host only and is not trusted: its answers are parsed and validated by
`task_parsing`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Message = Mapping[str, str]  # `role` and `content`, as in chat completions


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """The student's performance in one task of the pool.

    Attributes:
        task: the JSON object of the task.
        attempts: finished episodes.
        success: the success rate of the latest episodes; 0 if there are none.
        error: the standard error of `success`.
        progress: the recent change of the success rate.
        known: the effective number of episodes that `success` averages; None for `attempts`.
    """

    task: Mapping[str, Any]
    attempts: int
    success: float
    error: float
    progress: float
    known: float | None = None

    @property
    def weight(self) -> float:
        """The weight of `success` in averages over tasks."""
        return self.attempts if self.known is None else self.known


@dataclasses.dataclass(frozen=True)
class Report:
    """The report that a proposer gets.

    Attributes:
        environment: the name of the environment and, after a colon, its description.
        schema: the JSON schema of one task, see `TaskSpace.json_schema`.
        steps: environment steps so far.
        success: the success rate of all episodes since the last report.
        tasks: the tasks in the pool.
        refused: why tasks of the last answer were refused, one sentence each.
        updates: updates of the student so far.
        seed: the index, from 0, of this training among those that run side by side. Each has its
            own reports, so a proposer with a memory must keep one for each seed.
        skills: success rates outside the pool with their standard errors, by the name of the skill,
            such as the achievements of the original game.
    """

    environment: str
    schema: Mapping[str, Any]
    steps: int
    success: float
    tasks: tuple[TaskReport, ...]
    refused: tuple[str, ...] = ()
    updates: int = 0
    seed: int = 0
    skills: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer and its cost.

    Attributes:
        text: the answer, not validated.
        messages: the prompt; empty if the proposer does not use prompts.
        model: the name of the model.
        prompt_tokens, completion_tokens: the tokens counted by the server, or else an estimate; 0
            without a language model.
        cost: in the currency of the price list, or None if no price is known.
        seconds: the time that the answer took.
    """

    text: str
    messages: tuple[Message, ...] = ()
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0


class ProposerError(Exception):
    """There is no answer to a request; the message says why. The training continues.

    Attributes:
        reply: the prompt and its cost; None if the request cost nothing.
    """

    def __init__(self, why: str, reply: Reply | None = None):
        self.reply = reply
        super().__init__(why)


class BudgetSpent(ProposerError):
    """The budget of calls, tokens or cost is spent. No further requests will be made."""


class Proposer(Protocol):
    """Writes tasks.

    A proposer that costs money may have an attribute `pending`: during a request, a `Reply` with
    the prompt and its cost; otherwise None. It is charged if the request is dropped.

    Attributes:
        name: the name in transcripts.
        immediate: whether it answers immediately and deterministically. It is then called directly,
            which keeps runs reproducible. Others are called in a background thread and may take
            minutes.
    """

    name: str
    immediate: bool

    def propose(self, report: Report, n: int) -> Reply:
        """Propose about n tasks.

        Returns:
            A reply whose text contains a JSON array of tasks, or an object with such an array in
            `tasks`.

        Raises:
            ProposerError: there is no answer.
        """
        ...


# A language model: maps messages and the JSON schema of the answer to a reply; raises
# `ProposerError`. See `chat_completions.chat`.
Complete = Callable[[Sequence[Message], Mapping[str, Any]], Reply]
