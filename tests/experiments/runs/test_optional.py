"""Figures and videos that cannot be made cost one line each."""

import io

import pytest
from rich.console import Console

from didact.environments import SettingError
from didact.experiments.runs.optional import optional


def printed(error, file=None):
    file = file or io.StringIO()
    with optional("The video", Console(file=file, width=40)):
        raise error
    return file.getvalue()


def test_a_failure_is_one_line_that_names_the_cause():
    line = printed(SettingError("environment", "Blind", "one that implements render"))
    sentence = "environment is 'Blind', but must be one that implements render."
    assert line == f"The video could not be made: {sentence}\n"
    line = printed(ValueError("no [/bold] display\nat all"))
    assert line.startswith(
        "The video could not be made: ValueError: no [/bold] display (test_optional."
    )
    assert line.count("\n") == 1
    assert "KeyError (test_" in printed(KeyError())
    assert "\\x1b[31m" in printed(OSError("\x1b[31mred"))


def test_a_console_that_is_closed_is_no_failure():
    file = io.StringIO()
    file.write = None  # type: ignore[method-assign]
    printed(KeyError(), file)


def test_a_stop_is_no_failure():
    with pytest.raises(KeyboardInterrupt):
        printed(KeyboardInterrupt())
