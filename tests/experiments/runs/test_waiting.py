"""How long a compilation takes is shown, on a terminal and elsewhere."""

import io
import time

import pytest
from rich.console import Console

from didact.experiments.runs import logs, waiting


def test_lines_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(logs, "FIRST", 0.01)
    file = io.StringIO()
    bar = logs.ProgressBar(Console(file=file), 10, 0)
    try:
        while "compiling ... 0 s\n" not in file.getvalue():
            time.sleep(0.01)
        bar.compiled()
        told = file.getvalue()
        bar.update(5, {"steps_per_second": 1.0})
    finally:
        bar.close()
    assert told.startswith("compiling ... 0 s\n")
    assert told.endswith("compiled in 0.0 s\n") or "compiled in 0." in told
    assert file.getvalue() == told


def test_seconds_on_a_terminal():
    bar = logs.ProgressBar(Console(file=io.StringIO(), force_terminal=True), 10, 0)
    try:
        bar._show_seconds(12.3)
        assert bar.progress.tasks[0].description == "compiling"
        assert bar.progress.tasks[0].fields["numbers"].plain == "12 s"
        bar.update(5, {"steps_per_second": 1.0})
        assert bar.progress.tasks[0].description == "training"
    finally:
        bar.close()


def test_nothing_is_reported_afterwards():
    told = []
    wait = waiting.Waiting(told.append, 0.01)
    while not told:
        time.sleep(0.01)
    assert wait.stop()
    count = len(told)
    time.sleep(0.03)
    assert len(told) == count
    assert not wait.stop()
    assert told == pytest.approx(sorted(told))


def test_a_short_compilation_is_not_reported():
    file = io.StringIO()
    bar = logs.ProgressBar(Console(file=file), 10, 0)
    bar.compiled()
    bar.close()
    assert file.getvalue() == ""
