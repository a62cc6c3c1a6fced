"""Stop a training on Ctrl-C, SIGTERM or the end of its terminal, once its state is saved."""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
POLL = 0.1  # seconds
LINGERING = 120.0  # seconds that threads of a compiler may need to end


class Interrupted(KeyboardInterrupt):
    """A training was stopped by Ctrl-C, and is saved.

    Attributes:
        result: what the training would have returned, with `finished` False.
    """

    def __init__(self, result: dict[str, Any]):
        super().__init__(f"stopped; {result['run']} is saved")
        self.result = result


class Terminated(SystemExit):
    """A training was stopped by SIGTERM (exit code 143) or SIGHUP (129), and is saved.

    Attributes:
        result: what the training would have returned, with `finished` False.
    """

    def __init__(self, result: dict[str, Any], number: int):
        super().__init__(128 + number)
        self.result = result


STOPPED = Interrupted, Terminated


class Abandoned(Exception):
    """A stop was requested while waiting for work, whose result is dropped."""


class Stop:
    """The request to stop a training, if there was one; false until then.

    Attributes:
        number: the number of the signal.
        at_once: whether a signal raises an exception. Otherwise the first is only noted, so that
            the current chunk can be finished and saved.
    """

    def __init__(self):
        self.number: int | None = None
        self.at_once = False
        self._compiling = False

    def __bool__(self) -> bool:
        return self.number is not None

    def note(self, number: int, frame: Any = None) -> None:
        """Handle a signal; a second Ctrl-C always raises an exception."""
        again = self.number is not None
        self.number = self.number or number
        if self.at_once or (again and number == signal.SIGINT):
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        if self._compiling:
            raise Abandoned

    def check(self, result: dict[str, Any]) -> None:
        """Raise `Interrupted` or `Terminated` with this result if a stop was requested."""
        if self.number is not None:
            interrupted = self.number == signal.SIGINT
            raise Interrupted(result) if interrupted else Terminated(result, self.number)

    @contextlib.contextmanager
    def compiling(self) -> Iterator[None]:
        """Raise `Abandoned` on a signal during the block, which changes nothing that is saved."""
        self._compiling = True
        try:
            yield
        finally:
            self._compiling = False
        if self:
            raise Abandoned

    def wait_for(self, work: Callable[[], T]) -> T:
        """Return the result of work that may block for long, such as a compilation.

        Python handles signals only between its own instructions, so the work is done in a thread.

        Raises:
            Abandoned: a stop was requested. The work continues in the background.
        """
        if threading.current_thread() is not threading.main_thread():
            return work()
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        _threads.add(thread)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(POLL)
                if self and thread.is_alive():
                    raise Abandoned
        except BaseException:
            ends_with(128 + (self.number or signal.SIGINT))
            _exit.abandoned = time.monotonic()
            # The function that was registered last is called first: before jax ends its devices,
            # which the abandoned work may be using.
            atexit.unregister(_leave)
            atexit.register(_leave)
            raise
        if errors:
            raise errors[0]
        return results[0]


@contextlib.contextmanager
def signals() -> Iterator[Stop]:
    """Yield a `Stop` that notes Ctrl-C, SIGTERM and SIGHUP during the block.

    Signals that are ignored stay so, as under `nohup`, or in a background job of a script.
    """
    stop = Stop()
    with _handled(stop.note):
        yield stop


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Delay signals until the end of the block, which must be short."""
    came: list[int] = []
    with _handled(lambda number, frame: came.append(number)):
        yield
    for number in dict.fromkeys(came):
        signal.raise_signal(number)


@contextlib.contextmanager
def _handled(handler: Callable[[int, Any], Any]) -> Iterator[None]:
    before = {}
    try:
        for number in NUMBERS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
    except ValueError:  # signal handlers can only be set in the main thread
        pass
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def ending(
    train: Callable[..., dict[str, Any]], *arguments: Any, **more: Any
) -> tuple[dict[str, Any], int]:
    """Call a function that raises `Interrupted` or `Terminated`.

    Returns:
        Its result in any case, and the exit code for the command line: 0 if it finished, 130 after
        Ctrl-C, 143 after SIGTERM, and 129 after SIGHUP.
    """
    try:
        return train(*arguments, **more), 0
    except STOPPED as stopped:
        code = stopped.code if isinstance(stopped, Terminated) else 128 + signal.SIGINT
        ends_with(int(code or 0))
        return stopped.result, int(code or 0)


def ends_with(code: int) -> None:
    """Set the exit code of a process that ends while abandoned work continues."""
    _exit.code = code


class _exit:
    code = 0
    abandoned: float | None = None  # when work was last abandoned, in monotonic seconds


_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """End the process at once if abandoned work continues: Python would abort with a core dump.

    The threads of a compiler may outlive the thread that called it.
    """
    lately = _exit.abandoned is not None and time.monotonic() - _exit.abandoned < LINGERING
    if lately or any(thread.is_alive() for thread in _threads):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(_exit.code)
