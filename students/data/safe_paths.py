"""Paths that orbax can use, for folders of any name.

Orbax and tensorstore read some names, such as `[lr]`, `gs:` and names with a backslash, as
patterns or addresses, and then write or read incomplete checkpoints.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SAFE = re.compile(r"[A-Za-z0-9_./+=,-]*")


@contextlib.contextmanager
def safe_path(folder: Path) -> Iterator[Path]:
    """Yield a path of plain characters that leads to an existing folder, possibly by a link.

    Raises:
        OSError: there is no place for a link.
    """
    folder = Path(os.path.abspath(folder))
    if is_safe(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="didact-", dir=_place()) as place:
        link = Path(place) / "folder"
        link.symlink_to(folder, target_is_directory=True)
        yield link


def is_safe(path: Path) -> bool:
    """Whether orbax reads no character of a path as anything but itself."""
    return _SAFE.fullmatch(str(path)) is not None


def _place() -> str | None:
    """Return a folder for temporary links; None for the default one, if its own name is safe."""
    if is_safe(Path(tempfile.gettempdir())):
        return None
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        if os.access(place, os.W_OK):
            return place
    raise OSError(None, "the folder for temporary files has an unusual name; set TMPDIR")
