"""Signals while a command runs, those that Python loses, and platforms that JAX lacks."""

import gc
import signal
import sys

import pytest

from didact import __main__
from didact.experiments.cli import _dispatch
from didact.experiments.cli import list as listing


@pytest.fixture
def handlers():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_exit_code_is_that_of_the_signal(handlers, monkeypatch, capsys, number):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(listing, "run", lambda options: signal.raise_signal(number))
    with pytest.raises(SystemExit) as end:
        _dispatch.main(["list", "envs"])
    assert end.value.code == 128 + number
    assert capsys.readouterr().err == "didact: stopped.\n"


def test_a_platform_that_jax_does_not_have_is_one_sentence(handlers, monkeypatch, capsys):
    def fail(options):
        raise RuntimeError("Unable to initialize backend 'nope': it is unknown")

    monkeypatch.setattr(listing, "run", fail)
    with pytest.raises(SystemExit) as end:
        _dispatch.main(["list", "envs"])
    assert end.value.code == 2
    said = "didact: JAX cannot start: Unable to initialize backend 'nope': it is unknown\n"
    assert capsys.readouterr().err == said


def test_under_nohup_a_closed_terminal_changes_nothing(handlers, monkeypatch):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(listing, "run", lambda options: signal.raise_signal(signal.SIGHUP))
    _dispatch.main(["list", "envs"])


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (KeyboardInterrupt(), signal.SIGINT),
        (KeyboardInterrupt(signal.SIGHUP), signal.SIGHUP),
        (SystemExit(143), signal.SIGTERM),
        (SystemExit(129), signal.SIGHUP),
    ],
)
def test_signals_that_the_garbage_collector_loses_are_repeated(monkeypatch, error, number):
    lost = []
    monkeypatch.setattr(__main__, "_lost", type("Queue", (), {"put": staticmethod(lost.append)}))
    monkeypatch.setattr(sys, "unraisablehook", __main__._ask_again)

    def callback(phase, info):
        gc.callbacks.remove(callback)
        raise error

    gc.callbacks.append(callback)
    gc.collect()
    assert lost == [number]


def test_other_errors_are_no_signals():
    assert __main__._signal_of(ValueError(), ValueError) is None
    assert __main__._signal_of(SystemExit(2), SystemExit) is None
    assert __main__._signal_of(SystemExit("no"), SystemExit) is None
