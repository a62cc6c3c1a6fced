"""Results of a benchmark that are written one by one, and resumed after an interruption.

Several processes may add to the same file: rows are merged under a lock, and no row is computed
twice at the same time.
"""

import contextlib
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from didact.common import display, strict_json
from didact.common.errors import SettingError
from didact.common.files import locked, write_whole
from didact.common.foreign_files import read_bytes, reason

MOST = 1 << 28  # bytes of a file of results
LOCK = ".lock"
DAMAGED = (  # errors of readers of values that may be of any kind
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError),
)


class Results:
    """The rows of a benchmark by name, in a file that several processes may add to.

    Args:
        path: file of the results, in an existing folder; a missing file has no rows.
        part: key of the rows in the file.
        settings: settings of the benchmark, without those that may differ between calls.
        is_row: whether a value from the file is a complete row.
        more: settings that may differ between calls and are written, too.

    Raises:
        SettingError: the file is damaged, or holds results for different settings. It is not
            changed.
    """

    def __init__(
        self,
        path: Path,
        part: str,
        settings: Mapping[str, Any],
        is_row: Callable[[Any], bool],
        more: Mapping[str, Any] | None = None,
    ):
        self.path, self.part, self.is_row = path, part, is_row
        self.settings, self.more = dict(settings), dict(more or {})
        self.rows = self.read()

    def read(self) -> dict[str, Any]:
        """Return the rows that are in the file now."""
        return rows_of(self.path, self.part, self.settings, self.is_row, self.more)

    def row(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a row, from the file if it is there; otherwise make it and add it.

        If another process makes it now, wait for that process.
        """
        if name not in self.rows:
            with self.claimed(name):
                if name not in self.rows:
                    self.add({name: make()})
        return self.rows[name]

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[None]:
        """Be the only process that makes a row; rows that others have added are read."""

        def waiting():
            display.terminal().print(f"{name}: waiting for another process, which computes it")

        slug = re.sub(r"[^\w.-]+", "-", name)[:60]
        number = zlib.crc32(f"{self.path.name} {name}".encode())
        with held(self.path.parent / f".{slug}-{number:08x}{LOCK}", waiting):
            self.rows |= self.read()
            yield

    def add(self, rows: Mapping[str, Any], **more: Any) -> None:
        """Add or replace rows in the file, and write more fields; rows of others are kept."""
        with held(self.path.parent / LOCK):
            self.rows |= self.read() | dict(rows)
            try:
                content = {"settings": self.settings | self.more, self.part: self.rows}
                write(self.path, {**more, **content})
            except OSError as error:
                allowed = f"on a writable disk ({reason(error)}; the last results are lost)"
                raise SettingError("--out", str(self.path.parent), allowed) from error


@contextlib.contextmanager
def held(path: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock of a file in the output folder; see `files.locked`.

    Raises:
        SettingError: the folder cannot be locked.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, waiting))
        except OSError as error:
            allowed = f"a folder that can be locked ({path.name}: {reason(error)})"
            raise SettingError("--out", str(path.parent), allowed) from None
        yield


def rows_of(
    path: Path,
    part: str,
    settings: Mapping[str, Any],
    is_row: Callable[[Any], bool],
    more: Collection[str] = (),
) -> dict[str, Any]:
    """Return the rows that an earlier call of the benchmark wrote, by name; see `Results`.

    Settings are compared as a whole, so that one that was removed makes a difference, too; those
    named in `more` are ignored.
    """
    folder = str(path.parent)
    try:
        before = strict_json.loads(read_bytes(path, MOST))
        rows, known = before[part], before["settings"]
        same = {k: v for k, v in known.items() if k not in more} == plain(settings)
        if same and not all(map(is_row, rows.values())):
            raise ValueError("a row is incomplete")
    except FileNotFoundError:
        return {}
    except (OSError, *DAMAGED):
        allowed = f"a folder whose {path.name} is undamaged; remove the file to begin again"
        raise SettingError("--out", folder, allowed) from None
    if not same:
        allowed = "another folder: it holds results for different settings"
        raise SettingError("--out", folder, allowed)
    return rows


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write results atomically."""
    write_whole(path, strict_json.dumps(dict(result), indent=1) + "\n")


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are read from JSON: with lists instead of tuples."""
    return strict_json.loads(strict_json.dumps(dict(settings)))
