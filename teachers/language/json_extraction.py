"""Finds JSON in text of any kind: bare, in a code fence, or amid prose.

What is read was written by a stranger. The work done on it is bounded, whatever it is, and
nothing here raises.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 32  # brackets within brackets
MAX_DIGITS = 30  # of a whole number; longer ones are read as real numbers
WORK = 1_000_000  # looks over all attempts: one at each token, and at each 64 characters of one
MAX_VALUES = 1_000  # of one text

# A string, to its end or to the end of the text; or a bracket. Possessive, so it never backtracks.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_PAIRS = {"]": "[", "}": "{"}


class DuplicateKeys(dict):
    """An object in which a name stands twice.

    Attributes:
        name: the first that does.
    """

    name: str


def find_json(text: str) -> Iterator[Any]:
    """All arrays and objects in a text that are in no other, from left to right.

    Of an array or object that breaks off or is no JSON, those in it are looked for. NaN and
    infinity are read, though JSON has none, so that whoever asks can tell what is wrong.
    """
    work, start, count = 0, 0, 0
    while (opening := _OPENING.search(text, start)) and work < WORK and count < MAX_VALUES:
        end, looked_at = _end(text, opening.start(), WORK - work)
        work += looked_at
        start = opening.end()
        if end is not None:
            value = _parsed(text[opening.start() : end])
            if value is not None:
                yield value
                start, count = end, count + 1


def _end(text: str, start: int, work: int) -> tuple[int | None, int]:
    """Where the bracket that opens at `start` is closed, if it is; and how many looks it took."""
    opened: list[str] = []
    looked_at = 0
    for token in _TOKEN.finditer(text, start):
        mark = token.group()
        looked_at += 1 + len(mark) // 64  # a string may reach to the end of the text
        if mark in "[{":
            opened.append(mark)
        elif mark in "]}" and opened.pop() != _PAIRS[mark]:
            return None, looked_at
        if not opened:
            return token.end(), looked_at
        if len(opened) > MAX_DEPTH or looked_at >= work:
            return None, looked_at
    return None, looked_at


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeated = DuplicateKeys(made)
    seen: set[str] = set()
    repeated.name = next(name for name, _ in pairs if name in seen or seen.add(name))
    return repeated


def _whole(digits: str) -> int | float:
    # Python refuses to read whole numbers of thousands of digits, and nobody needs them.
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
