"""The command `didact`, also as `python -m didact`."""

import sys


def main() -> None:
    """Runs the command line. Its imports take a second, in which it can be interrupted, too."""
    try:
        from didact.experiments.cli import main

        main()
    except KeyboardInterrupt:
        print("didact: stopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
