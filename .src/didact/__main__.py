"""The command `didact`, also as `python -m didact`."""

import errno
import os
import signal
import sys
import threading

UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT)  # of the standard output


def main() -> None:
    """Run the command line, which can also be interrupted while it imports its modules."""
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
        # An exception while the interpreter shuts down would abort it with a core dump.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _discard_output() -> None:
    """Let Python flush what is left of the output when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ask_again(lost: "sys.UnraisableHookArgs") -> None:
    """Interrupt once more, a moment later, where an interrupt was lost.

    Python drops what is raised in callbacks of its garbage collector, of which JAX has one, and in
    finalizers: a user who presses Ctrl-C at that moment would wait forever.
    """
    # By SIGTERM where a stop is noted already, because a second SIGINT means to stop at once.
    signals = {"KeyboardInterrupt": signal.SIGINT, "Abandoned": signal.SIGTERM}
    number = signals.get(lost.exc_type.__name__)
    if number is None:
        return sys.__unraisablehook__(lost)
    again = threading.Timer(0.02, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
    return None


if __name__ == "__main__":
    main()
