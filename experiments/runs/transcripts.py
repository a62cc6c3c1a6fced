"""The command `didact transcript`: show the exchanges with a proposer in a run."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from didact.common import display, strict_json
from didact.common.errors import SettingError
from didact.common.plain_text import shown

TRANSCRIPT = "transcript.jsonl"  # in a run folder
FEW = 5  # number of tasks and reasons of an exchange that are shown without --full


@dataclasses.dataclass(frozen=True)
class Transcript:
    """Show a proposer's transcript: requests, replies, and the resulting tasks."""

    run: tyro.conf.Positional[Path]
    """run folder or transcript file"""
    last: int = 0
    """show only the last N exchanges; 0 shows all"""
    full: bool = False
    """also show the full text of requests and replies, and all tasks and reasons"""
    json: bool = False
    """print the totals as JSON"""


def show(choice: Transcript) -> None:
    """Print a transcript.

    Raises:
        SettingError: there is no transcript, or no line of it can be read.
    """
    from didact.teachers.language.transcript import DROPPED, exchanges, read, totals

    path = choice.run / TRANSCRIPT if choice.run.is_dir() else choice.run
    allowed = "a transcript, or the run folder of a training with --proposer"
    if not path.is_file():
        raise SettingError("run", str(choice.run), allowed)
    if choice.last < 0:
        raise SettingError("--last", choice.last, "at least 0")
    found, unread = read(path)
    if unread and not found:
        raise SettingError("run", str(choice.run), f"{allowed}: no line of it can be read")
    total, dropped = totals(found), totals(exchanges(path.with_name(DROPPED)))
    if choice.json:
        more = {"unread": len(unread), "dropped": dataclasses.asdict(dropped)}
        return print(strict_json.dumps(dataclasses.asdict(total) | more, indent=1))
    console = display.console()
    if not found and not dropped.calls:
        return console.print("No requests yet.")
    for exchange in found[-choice.last :]:
        console.print(panel(exchange, full=choice.full))
    console.print(summary(found, total, dropped))
    if unread:
        count = f"{len(unread)} lines cannot" if len(unread) > 1 else "1 line cannot"
        console.print(f"{count} be read.", style="red", highlight=False)
    return None


def panel(exchange: Any, *, full: bool = False) -> RenderableType:
    """Render one exchange: its time, accepted tasks, refused tasks with reasons, and cost."""
    reply = exchange.reply
    parts: list[RenderableType] = []
    if full and reply is not None:
        for message in reply.messages:
            parts += _spoken(str(message.get("role", "")), str(message.get("content", "")))
        parts += _spoken("reply", reply.text)
    if exchange.error:
        last = " (no further requests)" if exchange.over else ""
        parts.append(Text(shown(exchange.error) + last, "red"))
    if exchange.accepted:
        parts.append(Text(f"accepted {len(exchange.accepted)}", "bold green"))
        parts.append(_tasks(exchange.accepted, full))
    if exchange.refused:
        parts.append(Text(f"refused {len(exchange.refused)}", "bold yellow"))
        parts += [Padding(_plain(reason), (0, 0, 0, 2)) for reason in _few(exchange.refused, full)]
    if not parts:
        parts.append(Text("no tasks", "dim"))
    return Panel(
        Group(*parts),
        title=_when(exchange),
        title_align="left",
        subtitle=None if reply is None else _price(reply),
        subtitle_align="right",
    )


def summary(found: Sequence[Any], total: Any, dropped: Any) -> Table:
    """Render the totals of a transcript, and of exchanges that were dropped on a resume."""
    made = Table(box=None, show_header=False, padding=(0, 2))
    failed = total.calls - total.answers
    rows = {
        "requests": f"{total.calls} sent" + (f", {failed} without a reply" if failed else ""),
        "proposer": ", ".join(sorted({e.proposer for e in found})),
        "tasks": f"{total.accepted} accepted, {total.refused} refused",
        **_spent(total),
    }
    if total.seconds:
        rows["reply time"] = f"{total.seconds:.1f} s"
    if dropped.calls:
        spent = "".join(f"; {name} {value}" for name, value in _spent(dropped).items())
        rows["dropped"] = f"{dropped.calls} requests after a checkpoint that was resumed{spent}"
    for name, value in rows.items():
        made.add_row(Text(name, "bold"), _plain(value))
    return made


def _spent(total: Any) -> dict[str, str]:
    if not total.prompt_tokens and not total.completion_tokens:
        return {}
    return {
        "tokens": f"{total.prompt_tokens:,} prompt, {total.completion_tokens:,} completion",
        "cost": "unknown" if total.cost is None else f"{total.cost:.4f}",
    }


def _when(exchange: Any) -> Text:
    text = Text(f"{exchange.steps:,} steps", "bold")
    text.append(f"  update {exchange.asked}", "default")
    if exchange.came != exchange.asked:
        text.append(f", reply at {exchange.came}", "default")
    if exchange.seed:
        text.append(f"  seed +{exchange.seed}", "default")
    name = exchange.reply.model if exchange.reply is not None else ""
    text.append(f"  {shown(name or exchange.proposer)}", "cyan")
    return text


def _price(reply: Any) -> Text | None:
    parts = []
    if reply.prompt_tokens or reply.completion_tokens:
        parts.append(f"{reply.prompt_tokens:,} + {reply.completion_tokens:,} tokens")
    if reply.cost is not None:
        parts.append(f"cost {reply.cost:.4f}")
    if reply.seconds:
        parts.append(f"{reply.seconds:.1f} s")
    return Text("  ".join(parts), "dim") if parts else None


def _tasks(tasks: Sequence[Mapping[str, Any]], full: bool) -> RenderableType:
    """Render tasks of numbers as a table, other tasks as JSON."""
    names = list(tasks[0])
    plain = all(
        list(task) == names
        and all(isinstance(x, (int, float)) and abs(x) < 1e300 for x in task.values())
        for task in tasks
    )
    if not plain:
        return Padding(Group(*map(_map, _few(tasks, full))), (0, 0, 0, 2))
    made = Table(box=None, padding=(0, 1), header_style="dim")
    for name in names:
        made.add_column(shown(name), justify="right", overflow="fold")
    for task in _few(tasks, full):
        cells = (
            ["..."] * len(names) if isinstance(task, str) else [f"{x:.4g}" for x in task.values()]
        )
        made.add_row(*cells)
    return made


def _map(task: Any) -> Text:
    rows = next(iter(task.values())) if isinstance(task, Mapping) and len(task) == 1 else None
    if isinstance(rows, Sequence) and not isinstance(rows, str):
        return _plain("\n".join(map(str, rows)) + "\n")
    return _plain(task if isinstance(task, str) else strict_json.dumps(task))


def _few(values: Sequence[Any], full: bool) -> Iterator[Any]:
    count = len(values) if full or len(values) <= FEW + 1 else FEW
    yield from values[:count]
    if count < len(values):
        yield f"... and {len(values) - count} more (--full shows them)"


def _spoken(who: str, words: str) -> list[RenderableType]:
    return [Text(shown(who), "bold magenta"), Padding(_plain(words), (0, 0, 1, 2))]


def _plain(text: str) -> Text:
    """Return text of others: no markup, and control characters are escaped."""
    return Text(shown(text, lines=True))
