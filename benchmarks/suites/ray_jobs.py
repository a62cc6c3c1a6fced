"""Run the jobs of a suite on a Ray cluster, one task for each teacher.

Results are in the same files as without a cluster. They are also returned through Ray, so that the
machines need not share a disk. A task whose worker dies is started again elsewhere.
"""

import contextlib
import importlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from didact.benchmarks.suites.workers import Progress
from didact.common.errors import SettingError
from didact.common.files import write_whole

LOCAL = "local"  # the address that starts a cluster on this machine
RETRIES = 2  # of a task whose worker died


def run(
    commands: Mapping[str, Sequence[str]],
    files: Mapping[str, Path],
    address: str,
    workers: int,
) -> None:
    """Run commands as Ray tasks; those that fail are shown and do not end it.

    Args:
        commands: the words of each command of `didact`, by the name to show.
        files: the file in which each command stores its results.
        address: the address of a cluster, or "local" for one that ends with the call.
        workers: the number of tasks at a time of a local cluster.

    Raises:
        SettingError: Ray is not installed, or the cluster cannot be reached.
    """
    if not commands:
        return
    with _connected(address, workers) as ray:
        task = ray.remote(num_cpus=1, max_retries=RETRIES, max_calls=1)(work)
        waiting = {
            task.options(name=name).remote(list(words), str(files[name].resolve())): name
            for name, words in commands.items()
        }
        progress = Progress(len(waiting))
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            name, error = waiting.pop(done), None
            try:
                content = ray.get(done)
            except ray.exceptions.RayError as failure:
                error = failed(failure)
            else:
                if not files[name].exists():
                    write_whole(files[name], content)
            progress.done(name, error)


def work(words: Sequence[str], path: str) -> bytes:
    """Run a command of `didact` in this process, and return the file that it has written.

    Raises:
        RuntimeError: the command failed; with its message.
    """
    from didact.experiments.cli import main

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            main(list(words[1:]))
    except SystemExit as end:
        if end.code:
            raise RuntimeError(said.getvalue().strip() or f"exit code {end.code}") from None
    return Path(path).read_bytes()


def failed(error: Exception) -> str:
    """Return the last line of an error, which has the cause."""
    lines = str(error).strip().splitlines()
    return f"failed: {lines[-1].strip() if lines else type(error).__name__}"


@contextlib.contextmanager
def _connected(address: str, workers: int) -> Iterator[Any]:
    """Connect to a cluster; disconnect, or end the local one, after the block."""
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        allowed = "installed: pip install -e '.[cluster]'"
        raise SettingError("package ray", "missing", allowed) from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to others
    local = {"num_cpus": workers, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", **local)
    except Exception as error:  # Ray raises exceptions of many kinds here
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        allowed = f"{LOCAL!r}, or the address of a running Ray cluster ({why})"
        raise SettingError("--ray", address, allowed) from None
    try:
        yield ray
    finally:
        ray.shutdown()
