"""Run the jobs of a suite in several processes, each with the command of one teacher."""

import concurrent.futures
import subprocess
import sys
from collections.abc import Mapping, Sequence

from didact.common import display

CODE = "from didact.__main__ import main; main()"
LINES = 3  # of an error that are shown


def run(commands: Mapping[str, Sequence[str]], workers: int) -> None:
    """Run commands of `didact` in a pool of processes; those that fail are shown and do not end it.

    Args:
        commands: the words of each command, by the name to show.
        workers: the number of processes.
    """
    console = display.terminal()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(_run, words): name for name, words in commands.items()}
        for number, done in enumerate(concurrent.futures.as_completed(running), 1):
            code, error = done.result()
            state = "finished" if code == 0 else f"failed with exit code {code}: {error}"
            console.print(f"{number}/{len(running)}  {running[done]}  {state}", soft_wrap=True)


def _run(words: Sequence[str]) -> tuple[int, str]:
    """Run one command; return its exit code and the end of its errors."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, " ".join(done.stderr.strip().splitlines()[-LINES:])
