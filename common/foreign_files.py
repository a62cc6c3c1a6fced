"""Files and names of others: reading never hangs or fills the memory, and names are no paths."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

from didact.common.errors import SettingError
from didact.common.setting_types import shown

MOST = 1 << 26  # bytes
NAME_RULE = "a name of at most 100 letters, digits, spaces, '.', '_' and '-'"
_NAME = re.compile(r"\w[\w .-]{0,99}")
_NAME_BYTES = 180  # file systems allow 255, of which a suffix needs some


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], most: int = MOST) -> Iterator[BinaryIO]:
    """Open a regular file for reading, in binary mode.

    Pipes and devices are refused, because reading them may never end.

    Args:
        path: the file; links are followed.
        most: the maximum size in bytes.

    Raises:
        OSError: the file does not exist, cannot be read, is not a regular file or is too large; its
            `strerror` states why.
    """
    if "\0" in os.fspath(path):
        raise OSError(errno.EINVAL, "the path contains a null character")
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    number = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(number)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
        with os.fdopen(number, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(number)


def read_bytes(path: str | os.PathLike[str], most: int = MOST) -> bytes:
    """Return the content of a regular file; see `opened`."""
    parts, length = [], 0
    with opened(path, most) as file:
        # A read reserves memory for all that it may return.
        step = min(1 << 20, os.fstat(file.fileno()).st_size + 1)
        while part := file.read(step):
            parts.append(part)
            length += len(part)
            if length > most:  # it has grown since, or does not state its size
                raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def file_name(setting: str, text: Any) -> str:
    """Return a text of others that becomes part of a file name, after checking it.

    Raises:
        SettingError: it is not a plain name: such as a path, or with control characters.
    """
    plain = isinstance(text, str) and _NAME.fullmatch(text) is not None
    if not plain or len(os.fsencode(text)) > _NAME_BYTES:
        raise SettingError(setting, shown(text), NAME_RULE)
    return text


def reason(error: Exception) -> str:
    """Return why a file cannot be read, in one line without its path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:200]
