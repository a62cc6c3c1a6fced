"""Run the jobs of a suite in several processes, each with the command of one teacher."""

import concurrent.futures
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from didact.common import display

CODE = "from didact.__main__ import main; main()"
LINES = 3  # of an error that are shown
GRACE = 10.0  # seconds that a process has to end by itself


class Progress:
    """Shows which jobs have ended, and an estimate of the time that is left.

    Args:
        total: the number of jobs.
    """

    def __init__(self, total: int):
        self.total, self.number = total, 0
        self.begun = time.monotonic()
        self.console = display.terminal()

    def done(self, name: str, error: str | None = None) -> None:
        """Show that a job has ended, and its error if there was one."""
        self.number += 1
        spent = time.monotonic() - self.begun
        left = spent / self.number * (self.total - self.number) / 60
        rest = f"  about {left:.0f} min left" if left >= 1 else ""
        line = f"{self.number}/{self.total}  {name}  {error or 'finished'}{rest}"
        self.console.print(line, soft_wrap=True)


def run(commands: Mapping[str, Sequence[str]], workers: int) -> None:
    """Run commands of `didact` in a pool of processes; those that fail are shown and do not end it.

    An exception, such as that of a signal, ends the processes.

    Args:
        commands: the words of each command, by the name to show.
        workers: the number of processes.
    """
    children = _Children()
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        running = {pool.submit(children.run, words): name for name, words in commands.items()}
        progress = Progress(len(running))
        for done in concurrent.futures.as_completed(running):
            code, error = done.result()
            progress.done(running[done], f"failed with exit code {code}: {error}" if code else None)
    finally:
        children.stop()
        pool.shutdown(cancel_futures=True)


class _Children:
    """Processes that end when this process stops waiting for them, for example at a signal."""

    def __init__(self):
        self.lock, self.stopped = threading.Lock(), False
        self.processes: set[subprocess.Popen[str]] = set()

    def run(self, words: Sequence[str]) -> tuple[int, str]:
        """Run one command; return its exit code and the end of its errors."""
        with self.lock:
            if self.stopped:
                return 1, "stopped"
            process = subprocess.Popen(
                [sys.executable, "-c", CODE, *words[1:]],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            self.processes.add(process)
        _, said = process.communicate()
        with self.lock:
            self.processes.discard(process)
        return process.returncode, " ".join(said.strip().splitlines()[-LINES:])

    def stop(self) -> None:
        """Start no more processes, and end those that run."""
        with self.lock:
            self.stopped, running = True, list(self.processes)
        try:
            for process in running:
                process.terminate()
            end = time.monotonic() + GRACE
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, end - time.monotonic()))
        finally:
            for process in running:
                process.kill()
