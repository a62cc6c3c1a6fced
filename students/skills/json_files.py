"""Atomic writing of JSON files."""

import os
from pathlib import Path
from typing import Any

from didact.common import strict_json
from didact.common.files import write_whole
from didact.environments import SettingError


def write_json(
    setting: str, path: str | os.PathLike[str], content: Any, *, indent: int | None = None
) -> Path:
    """Write a JSON file atomically, and create its parent folders.

    Args:
        setting: the name of the file's setting, for errors.
        path: the file; an existing file is replaced.
        content: what to write.
        indent: indentation of lines; None writes a single line.

    Returns:
        The path of the file.

    Raises:
        SettingError: the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (strict_json.dumps(content, indent=indent) + "\n").encode())
    except (OSError, ValueError) as error:  # an invalid file name raises a ValueError
        why = getattr(error, "strerror", None) or str(error)
        raise SettingError(setting, str(path), f"a file that can be written ({why})") from None
    return path
