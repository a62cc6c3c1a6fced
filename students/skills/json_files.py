"""Files of JSON that appear whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from didact.common.files import write_whole
from didact.environments import SettingError


def write_json(
    setting: str, path: str | os.PathLike[str], told: Any, *, indent: int | None = None
) -> Path:
    """Writes a file of JSON, and the folders that it is to be in.

    Args:
        setting: what the file is, for the sentence where it cannot be written.
        path: the file; what stood there is replaced when the new one is whole.
        told: what to write.
        indent: of lines; all in one if not given.

    Raises:
        SettingError: the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(told, indent=indent) + "\n").encode())
    except (OSError, ValueError) as error:  # a name that no file can have is a ValueError
        why = getattr(error, "strerror", None) or str(error)
        raise SettingError(setting, str(path), f"a file that can be written ({why})") from None
    return path
