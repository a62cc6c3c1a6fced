"""Quoting of data in prompts, so that it is short and cannot be mistaken for instructions."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

# Servers interpret marks such as <|im_start|>, </s>, <start_of_turn> or [INST] as the start and
# end of messages, wherever they occur.
_MARKS = re.compile(r"<(?=[|/<!｜]|\w+>)|\[(?=/?[A-Z_]+\])")
DIGITS = 4  # the significant digits of fractional numbers
MAX_SIZE = float(np.finfo(np.float32).max)


def quoted(value: Any) -> str:
    """Write a value as JSON in one line, with rounded numbers.

    Unprintable characters and the first character of role marks become JSON escapes, so that a text
    cannot leave its quotation marks, its line or its message.
    """
    text = json.dumps(rounded(value), ensure_ascii=False, separators=(",", ":"), default=str)
    text = "".join(c if c.isprintable() else _escaped(c) for c in text)
    return _MARKS.sub(lambda mark: _escaped(mark.group()), text)


def _escaped(character: str) -> str:
    pairs = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pairs[i : i + 4]}" for i in range(0, len(pairs), 4))


def rounded(value: Any) -> Any:
    """Round numbers to four significant digits or integers; NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(name): rounded(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part) for part in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if abs(value) >= 10 ** (DIGITS - 1):
            return round(value)
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short == int(short) else short
    return value


def shortened(text: Any, length: int) -> str:
    """Shorten a text to one line of at most this many characters."""
    clean = " ".join(str(text)[: 4 * length].split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."


def identity(task: Any) -> str:
    """Return a text that is equal for tasks whose numbers are equal in float32."""
    return json.dumps(_canonical(task), sort_keys=True)


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _canonical(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(part) for part in value]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and abs(value) <= MAX_SIZE:
        return float(np.float32(value)) + 0.0  # 0 for -0
    return str(value)
