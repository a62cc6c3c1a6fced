"""Results of a benchmark that are written one by one, and resumed after an interruption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.files import write_whole


def rows_of(
    path: Path, part: str, settings: dict[str, Any], is_row: Callable[[Any], bool]
) -> dict[str, Any]:
    """Return the rows that an earlier call of the benchmark wrote, by name.

    Args:
        path: file of the results; a missing file has no rows.
        part: key of the rows in the file.
        settings: settings of the benchmark, without those that may differ between calls.
        is_row: whether a value from the file is a complete row.

    Raises:
        SettingError: the file is damaged, or holds results for different settings. It is not
            changed.
    """
    folder = str(path.parent)
    if not path.exists():
        return {}
    try:
        before = strict_json.loads(path.read_bytes())
        rows, known = before[part], before["settings"]
        same = {k: v for k, v in known.items() if k in settings} == plain(settings)
        if same and not all(map(is_row, rows.values())):
            raise ValueError("a row is incomplete")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        allowed = f"a folder whose {path.name} is undamaged; remove the file to begin again"
        raise SettingError("--out", folder, allowed) from None
    if not same:
        allowed = "another folder: it holds results for different settings"
        raise SettingError("--out", folder, allowed)
    return rows


def write(path: Path, result: dict[str, Any]) -> None:
    """Write results atomically."""
    write_whole(path, strict_json.dumps(result, indent=1) + "\n")


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as they are read from JSON: with lists instead of tuples."""
    return strict_json.loads(strict_json.dumps(settings))
