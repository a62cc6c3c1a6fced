"""Read `metrics.jsonl`, whatever happened to it: a crash, a full disk, an editor."""

import collections
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.files import append_whole
from didact.common.foreign_files import read_bytes, reason

BY_SEED = "_by_seed"  # suffix of lists with one number per seed
NUMBERS = ("seconds", "steps_per_second", "compile_seconds", "success", "return", "length")
LARGEST = 2**53  # of steps and updates; floats hold all whole numbers up to it

MOST = 1 << 30  # bytes; a row has about a thousand


class Rows(NamedTuple):
    """The contents of a metrics file."""

    rows: list[dict[str, Any]]  # in ascending order of updates, each number of updates once
    damaged: list[bytes]  # lines that are not such rows, in the order of the file


def read_rows(path: Path) -> Rows:
    """Read the rows of a metrics file; a missing file has none.

    A row is damaged if it is not JSON, if a number that is used later is missing, not finite or out
    of range, if it has another number of seeds than most rows, or if it repeats the number of
    updates of an earlier row. Damaged rows do not affect the others.

    Raises:
        SettingError: the file is too large, or cannot be read.
    """
    try:
        lines = read_bytes(path, MOST).split(b"\n") if path.exists() else []
    except OSError as error:
        allowed = f"a file of metrics of at most {MOST:,} bytes: {reason(error)}"
        raise SettingError("metrics", str(path), allowed) from None
    lines = [line for line in lines if line.strip()]
    rows = [_row(line) for line in lines]
    seeds = collections.Counter(_seeds(row) for row in rows if row is not None)
    usual = [count for count, _ in seeds.most_common() if count is not None][:1]
    known: dict[int, dict[str, Any]] = {}
    damaged = []
    for line, row in zip(lines, rows, strict=True):
        fits = row is not None and _seeds(row) in (None, *usual)
        if row is not None and fits and row["updates"] not in known:
            known[row["updates"]] = row
        else:
            damaged.append(line)
    return Rows([known[updates] for updates in sorted(known)], damaged)


def set_aside(path: Path, damaged: Sequence[bytes]) -> Path:
    """Append damaged lines of a metrics file to a file next to it, and return its path."""
    aside = path.with_name(f"{path.stem}-damaged{path.suffix}")
    if damaged:
        append_whole(aside, b"".join(line + b"\n" for line in damaged))
    return aside


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = strict_json.loads(line.decode())
    except ValueError:
        return None
    return row if isinstance(row, dict) and _is_valid(row) else None


def _is_valid(row: dict[str, Any]) -> bool:
    """Whether logs, reports and plots can read a row."""
    if not all(_is_count(row.get(name)) for name in ("updates", "steps")):
        return False
    evaluation = row.get("evaluation", {})
    if not _has_scores(row) or not isinstance(evaluation, dict):
        return False
    for scores in evaluation.values():
        if not isinstance(scores, dict) or not _has_scores(scores):
            return False
        if not all(_is_number(scores.get(name)) for name in ("success", "return")):
            return False
    return len(_all_seeds(row)) <= 1


def _has_scores(row: dict[str, Any]) -> bool:
    numbers = all(row[name] is None or _is_number(row[name]) for name in NUMBERS if name in row)
    lists = (x for name, x in row.items() if name.endswith(BY_SEED))
    return numbers and all(isinstance(x, list) and x and all(map(_is_number, x)) for x in lists)


def _seeds(row: dict[str, Any]) -> int | None:
    """Return the number of seeds that a row tells of: 0 for a single one, None for no scores."""
    return next(iter(_all_seeds(row)), None)


def _all_seeds(row: dict[str, Any]) -> set[int]:
    parts = (row, *row.get("evaluation", {}).values())
    scored = [part for part in parts if part.get("success") is not None]
    lists = [part.get("success" + BY_SEED, []) for part in scored]
    lists += [x for part in scored for name, x in part.items() if name.endswith(BY_SEED)]
    return {len(x) for x in lists}


def _is_count(x: Any) -> bool:
    return type(x) is int and 0 <= x <= LARGEST


def _is_number(x: Any) -> bool:
    return type(x) in (int, float) and abs(x) <= sys.float_info.max
