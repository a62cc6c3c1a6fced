"""Numbers on the command line: in ASCII, also as 5e6, and with errors that name an example."""

import decimal
import re
import types
import typing
from typing import Any

from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
)

_WHOLE = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_EXPONENT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{1,2}")
_LONGEST = 400  # characters; Python does not read integers of thousands of digits


def whole(text: str) -> int:
    """Parse a whole number, such as 640, 1_000_000 or 5e6.

    Raises:
        ValueError: it is none.
    """
    if len(text) <= _LONGEST:
        if _WHOLE.fullmatch(text):
            return int(text)
        if _EXPONENT.fullmatch(text):
            value = decimal.Decimal(text)
            if value == value.to_integral_value():
                return int(value)
    raise ValueError(f"{_short(text)} is not a whole number, such as 640 or 5e6")


def number(text: str) -> float:
    """Parse a number, such as 0.5, 3e-4 or 1; also inf and nan, which settings may refuse.

    Raises:
        ValueError: it is none.
    """
    try:
        if text.isascii() and text == text.strip():
            return float(text)
    except ValueError:
        pass
    raise ValueError(f"{_short(text)} is not a number, such as 0.5 or 3e-4")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def registry() -> ConstructorRegistry:
    """Return the rules for tyro; use it as a context manager around `tyro.cli`."""
    rules = ConstructorRegistry()

    @rules.primitive_rule
    def rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        parts = [_plain(part) for part in typing.get_args(info.type)]
        optional = len(parts) == 2 and types.NoneType in parts
        kind = next(x for x in parts if x is not types.NoneType) if optional else info.type
        if kind is int:
            return _spec("INT", whole, int, optional)
        return _spec("FLOAT", number, int | float, optional) if kind is float else None

    return rules


def _plain(kind: Any) -> Any:
    """Return a kind without its range."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _spec(metavar: str, parse: Any, kinds: Any, optional: bool) -> PrimitiveConstructorSpec[Any]:
    def read(words: list[str]) -> Any:
        return None if optional and words == ["None"] else parse(words[0])

    def known(value: Any) -> bool:
        return (optional and value is None) or (
            isinstance(value, kinds) and not isinstance(value, bool)
        )

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{None}}|{metavar}" if optional else metavar,
        instance_from_str=read,
        is_instance=known,
        str_from_instance=lambda value: [str(value)],
    )
