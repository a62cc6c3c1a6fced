"""Report how long a program has been compiling, since nothing else is shown meanwhile."""

import threading
import time
from collections.abc import Callable

EVERY = 30.0  # seconds between lines, for output that is not a terminal


class Waiting:
    """Reports elapsed seconds from a thread until `stop` is called.

    Args:
        report: receives the elapsed seconds.
        every: seconds between two reports.
        first: seconds until the first one, so that short waits are not reported at all.

    Attributes:
        reported: whether there was a report.
    """

    def __init__(
        self, report: Callable[[float], None], every: float = EVERY, first: float | None = None
    ):
        self._begun, self._over = time.perf_counter(), threading.Event()
        self._report, self._every = report, every
        self._first, self.reported = every if first is None else first, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.perf_counter() - self._begun

    def stop(self) -> bool:
        """Stop reporting, and return whether this is the first call."""
        first = not self._over.is_set()
        self._over.set()
        self._thread.join()
        return first

    def _run(self) -> None:
        wait = self._first
        while not self._over.wait(wait):
            self.reported, wait = True, self._every
            self._report(self.seconds)
