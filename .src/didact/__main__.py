"""The command `didact`, also as `python -m didact`."""

import errno
import os
import queue
import signal
import sys
import threading
import time

# Errors of the standard output.
UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Run the command line, which can also be interrupted while it imports its modules."""
    threading.Thread(target=_repeat_lost_signals, daemon=True).start()
    sys.unraisablehook = _ask_again
    try:
        from didact.experiments.cli import main

        main()
        if sys.stdout is not None:  # None if it was closed before the start
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("didact: stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _discard_output()
        sys.exit(1)
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        _discard_output()
        print(f"didact: the output cannot be written ({error.strerror}).", file=sys.stderr)
        sys.exit(1)
    finally:
        # An exception while the interpreter shuts down would abort it with a core dump. Signals are
        # ignored first, because one that comes here would raise it as well.
        _leaving.set()
        numbers = [n for n in _signals() if signal.getsignal(n) != signal.SIG_IGN]
        for action in (signal.SIG_IGN, signal.SIG_DFL):
            for number in numbers:
                _handle(number, action)


def _signals() -> list[int]:
    """Return the signals that end commands; Windows has no SIGHUP."""
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def _handle(number: int, action: signal.Handlers) -> None:
    """Set what a signal does, also while it arrives."""
    while True:
        try:
            signal.signal(number, action)
        except KeyboardInterrupt:
            continue
        return


def _discard_output() -> None:
    """Let Python flush what is left of the output when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_lost: queue.SimpleQueue[int] = queue.SimpleQueue()
_leaving = threading.Event()


def _ask_again(lost: "sys.UnraisableHookArgs") -> None:
    """Interrupt once more, a moment later, where an interrupt was lost.

    Python drops what is raised in callbacks of its garbage collector, of which JAX has one, and in
    finalizers: a user who presses Ctrl-C at that moment would wait forever.
    """
    try:
        number = _signal_of(lost.exc_value, lost.exc_type)
        if number is None:
            return sys.__unraisablehook__(lost)
        _lost.put(number)
    except BaseException as error:  # the next signal arrives here
        _lost.put(_signal_of(error, type(error)) or signal.SIGTERM)
    return None


def _signal_of(error: BaseException | None, kind: type[BaseException]) -> int | None:
    """Return the signal that raised an exception; None if it was none."""
    if isinstance(error, SystemExit) and isinstance(error.code, int) and 128 < error.code < 160:
        return error.code - 128
    if isinstance(error, KeyboardInterrupt) and error.args and error.args[0] in _signals():
        return error.args[0]
    # By SIGTERM where a stop is noted already, because a second SIGINT means to stop at once.
    names = {"KeyboardInterrupt": signal.SIGINT, "Abandoned": signal.SIGTERM}
    return names.get(kind.__name__)


def _repeat_lost_signals() -> None:
    while True:
        number = _lost.get()
        time.sleep(0.02)
        if not _leaving.is_set():
            os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
