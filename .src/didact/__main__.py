"""The command `didact`, also as `python -m didact`."""

import os
import signal
import sys
import threading


def main() -> None:
    """Runs the command line. Its imports take a second, in which it can be interrupted, too."""
    sys.unraisablehook = _ask_again
    try:
        from didact.experiments.cli import main

        main()
    except KeyboardInterrupt:
        print("didact: stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever reads, as `head` does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _ask_again(lost: "sys.UnraisableHookArgs") -> None:
    """Interrupts once more, a moment later, where an interrupt was lost.

    Python drops what is raised in callbacks of its garbage collector, of which JAX has one, and in
    finalizers: who presses Ctrl-C just then would wait for ever.
    """
    if lost.exc_type is KeyboardInterrupt:
        again = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


if __name__ == "__main__":
    main()
