"""Transcripts of requests to proposers, their answers and outcomes, as JSON lines."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.files import append_whole, write_whole
from didact.common.foreign_files import read_bytes, reason
from didact.teachers.language.proposer import Proposer, ProposerError, Reply, Report
from didact.teachers.language.task_parsing import MAX_LENGTH

DROPPED = "dropped.jsonl"  # next to a transcript: requests after the checkpoint of a resumed run
MOST = 1 << 29  # bytes of a transcript; an exchange has about ten thousand


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        asked, came: the student's updates at the request, and at the answer or error, when the
            tasks were added to the pool.
        seed: the index, from 0, of the training among those that run side by side.
        steps: environment steps at the request.
        proposer: the name of the proposer.
        told: the numbers of episodes, of successes, and of episodes of tasks in the pool, all since
            the start, at the request.
        reply: the answer, if there was one.
        accepted: the tasks that were added to the pool.
        refused: why other tasks were refused, one sentence each.
        error: why there was no answer.
        spent: the prompt and its cost, if there was no answer and they are known.
        over: whether no further requests will be made.
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
        """Return the exchange as a line of JSON, in ASCII."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("reply", "spent"):
            if values[name] is not None:
                values[name] = vars(values[name]) | {"text": values[name].text[:MAX_LENGTH]}
        return strict_json.dumps(values) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "Exchange":
        """Parse a line; the inverse of `line`.

        Raises:
            ValueError, TypeError: the line is not an exchange.
        """
        values = json.loads(line)
        if not isinstance(values, dict) or "came" not in values:
            raise ValueError("not an exchange")
        for name in ("reply", "spent"):
            if values.get(name) is not None:
                values[name] = Reply(**_checked(values[name]))
        return cls(**_checked(values))


@dataclasses.dataclass(frozen=True)
class Totals:
    """The totals of a transcript; `cost` is None if no price is known."""

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
        path: the file; None to keep the transcript in memory only.
        updates: the updates at which the run is resumed. Exchanges after them are dropped, because
            the resumed run repeats the requests. They are appended to the file `DROPPED` in the
            same folder, as are lines that cannot be read.

    Attributes:
        exchanges: the exchanges of the training so far.
        dropped: the exchanges that were dropped at any resumption; they also cost money.
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
                append_whole(path.with_name(DROPPED), "".join(late))
            self.dropped = exchanges(path.with_name(DROPPED))
            write_whole(path, "".join(e.line() for e in self.exchanges))

    def add(self, exchange: Exchange) -> None:
        """Append an exchange and flush the file."""
        self.exchanges.append(exchange)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(exchange.line())
                file.flush()


def read(path: Path) -> tuple[list[Exchange], list[str]]:
    """Return the exchanges of a file, and its lines that cannot be read.

    Such lines are left by a crash, or the file is not a transcript. If there is no file, both lists
    are empty.

    Raises:
        SettingError: the file is too large, or cannot be read.
    """
    found, unread = [], []
    try:
        content = read_bytes(path, MOST) if path.exists() else b""
    except OSError as error:
        allowed = f"a transcript of at most {MOST:,} bytes: {reason(error)}"
        raise SettingError("transcript", str(path), allowed) from None
    for line in filter(str.strip, content.decode(errors="replace").split("\n")):
        try:
            found.append(Exchange.of_line(line))
        except (ValueError, TypeError, RecursionError):
            unread.append(line)
    return found, unread


def exchanges(path: Path) -> list[Exchange]:
    """Return the exchanges of a file, ignoring lines that cannot be read."""
    return read(path)[0]


def totals(exchanges: Sequence[Exchange]) -> Totals:
    """Add up exchanges."""
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
        self._replayed: dict[tuple[int, int], int] = {}  # replies so far, by update and seed

    def due(self, updates: int, seed: int) -> int:
        """Return the number of recorded answers at this update."""
        return sum((e.came, e.seed) == (updates, seed) for e in self.exchanges)

    def propose(self, report: Report, n: int) -> Reply:
        """Return the next recorded answer at this update; n is ignored."""
        now = (report.updates, report.seed)
        found = [e.accepted for e in self.exchanges if (e.came, e.seed) == now]
        number = self._replayed.get(now, 0)
        if number >= len(found):
            raise ProposerError(f"The transcript has nothing for update {report.updates}.")
        self._replayed[now] = number + 1
        return Reply(strict_json.dumps({"tasks": found[number]}), model=self.name)


def replayed(path: Path | str) -> Proposer:
    """Create a proposer that replays the accepted tasks of another training.

    Tasks are proposed at the same updates and for the same seeds. With the settings of that
    training, the results are equal bit for bit.

    Args:
        path: the transcript of the training.

    Returns:
        The proposer.

    Raises:
        SettingError: the file does not exist or contains no exchange.
    """
    found = exchanges(Path(path))
    if not found:
        raise SettingError("transcript", str(path), "a file with at least one exchange")
    return Replayed(found)


def _checked(values: Any) -> dict[str, Any]:
    """Validate the fields of an exchange or a reply read from JSON; lists become tuples.

    Raises:
        ValueError: a name is unknown, or a value has the wrong type.
    """
    if not isinstance(values, dict):
        raise ValueError("not an object")
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


# Validators of the fields of exchanges and replies.
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
