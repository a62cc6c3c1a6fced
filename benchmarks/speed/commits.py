"""Two checkouts of didact timed in turns, so that a change of the hot path shows its price."""

import dataclasses
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import CommitsConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.speed.commits_worker import CASES
from didact.common.settings import checked
from didact.environments import SettingError

WORKER = Path(__file__).with_name("commits_worker.py")


def compare(config: CommitsConfig) -> dict[str, Any]:
    """Time all cases.

    Returns:
        `machine`, `settings`, and `cases`: by name the `ratio` of the old to the new checkout's
        median seconds (above 1: the new one is faster), the medians in `milliseconds` and the
        `compile_seconds`, each by "old" and "new".

    Raises:
        SettingError: the other checkout has no virtual environment, or a case is unknown.
    """
    config = checked(config)
    python = config.old / ".venv" / "bin" / "python"
    if not python.exists():
        raise SettingError("--old", str(config.old), "a checkout with a virtual environment .venv")
    for name in config.cases:
        if name not in CASES:
            raise SettingError("--cases", name, "one of " + ", ".join(CASES))
    workers = {
        "old": _Worker(str(python.absolute()), config.old),
        "new": _Worker(sys.executable, None),
    }
    rows = {}
    try:
        for case in config.cases:
            compiling = {who: worker.ask("make", case) for who, worker in workers.items()}
            times: dict[str, list[float]] = {who: [] for who in workers}
            for number in range(config.rounds):
                # In changing order: the second may find the caches warm.
                for who in list(workers)[:: 1 if number % 2 else -1]:
                    times[who].append(workers[who].ask("run", case))
            medians = {who: statistics.median(each) for who, each in times.items()}
            rows[case] = {
                "ratio": round(medians["old"] / medians["new"], 3),
                "milliseconds": {who: round(1e3 * x, 2) for who, x in medians.items()},
                "compile_seconds": {who: round(x, 1) for who, x in compiling.items()},
            }
    finally:
        for worker in workers.values():
            worker.process.kill()
    settings = dataclasses.asdict(config) | {"old": str(config.old)}
    return {"machine": hardware.describe(), "settings": settings, "cases": rows}


class _Worker:
    """A process that compiles and times cases."""

    def __init__(self, python: str, folder: Path | None):
        self.process = subprocess.Popen(
            [python, str(WORKER)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: str, case: str) -> float:
        """Let it compile ("make") or run a case, and return the seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(what, case, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            allowed = "a case that both checkouts can run (see the traceback above)"
            raise SettingError("--cases", case, allowed)
        return float(json.loads(answer))


def table(result: dict[str, Any]) -> Table:
    """Return the comparison as a table."""
    made = Table(title="Old and new checkout", title_style="bold")
    for name in ("case", "old ms", "new ms", "old / new", "old compiles s", "new compiles s"):
        made.add_column(name, justify="left" if name == "case" else "right")
    for name, row in result["cases"].items():
        times, compiling = row["milliseconds"], row["compile_seconds"]
        made.add_row(
            name,
            *(f"{times[who]:.1f}" for who in ("old", "new")),
            f"{row['ratio']:.3f}",
            *(f"{compiling[who]:.1f}" for who in ("old", "new")),
        )
    return made


BENCHMARK = Benchmark(CommitsConfig, compare, table)
