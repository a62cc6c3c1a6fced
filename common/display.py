"""Consoles for text that may come from others: nothing is markup, nothing controls the terminal."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from didact.common.plain_text import shown


class PlainConsole(Console):
    """A rich console on which strings are plain text.

    Square brackets and emoji codes such as `:bomb:` are printed as they are, control characters are
    escaped. Use `rich.text.Text` for styled text.
    """

    def __init__(self, **options: Any):
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text, lines=True), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=shown(segment.text, lines=True))

    def on_broken_pipe(self) -> None:
        """Raise the `BrokenPipeError`; rich would redirect standard output and exit."""
        self.quiet = True
        raise BrokenPipeError


def console() -> PlainConsole:
    """Return a console on standard output, which escapes what its encoding does not have."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return PlainConsole()


def terminal() -> PlainConsole:
    """Return a console on standard error, so that standard output holds results only."""
    return PlainConsole(stderr=True, width=None if os.isatty(2) else 120)


class Display:
    """A console whose errors are ignored: no display can end a training.

    Args:
        console: any rich console, also one that interprets markup.

    Attributes:
        broken: whether an error occurred; nothing more is displayed then.
    """

    def __init__(self, console: Console):
        self.console, self.broken = console, False

    def line(self, text: str) -> None:
        """Print a line of plain text."""
        with self.guard():
            if not self.broken:
                self.console.print(Text(shown(text)), highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Suppress errors of the block, and display nothing more after one."""
        try:
            yield
        except (Exception, SystemExit):  # a closed terminal, an encoding; rich exits without pipe
            self.broken = True
