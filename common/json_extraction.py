"""Find JSON in arbitrary text: plain, in a code fence, or surrounded by prose.

The text is untrusted. The amount of work is bounded for any input, and nothing here raises.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 32  # nested brackets
MAX_DIGITS = 30  # of an integer; longer ones are read as floats
WORK = 1_000_000  # the limit of steps: one for each token, and for each 64 characters of a token
MAX_VALUES = 1_000  # in one text

# A string up to its end or the end of the text, or a bracket; possessive to avoid backtracking.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_PAIRS = {"]": "[", "}": "{"}


def answer_in(text: str) -> str:
    """Return what follows the reasoning of a language model, or the whole text."""
    return text.rpartition("</think>")[2]


class DuplicateKeys(dict):
    """An object with duplicate keys.

    Attributes:
        name: the first duplicate key.
    """

    name: str


def find_json(text: str) -> Iterator[Any]:
    """Iterate over the outermost JSON arrays and objects in a text, from left to right.

    If an array or object is incomplete or invalid, the values inside it are searched. NaN and
    infinity are accepted, although they are not valid JSON, so that the caller can report them.
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
    """Return the end of the bracket that opens at `start`, if it is closed, and the steps taken."""
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
    # Python refuses to convert integers with thousands of digits.
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
