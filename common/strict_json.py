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


def loads(text: str | bytes, *, repeated: bool = True) -> Any:
    """Parse JSON that contains only finite numbers.

    Args:
        text: the JSON.
        repeated: whether an object may have several values of one name, of which the last counts.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, contains NaN or a number beyond the
            range of floats, such as 1e400, or repeats a name.
    """
    hook = None if repeated else once
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_float, object_pairs_hook=hook)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON from its pairs; a repeated name is a ValueError."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"duplicate key {name[:40]}")
        found[name] = value
    return found


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
