"""Atomic writes of files and folders, locks, and folders for results."""

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from didact.common.errors import SettingError
from didact.common.foreign_files import read_bytes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_LEFTOVER = re.compile(r"\.(.+\.)?[0-9a-f]{12}\.(part|old|probe)(\..*)?", re.DOTALL)
_MOVED_ASIDE = re.compile(r"\.(.+)\.[0-9a-f]{12}\.was", re.DOTALL)  # a folder to be replaced
_STEM = 48  # characters of temporary names, since file systems limit their length


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
    draft = _unique(path, "part", path.suffix)
    try:
        yield draft
        if draft.is_dir() and os.path.lexists(path):
            _swap_folder(draft, path)
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


def append_whole(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Append to a file by replacing it, so that other names of the same file do not change.

    What is there under this name, but is no file, such as a link or a pipe, is replaced unread.

    Raises:
        OSError: the disk is full or not writable, or the file has more than a gigabyte. The
            previous file is untouched.
    """
    path = Path(path)
    ordinary = path.is_file() and not path.is_symlink()
    before = read_bytes(path, 1 << 30) if ordinary else b""
    write_whole(path, before + (data if isinstance(data, bytes) else data.encode()))


def write_new(path: str | os.PathLike[str], data: str) -> None:
    """Create a file with its complete content, exclusively: of several processes, one succeeds.

    Raises:
        FileExistsError: there is a file, folder or link of this name.
        OSError: the disk is full or not writable.
    """
    path = Path(path)
    draft = _unique(path, "part", path.suffix)
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(data)
        try:
            os.link(draft, path)  # unlike a rename, this never replaces a file
        except OSError as error:
            if os.path.lexists(path):
                raise FileExistsError(*error.args[:2], str(path)) from None
            with path.open("x", encoding="utf-8") as file:  # there may be no hard links
                file.write(data)
    finally:
        _remove(draft)


@contextlib.contextmanager
def locked(
    path: str | os.PathLike[str], waiting: Callable[[], object] | None = None
) -> Iterator[None]:
    """Hold the lock of a file, which is created if it is missing, and is never written to.

    The system releases the lock when the process ends in any way. On file systems without locks,
    this does nothing.

    Args:
        path: the file.
        waiting: called once if another process, or another block in this one, holds the lock; the
            block then waits for it. If None, it does not wait.

    Raises:
        BlockingIOError: the lock is held, and `waiting` is None.
        OSError: the file cannot be opened, or is a link.
    """
    with _flock(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, waiting):
        yield


@contextlib.contextmanager
def locked_folder(setting: str, folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of a folder itself, so that it remains empty; otherwise as `locked`.

    Raises:
        SettingError: another process holds the lock.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(_flock(folder, os.O_RDONLY, None))
        except BlockingIOError:
            allowed = "a folder that no other process writes to"
            raise SettingError(setting, str(folder), allowed) from None
        yield


@contextlib.contextmanager
def _flock(
    path: str | os.PathLike[str], flags: int, waiting: Callable[[], object] | None
) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    file = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(file)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file or folder, which is renamed first so that it never looks complete.

    Links are removed and not followed.

    Raises:
        OSError: the file or folder does not exist, or its parent is not writable.
    """
    old = _unique(Path(path), "old")
    os.replace(path, old)
    _remove(old)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files and folders of killed processes, directly in a folder.

    A folder that was to be replaced, and was not, is moved back to its place. No other process may
    be writing to the folder.
    """
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            if _LEFTOVER.fullmatch(path.name):
                _remove(path)
            elif aside := _MOVED_ASIDE.fullmatch(path.name):
                _move_back(path, path.with_name(aside[1]))


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
    except (OSError, ValueError) as error:  # a ValueError if a name contains a null character
        why = getattr(error, "strerror", None) or error
        raise SettingError(
            setting, str(folder), f"a folder that can be written to ({why})"
        ) from None
    return folder


def new_folder(
    setting: str, folder: str | os.PathLike[str] | None, name: str, *, ignore: str = ""
) -> Path:
    """Return a new or empty folder: the given one, or the next numbered one under runs/.

    Args:
        setting: the name of the setting, for errors.
        folder: a new or empty folder; None for `runs/NAME-N` with the first free number N.
        name: the prefix of numbered folders under runs/.
        ignore: the name of a file that an empty folder may hold, as it may hold temporary files of
            killed processes.

    Raises:
        SettingError: the folder is not empty or not writable.
    """
    if folder is None:
        return _numbered(setting, Path("runs"), name)
    folder = Path(folder)
    try:
        used = os.path.lexists(folder) and (
            not folder.is_dir()
            or any(p.name != ignore and not _LEFTOVER.fullmatch(p.name) for p in folder.iterdir())
        )
    except (OSError, ValueError):
        used = False  # `writable` reports why
    if used:
        raise SettingError(setting, str(folder), "a new or empty folder")
    return writable(setting, folder)


def home_folder() -> Path | None:
    """Return the user's home folder; None if there is none, as in some containers."""
    home = os.path.expanduser("~")
    return Path(home) if os.path.isabs(home) else None


def _numbered(setting: str, parent: Path, name: str) -> Path:
    """Create the next numbered folder; processes that start together get different ones."""
    # Checked first, so that the loop ends: below, a folder can only fail if it exists.
    writable(setting, (parent / name).parent)
    number = 1
    while True:
        with contextlib.suppress(FileExistsError):
            folder = parent / f"{name}-{number}"
            folder.mkdir()
            return folder
        number += 1


def _unique(path: Path, kind: str, suffix: str = "") -> Path:
    """Return an unused hidden path next to `path`; `remove_leftovers` knows such names."""
    stem = (path.stem if suffix else path.name)[:_STEM]
    return path.parent / f".{stem}.{uuid.uuid4().hex[:12]}.{kind}{suffix}"


def _swap_folder(draft: Path, path: Path) -> None:
    """Move a folder to its place. If that fails, restore what was there, even if it is a link.

    If the process is killed, `remove_leftovers` restores it, unless the name is too long to tell.
    """
    old = _unique(path, "was" if len(path.name) <= _STEM else "old")
    try:
        os.replace(path, old)
        os.replace(draft, path)
    except BaseException:  # also a signal
        _move_back(old, path)
        raise
    _remove(old)


def _move_back(old: Path, path: Path) -> None:
    """Move a folder back to its place, or remove it if there is another one now."""
    if os.path.lexists(path):
        _remove(old)
    elif os.path.lexists(old):
        os.replace(old, path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
