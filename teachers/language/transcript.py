"""Transcripts: what proposers were asked and answered, and what came of it, a JSON line each."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from didact.common.errors import SettingError
from didact.common.files import write_whole
from didact.teachers.language.proposer import Proposer, ProposerError, Reply, Report
from didact.teachers.language.task_parsing import MAX_LENGTH

DROPPED = "dropped.jsonl"  # beside a transcript: what was asked after a checkpoint that was resumed


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One question and its answer.

    Attributes:
        asked, came: the updates of the student when it was asked, and when there was an answer or
            an error; then the tasks were put into the pool.
        seed: of the trainings side by side, which one, from 0.
        steps: environment steps when it was asked.
        proposer: who was asked.
        told: episodes, successes and episodes of tasks in the pool, all from the beginning on,
            that were known when it was asked.
        reply: the answer, if there was one.
        accepted: the tasks that were put into the pool.
        refused: why others were not, one sentence each.
        error: why there was no answer.
        spent: what was asked and what it cost, if there was no answer and that is known.
        over: whether nobody will be asked any more.
    """

    asked: int = 0
    came: int = 0
    seed: int = 0
    steps: int = 0
    proposer: str = ""
    told: tuple[int, int, int] = (0, 0, 0)
    reply: Reply | None = None
    accepted: tuple[Mapping[str, Any], ...] = ()
    refused: tuple[str, ...] = ()
    error: str = ""
    spent: Reply | None = None
    over: bool = False

    def line(self) -> str:
        """The exchange as a line of JSON, all ASCII."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("reply", "spent"):
            if values[name] is not None:
                values[name] = vars(values[name]) | {"text": values[name].text[:MAX_LENGTH]}
        return json.dumps(values) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "Exchange":
        """The inverse of `line`.

        Raises:
            ValueError, TypeError: it is not such a line.
        """
        values = json.loads(line)
        if not isinstance(values, dict) or "came" not in values:
            raise ValueError("no exchange")
        for name in ("reply", "spent"):
            if values.get(name) is not None:
                values[name] = Reply(**_checked(values[name]))
        return cls(**_checked(values))


@dataclasses.dataclass(frozen=True)
class Totals:
    """What a transcript comes to; `cost` is None where no price is known."""

    calls: int = 0
    answers: int = 0
    accepted: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0


class Transcript:
    """A transcript that is being written.

    Args:
        path: the file; None to keep it in memory only.
        updates: what came after so many updates is dropped; a resumed run asks again. It goes to
            the end of the file `DROPPED` beside this one, and so do lines that cannot be read.

    Attributes:
        exchanges: of the training so far.
        dropped: those that no longer are, at any resumption; they were paid for all the same.
    """

    def __init__(self, path: Path | None, updates: int):
        self.path = path
        self.exchanges: list[Exchange] = []
        self.dropped: list[Exchange] = []
        if path is not None:
            found, unread = read(path)
            self.exchanges = [e for e in found if e.came <= updates]
            late = [e.line() for e in found if e.came > updates]
            late += [f"{line}\n" for line in unread]
            if late:
                with path.with_name(DROPPED).open("a") as file:
                    file.write("".join(late))
            self.dropped = exchanges(path.with_name(DROPPED))
            write_whole(path, "".join(e.line() for e in self.exchanges))

    def add(self, exchange: Exchange) -> None:
        """Appends an exchange, at once."""
        self.exchanges.append(exchange)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(exchange.line())
                file.flush()


def read(path: Path) -> tuple[list[Exchange], list[str]]:
    """The exchanges of a file, none if there is none, and the lines of it that cannot be read.

    Such a line is left by a crash, or is of something else than a transcript.
    """
    found, unread = [], []
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    for line in filter(str.strip, lines):
        try:
            found.append(Exchange.of_line(line))
        except (ValueError, TypeError, RecursionError):
            unread.append(line)
    return found, unread


def exchanges(path: Path) -> list[Exchange]:
    """The exchanges of a file; lines that cannot be read are left out."""
    return read(path)[0]


def totals(exchanges: Sequence[Exchange]) -> Totals:
    """Sums over exchanges."""
    replies = [reply for e in exchanges if (reply := e.reply or e.spent) is not None]
    costs = [reply.cost for reply in replies if reply.cost is not None]
    return Totals(
        calls=len(exchanges),
        answers=sum(e.reply is not None for e in exchanges),
        accepted=sum(len(e.accepted) for e in exchanges),
        refused=sum(len(e.refused) for e in exchanges),
        prompt_tokens=sum(reply.prompt_tokens for reply in replies),
        completion_tokens=sum(reply.completion_tokens for reply in replies),
        cost=sum(costs) if costs else None,
        seconds=sum(reply.seconds for reply in replies),
    )


class Replayed:
    """See `replayed`."""

    name = "replayed"
    immediate = True

    def __init__(self, found: Sequence[Exchange]):
        self.exchanges = [e for e in found if e.accepted]
        self._told: dict[tuple[int, int], int] = {}  # how many of an update and seed

    def due(self, updates: int, seed: int) -> int:
        """How many times tasks came after exactly so many updates."""
        return sum((e.came, e.seed) == (updates, seed) for e in self.exchanges)

    def propose(self, report: Report, n: int) -> Reply:
        """What came at this update, each time the next; n is of no matter."""
        now = (report.updates, report.seed)
        found = [e.accepted for e in self.exchanges if (e.came, e.seed) == now]
        number = self._told.get(now, 0)
        if number >= len(found):
            raise ProposerError(f"The transcript has nothing for update {report.updates}.")
        self._told[now] = number + 1
        return Reply(json.dumps({"tasks": found[number]}), model=self.name)


def replayed(path: Path | str) -> Proposer:
    """Proposes what was accepted in another training, at the same updates of the same seeds.

    With the settings of that training, tasks and curves are the same bit for bit.

    Args:
        path: its transcript.

    Raises:
        SettingError: there is none there.
    """
    found = exchanges(Path(path))
    if not found:
        raise SettingError("transcript", str(path), "a file with at least one exchange")
    return Replayed(found)


def _checked(values: Any) -> dict[str, Any]:
    """Fields of an exchange or of a reply as they were before they became JSON.

    Raises:
        ValueError: there is another name, or a value of another kind.
    """
    if not isinstance(values, dict):
        raise ValueError("no object")
    for name, value in values.items():
        if name not in _FITS or not _FITS[name](value):
            raise ValueError(f"{name} cannot be read")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _number(value: Any) -> bool:
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


# What the values of each name have to be, in exchanges and in their replies.
_FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("asked", "came", "seed", "steps"), _whole),
    **dict.fromkeys(("prompt_tokens", "completion_tokens"), _whole),
    **dict.fromkeys(("proposer", "error", "text", "model"), _text),
    **dict.fromkeys(("reply", "spent"), lambda value: value is None or isinstance(value, Reply)),
    "told": lambda value: _list_of(_whole)(value) and len(value) == 3,
    "accepted": _list_of(lambda task: isinstance(task, dict)),
    "refused": _list_of(_text),
    "over": lambda value: isinstance(value, bool),
    "messages": _list_of(lambda m: isinstance(m, dict) and all(map(_text, m.values()))),
    "cost": lambda value: value is None or _number(value),
    "seconds": _number,
}
