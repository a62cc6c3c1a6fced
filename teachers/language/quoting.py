"""Data as it stands in prompts: short, quoted, and unable to pass for anything else."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

# Servers read marks such as <|im_start|>, </s>, <start_of_turn> or [INST] as the beginning and
# end of what somebody says, wherever they stand.
_MARKS = re.compile(r"<(?=[|/<!｜]|\w+>)|\[(?=/?[A-Z_]+\])")
DIGITS = 4  # of a number that is not whole
MAX_SIZE = float(np.finfo(np.float32).max)


def quoted(value: Any) -> str:
    """A value as JSON in one line, numbers rounded.

    What does not print, and what would begin the mark of a role, is written as an escape of JSON,
    so a text cannot leave its quotation marks, its line or its message.
    """
    text = json.dumps(rounded(value), ensure_ascii=False, separators=(",", ":"), default=str)
    text = "".join(c if c.isprintable() else _escaped(c) for c in text)
    return _MARKS.sub(lambda mark: _escaped(mark.group()), text)


def _escaped(character: str) -> str:
    pairs = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pairs[i : i + 4]}" for i in range(0, len(pairs), 4))


def rounded(value: Any) -> Any:
    """The value with real numbers of four digits or whole; what JSON cannot say is null."""
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
    """A text of at most so many characters, in one line."""
    clean = " ".join(str(text)[: 4 * length].split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."


def identity(task: Any) -> str:
    """A text that is the same for tasks that are equal once their numbers are float32."""
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
