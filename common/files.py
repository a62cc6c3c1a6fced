"""Files and folders that appear whole or not at all, and folders for results."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from didact.common.errors import SettingError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new name next to `path` for a file or folder, which takes its place if the block succeeds.

    Readers see what was there before or the whole new content, never a part. If the block raises,
    the draft is removed and what was there is untouched. Parent folders are made as needed.

    Args:
        path: of the file or folder.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fresh name, so that nothing that is there is followed or overwritten. The suffix stays
    # last, because writers choose the format by it.
    mark = uuid.uuid4().hex[:12]
    draft = path.parent / f".{path.stem}.{mark}.part{path.suffix}"
    try:
        yield draft
        if draft.is_dir() and os.path.lexists(path):
            _swap_folder(draft, path, path.parent / f".{path.stem}.{mark}.old")
        else:
            os.replace(draft, path)
    finally:
        _remove(draft)


def write_whole(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Writes a file that appears whole or not at all; text is UTF-8.

    Raises:
        OSError: the disk is full or cannot be written; what was there is untouched.
    """
    with replacing(path) as draft:
        draft.write_bytes(data if isinstance(data, bytes) else data.encode())


def writable(setting: str, folder: str | os.PathLike[str]) -> Path:
    """The folder, made if it does not exist, after writing a file in it for a moment.

    Raises:
        SettingError: nothing can be written there; it names the setting.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{uuid.uuid4().hex[:12]}.probe"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        allowed = f"a folder that can be written to ({error.strerror or error})"
        raise SettingError(setting, str(folder), allowed) from None
    return folder


def new_folder(setting: str, folder: str | os.PathLike[str] | None, name: str) -> Path:
    """A folder with nothing in it: the given one, or the next numbered one under runs/.

    Args:
        setting: what the user calls the folder.
        folder: a new or empty one; None for `runs/NAME-1`, or the first number that is free.
        name: of folders under runs/.

    Raises:
        SettingError: there is something in the folder, or it cannot be written to.
    """
    if folder is None:
        number = 1
        while (Path("runs") / f"{name}-{number}").exists():
            number += 1
        folder = Path("runs") / f"{name}-{number}"
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(setting, str(folder), "a new or empty folder")
    return writable(setting, folder)


def _swap_folder(draft: Path, path: Path, old: Path) -> None:
    """Moves a folder to its place; what was there, be it a link, comes back if that fails."""
    os.replace(path, old)
    try:
        os.replace(draft, path)
    except OSError:
        os.replace(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
