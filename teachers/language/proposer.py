"""What a proposer is: whoever writes the next tasks of a pool, on the host, between two chunks.

A proposer reads a report of what the student can and answers with text that holds JSON objects of
the task space. It never touches the device and is never trusted: what it writes is read and
checked by others.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Message = Mapping[str, str]  # `role` and `content`, as chat completions have them


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """How the student fares in one task of the pool.

    Attributes:
        task: the JSON object of the task.
        attempts: finished episodes.
        success: the part of the latest of them that succeeded; 0 if there were none.
        error: the standard error of `success`.
        progress: how much success rose (or fell, below 0) of late.
    """

    task: Mapping[str, Any]
    attempts: int
    success: float
    error: float
    progress: float


@dataclasses.dataclass(frozen=True)
class Report:
    """What a proposer is told.

    Attributes:
        environment: its name and, after a colon, what it is.
        schema: the JSON schema of one task, see `TaskSpace.json_schema`.
        steps: environment steps so far.
        success: the part of all episodes since the last report that succeeded.
        tasks: the tasks in the pool.
        refused: why tasks of the last answer were refused, one sentence each.
        updates: updates of the student so far.
        seed: which of the trainings that run side by side this is, from 0; each of them is told
            of by itself, so a proposer that remembers anything keeps the seeds apart.
    """

    environment: str
    schema: Mapping[str, Any]
    steps: int
    success: float
    tasks: tuple[TaskReport, ...]
    refused: tuple[str, ...] = ()
    updates: int = 0
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer, and what it cost.

    Attributes:
        text: what was answered; anything at all.
        messages: what was asked; empty where nobody was asked in words.
        model: who answered.
        prompt_tokens, completion_tokens: as the server counted them, or an estimate where it
            does not tell; 0 where there are none.
        cost: in the currency of the price list, or None where no price is known.
        seconds: how long it took.
    """

    text: str
    messages: tuple[Message, ...] = ()
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0


class ProposerError(Exception):
    """There is no answer this time; says in one sentence why. The training goes on.

    Attributes:
        reply: what was asked, and what it cost all the same; None where it cost nothing.
    """

    def __init__(self, why: str, reply: Reply | None = None):
        self.reply = reply
        super().__init__(why)


class BudgetSpent(ProposerError):
    """No answer will come any more: calls, tokens or money are spent."""


class Proposer(Protocol):
    """Writes tasks.

    One that costs money may have an attribute `pending`: while it is asked, a `Reply` with what was
    sent and what that costs, else None. It is charged for a question that is given up.

    Attributes:
        name: as transcripts have it.
        immediate: whether it answers at once and always the same, so that waiting for it keeps
            a run repeatable; others are asked in a thread of their own and may take minutes.
    """

    name: str
    immediate: bool

    def propose(self, report: Report, n: int) -> Reply:
        """Text with about n tasks as a JSON array of objects, or an object whose `tasks` is one.

        Raises:
            ProposerError: there is no answer.
        """
        ...


# A language model: messages and the JSON schema of the answer to a reply. Made in
# `teachers/language`, handed to whoever needs one; raises `ProposerError`.
Complete = Callable[[Sequence[Message], Mapping[str, Any]], Reply]
