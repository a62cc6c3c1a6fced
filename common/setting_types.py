"""Types of settings: describe them in words, and validate values from JSON, Python or text.

The kind of a setting is a type annotation, such as `int`, `float | None`, `tuple[str, ...]` or
`Literal["kl"]`, optionally with bounds: `Annotated[int, Range(1, 100)]`.
"""

import contextlib
import dataclasses
import functools
import inspect
import json
import math
import os
import pathlib
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import annotated_types

from didact.common.errors import SettingError

if typing.TYPE_CHECKING:
    import pydantic

HIDDEN = "[hidden]"
_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    pathlib.Path: "a path",
    types.NoneType: "null",
}


@dataclasses.dataclass(frozen=True)
class Range(annotated_types.GroupedMetadata):
    """Inclusive bounds of a number: `Annotated[float, Range(0, 1)]`.

    Args:
        low, high: the bounds.
        above: whether `low` itself is excluded.
    """

    low: float
    high: float = math.inf
    above: bool = False

    def __iter__(self) -> Iterator[object]:
        """Iterate over the bounds in the form that pydantic reads."""
        yield (annotated_types.Gt if self.above else annotated_types.Ge)(self.low)
        if self.high < math.inf:
            yield annotated_types.Le(self.high)

    def __str__(self) -> str:
        if self.above:
            most = f" and at most {self.high:,}" if self.high < math.inf else ""
            return f"above {self.low:,}{most}"
        if self.high == math.inf:
            return f"of at least {self.low:,}"
        return f"from {self.low:,} to {self.high:,}"


@dataclasses.dataclass(frozen=True)
class Hidden:
    """Marks a setting whose value never appears in messages: `Annotated[str, Hidden()]`."""


Share = Annotated[float, Range(0, 1)]
PositiveShare = Annotated[float, Range(0, 1, above=True)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]
Seed = Annotated[int, Range(0, 2**31 - 1)]


def in_words(kind: Any) -> str:
    """Describe the values of a kind, such as "a number from 0 to 1, or null"."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        ranges = [str(part) for part in parts[1:] if isinstance(part, Range)]
        return " ".join([in_words(parts[0]), *ranges])
    if origin is Literal:
        return "one of " + ", ".join(map(str, parts))
    if origin in (types.UnionType, typing.Union):
        *first, last = dict.fromkeys(map(in_words, parts))
        return ", ".join([*first, f"or {last}"]) if first else last
    if origin is tuple and parts[1:] == (...,):
        return f"a list, each item {in_words(parts[0])}"
    if origin is tuple:
        return f"a list of {len(parts)}: {', '.join(map(in_words, parts))}"
    if dataclasses.is_dataclass(kind):
        return "a mapping of settings"
    if kind in _PLAIN:
        return _PLAIN[kind]
    return f"of type {kind.__name__ if isinstance(kind, type) else kind}"


def without_null(kind: Any) -> Any:
    """Return a kind that does not include null."""
    if typing.get_origin(kind) not in (types.UnionType, typing.Union):
        return kind
    return typing.Union[tuple(x for x in typing.get_args(kind) if x is not types.NoneType)]  # noqa: UP007


def has_text(kind: Any) -> bool:
    """Whether values of a kind can be written as text."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return has_text(parts[0])
    if origin is Literal:
        return all(isinstance(part, bool | int | str) for part in parts)
    if origin in (types.UnionType, typing.Union, tuple):
        parts = [part for part in parts if part not in (types.NoneType, ...)]
        return all(map(has_text, parts))
    return kind in (bool, int, float, str, pathlib.Path)


def value_of(setting: str, value: Any, kind: Any) -> Any:
    """Validate a value from Python, JSON or YAML. Lists become tuples, and strings paths.

    Args:
        setting: the name of the setting, for errors.
        value: the value to check; NumPy numbers are accepted as numbers.
        kind: the kind of the setting.

    Returns:
        The value, converted to the kind.

    Raises:
        SettingError: the value is of another kind or out of bounds.
    """
    if not has_text(kind):
        return value  # such as an array or a function, which no file or option can contain
    # The ValidationError of pydantic is a ValueError.
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        return _adapter(kind).validate_json(as_json(value))
    allowed = in_words(kind)
    values = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(x, float) and not math.isfinite(x) for x in values):
        allowed = allowed.replace("a number", "a finite number")
    raise SettingError(setting, _shown(value, kind), allowed)


def from_text(setting: str, text: str, kind: Any) -> Any:
    """Parse a value of a kind from the command line; strings need no quotes.

    Raises:
        SettingError: the text is not a value of that kind.
    """
    for candidate in (text, json.dumps(text)):
        with contextlib.suppress(ValueError):
            return _adapter(kind).validate_json(candidate)
    raise SettingError(setting, _shown(text, kind), in_words(kind))


def as_json(value: Any) -> str:
    """Write a value of any kind as a text that `from_text` reads back.

    Raises:
        TypeError, ValueError: JSON cannot represent the value.
    """
    return json.dumps(value, default=_plain)


def kinds_of(make: Callable[..., Any]) -> dict[str, Any]:
    """Return the kinds of the parameters of a function or class, by name.

    Parameters that are passed on as `**settings: Unpack[Kinds]` are included. Parameters without
    annotation have the kind `Any`.
    """
    inner: Any = make
    while isinstance(inner, functools.partial):
        inner = inner.func
    hints = _hints(inner)
    known: dict[str, Any] = {}
    for name, parameter in inspect.signature(make).parameters.items():
        kind = hints.get(name, Any)
        if typing.get_origin(kind) is typing.Unpack:
            known |= typing.get_type_hints(*typing.get_args(kind), include_extras=True)
        elif parameter.kind is parameter.VAR_KEYWORD:
            known["**"] = kind  # any name is accepted
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            known[name] = kind
    return known


def _hints(make: Any) -> dict[str, Any]:
    if isinstance(make, type) and not dataclasses.is_dataclass(make):
        make = make.__init__
    with contextlib.suppress(NameError):
        return typing.get_type_hints(make, include_extras=True)
    # Some names are imported for type checkers only: evaluate the annotations one by one.
    scope = vars(sys.modules[make.__module__])
    hints = {}
    for name, hint in getattr(make, "__annotations__", {}).items():
        with contextlib.suppress(NameError):
            one = types.SimpleNamespace(__annotations__={name: hint})
            hints |= typing.get_type_hints(one, scope, include_extras=True)
    return hints


def shown(value: Any) -> Any:
    """Return a value whose `repr` is short enough for a message."""

    class Short:
        def __repr__(self) -> str:
            return text

    if isinstance(value, int) and value.bit_length() > 200:
        text = f"a number of {value.bit_length()} bits"
        return Short()
    text = reprlib.repr(value)
    plain = value is None or isinstance(value, bool | int | float | str | os.PathLike)
    return value if plain and len(str(value)) <= 80 else Short()


def _shown(value: Any, kind: Any) -> Any:
    hidden = any(isinstance(part, Hidden) for part in typing.get_args(kind))
    return HIDDEN if hidden else shown(value)


def _plain(value: Any) -> Any:
    """Convert types that JSON does not have: NumPy and JAX numbers, and paths."""
    return value.item() if hasattr(value, "item") else os.fspath(value)


@functools.lru_cache(maxsize=512)
def _adapter(kind: Any) -> "pydantic.TypeAdapter[Any]":
    import pydantic  # imported here so that help pages stay fast

    strict = pydantic.ConfigDict(strict=True, allow_inf_nan=False)
    return pydantic.TypeAdapter(kind, config=strict)
