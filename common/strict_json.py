"""JSON without NaN and infinity, which the standard does not have and most readers refuse."""

import json
import math
from typing import Any


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON in ASCII; NaN and infinite numbers become null.

    Args:
        value: dictionaries, lists, tuples, strings, numbers, booleans and None.
        indent: spaces per level; None for a single line.

    Raises:
        TypeError: the value contains anything else.
    """
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, allow_nan=False)


def loads(text: str | bytes) -> Any:
    """Parse JSON that contains only finite numbers.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, or contains NaN or a number beyond
            the range of floats, such as 1e400.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_float)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(x) for name, x in value.items()}
    return [_finite(x) for x in value] if isinstance(value, list | tuple) else value


def _float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")
