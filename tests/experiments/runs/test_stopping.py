"""Signals during a training."""

import os
import signal
import threading
import time

import pytest

from didact.experiments.runs import stopping
from didact.experiments.runs.stopping import Abandoned, Interrupted, Terminated, signals

RESULT = {"run": "here", "finished": False}
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.fixture(autouse=True)
def code():
    """No exit code is kept for the process that runs the tests."""
    yield
    stopping.ends_with(0)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_noted_and_then_raised(number):
    before = signal.getsignal(number)
    with signals() as stop:
        stop.check(RESULT)
        assert not stop
        send(number)
        assert stop
    assert signal.getsignal(number) == before
    kind = Interrupted if number == signal.SIGINT else Terminated
    with pytest.raises(kind) as error:
        stop.check(RESULT)
    assert error.value.result == RESULT
    assert isinstance(error.value, KeyboardInterrupt | SystemExit)
    if isinstance(error.value, Terminated):
        assert error.value.code == 128 + number


def test_a_second_ctrl_c_interrupts_at_once():
    with signals():
        send(signal.SIGINT)
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_after_training_the_first_signal_interrupts():
    with signals() as stop:
        stop.at_once = True
        with pytest.raises(SystemExit) as error:
            send(signal.SIGTERM)
    assert error.value.code == 143
    assert stop


def test_work_that_blocks_is_abandoned():
    over = threading.Event()
    timer = threading.Timer(0.2, send, [signal.SIGTERM])
    with signals() as stop:
        timer.start()
        begun = time.monotonic()
        with pytest.raises(Abandoned):
            stop.wait_for(lambda: over.wait(60))
        assert time.monotonic() - begun < 10
        with pytest.raises(Abandoned), stop.compiling():
            pass
    over.set()


def test_work_returns_its_result_or_raises_its_error():
    with signals() as stop:
        assert stop.wait_for(lambda: 5) == 5
        with pytest.raises(ZeroDivisionError):
            stop.wait_for(lambda: 1 / 0)
        with stop.compiling():
            pass
        block = stop.compiling()
        block.__enter__()
        with pytest.raises(Abandoned):
            send(signal.SIGHUP)


@pytest.mark.parametrize("number", NUMBERS)
def test_signals_that_are_ignored_stay_ignored(number):
    """As hangups under nohup, and Ctrl-C in the background of a script."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with signals() as stop:
            send(number)
            assert not stop
    finally:
        signal.signal(number, before)


def test_cleaning_up_is_not_disturbed():
    block = stopping.undisturbed()
    block.__enter__()
    send(signal.SIGINT)
    send(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        block.__exit__(None, None, None)


def test_the_command_line_ends_with_a_result():
    def train(result):
        raise Terminated(result, signal.SIGTERM)

    assert stopping.ending(train, RESULT) == (RESULT, 143)
    assert stopping.ending(lambda: RESULT) == (RESULT, 0)

    def interrupted():
        raise Interrupted(RESULT)

    assert stopping.ending(interrupted) == (RESULT, 130)


def test_a_process_ends_although_abandoned_work_continues(finished, tmp_path):
    code = (
        "import threading, signal, time\n"
        "from didact.experiments.runs.stopping import Abandoned, signals\n"
        "threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGTERM)).start()\n"
        "with signals() as stop:\n"
        "    try:\n"
        "        stop.wait_for(lambda: time.sleep(600))\n"
        "    except Abandoned:\n"
        "        print('abandoned')\n"
        "stop.check({'run': 'here'})\n"
    )
    status, out, err = finished(folder=tmp_path, code=code, timeout=60)
    assert (status, out) == (143, "abandoned\n"), err
