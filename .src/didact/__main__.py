"""The command `didact`, also as `python -m didact`."""

import os
import sys


def main() -> None:
    """Runs the command line. Its imports take a second, in which it can be interrupted, too."""
    try:
        from didact.experiments.cli import main

        main()
    except KeyboardInterrupt:
        print("didact: stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever reads, as `head` does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
