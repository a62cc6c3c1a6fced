"""Text of others on a terminal: nothing is markup, nothing is obeyed, nothing ends a training."""

import io
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from didact.common import display
from didact.common.plain_text import shown
from didact.experiments.runs import logs

HOSTILE = [
    "x[/b]",
    "[red]z[/]",
    "[link=http://a]b[/link]",
    "[@click=f]c[/]",
    ":bomb: :smile:",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "a\rb\x08\x7f",
    "\u202egpj.exe",
    "\u2028\u2029\x85",
    "\udc80\x00",
    "[",
    "\\[bold]",
]
ROW = {"steps_per_second": 1.0, "return": 0.5, "success": None}


@given(st.text())
def test_no_control_character_is_left_and_printable_text_is_kept(text):
    for lines in (False, True):
        result = shown(text, lines=lines)
        allowed = {"\n", "\t"} if lines else set()
        for character in set(result) - allowed:
            assert unicodedata.category(character)[0] != "C"
            assert unicodedata.category(character) not in ("Zl", "Zp")
        assert shown(result, lines=lines) == result
    if text.isprintable():
        assert shown(text) == text
    else:
        result.encode()  # also without surrogates


@pytest.mark.parametrize("text", HOSTILE)
def test_a_console_prints_text_as_it_is(text):
    def table():
        made = Table(title=text, caption=text)
        made.add_column(text)
        made.add_row(text)
        return made

    for thing in (text, Text(text), table(), Panel(Text(text), title=Text(text))):
        console = display.PlainConsole(file=io.StringIO(), width=200, force_terminal=False)
        console.print(thing)
        out = console.file.getvalue()  # type: ignore[attr-defined]
        if isinstance(thing, str | Table):  # `Text` drops some control characters
            assert shown(text) in out
        assert all(c == "\n" or c.isprintable() for c in out)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("terminal", [False, True])
def test_a_progress_bar_with_titles_and_lines_of_others(text, terminal):
    console = Console(file=io.StringIO(), width=200, force_terminal=terminal)
    bar = logs.ProgressBar(console, 10, 0, text)
    bar.update(5, ROW)
    bar.line(text)
    bar.close()
    assert not bar.broken
    assert shown(text) in console.file.getvalue()  # type: ignore[attr-defined]


class Broken(io.StringIO):
    encoding = "ascii"
    error: Exception = OSError(5, "Input/output error")

    def write(self, text):
        raise self.error

    flush = write  # type: ignore[assignment]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "Input/output error"),
        BrokenPipeError(),
        ValueError("I/O operation on closed file"),
        UnicodeEncodeError("ascii", "é", 0, 1, "no"),
        RuntimeError("of rich"),
    ],
)
def test_a_display_that_breaks_is_left_alone(error, terminal, capfd):
    file = Broken()
    file.error = error
    bar = logs.ProgressBar(Console(file=file, force_terminal=terminal), 10, 0)
    for steps in range(3):
        bar.update(steps, ROW)
        bar.line("hello")
    bar.progress.live.refresh()  # as its thread does
    bar.close()
    assert bar.broken
    assert "Traceback" not in "".join(capfd.readouterr())


def test_an_interrupt_is_not_an_error_of_the_display():
    with pytest.raises(KeyboardInterrupt), display.Display(Console()).guard():
        raise KeyboardInterrupt


def test_a_stream_without_the_characters(tmp_path):
    code = (
        "from didact.common import display; display.console().print('caf\\xe9 \\u4e16 \\udc80[/b]')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert (done.returncode, done.stdout) == (0, "caf\\xe9 \\u4e16 \\udc80[/b]\n"), done.stderr
