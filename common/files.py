"""Atomic writes of files and folders, and folders for results."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from didact.common.errors import SettingError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replace a file or folder atomically with what the block writes to a temporary path.

    Readers see either the previous content or the complete new content. If the block raises, the
    temporary file or folder is removed and the previous content is untouched. Parent folders are
    created as needed.

    Args:
        path: the file or folder to replace.

    Yields:
        The temporary path, next to `path`.

    Raises:
        OSError: the disk is full or not writable.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unique name, so that no existing file is overwritten and no link is followed. The suffix
    # stays last, because writers infer the format from it.
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
    """Write a file atomically; text is encoded as UTF-8.

    Raises:
        OSError: the disk is full or not writable. The previous file is untouched.
    """
    with replacing(path) as draft:
        draft.write_bytes(data if isinstance(data, bytes) else data.encode())


def writable(setting: str, folder: str | os.PathLike[str]) -> Path:
    """Create a folder if it does not exist, and check that files can be written to it.

    Raises:
        SettingError: the folder is not writable; the error names the setting.
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
    """Return a new or empty folder: the given one, or the next numbered one under runs/.

    Args:
        setting: the name of the setting, for errors.
        folder: a new or empty folder; None for `runs/NAME-N` with the first free number N.
        name: the prefix of numbered folders under runs/.

    Raises:
        SettingError: the folder is not empty or not writable.
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
    """Move a folder to its place. If that fails, restore what was there, even if it is a link."""
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
