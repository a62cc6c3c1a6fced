"""Settings as dataclasses: validate them, write them as plain JSON, and read them back.

The annotations of the fields define the allowed values (see `setting_types`). Nothing is checked
when a dataclass is created, so that errors can name the option or file a value comes from.
"""

import dataclasses
import difflib
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from didact.common.errors import SettingError
from didact.common.extensions import OPTION
from didact.common.registry import suggest
from didact.common.setting_types import (
    from_text,
    has_text,
    in_words,
    kinds_of,
    shown,
    value_of,
    without_null,
)

T = TypeVar("T")
Kinds = Mapping[str, Any]  # from the name of a setting to its annotation
Path = tuple[str, ...]  # names from the outermost settings inwards


@dataclasses.dataclass(frozen=True)
class Names:
    """How errors name a setting: "ppo.clip", "--ppo.clip", "ppo.clip in config.yaml".

    Attributes:
        prefix: put before the dotted name; with "--", names are written as options.
        source: the file that the values come from, or "".
    """

    prefix: str = ""
    source: str = ""

    def of(self, path: Path) -> str:
        """Return the name of the setting at a path, or of all settings together at ()."""
        if not path:
            return self.source or "settings"
        dotted = ".".join(map(str, path))
        if self.prefix.startswith("--"):
            if path == ("imports",):
                return OPTION
            dotted = dotted.replace("_", "-")
        return self.prefix + dotted + (f" in {self.source}" if self.source else "")


def checked(settings: T, prefix: str = "") -> T:
    """Validate settings, converting lists to tuples and integers to floats where needed.

    Args:
        settings: a dataclass instance.
        prefix: put before names in errors, such as "ppo."; "--" for options.

    Raises:
        SettingError: a value is of the wrong kind or out of bounds.
    """
    return updated(settings, fields_of(settings), Names(prefix))


def updated(settings: T, values: Any, names: Names, path: Path = ()) -> T:
    """Replace some values of settings and validate the new ones.

    Args:
        settings: a dataclass instance; values that are not replaced are kept.
        values: a mapping from names to values, as read from JSON or YAML; None changes nothing.
        names: how errors name the settings.
        path: the path of `settings` within the outermost settings.

    Raises:
        SettingError: a name is unknown, or a value is of the wrong kind or out of bounds.
    """
    if values is None:
        return settings
    if not isinstance(values, Mapping):
        raise SettingError(names.of(path), shown(values), "a mapping from names to values")
    kinds = kinds_of(type(settings))
    result: dict[str, Any] = {}
    for key, value in values.items():
        field = key.replace("-", "_") if isinstance(key, str) else key
        if not isinstance(field, str) or field not in kinds:
            dotted = [".".join((*path, name)) for name in kinds]
            wrong = shown(".".join((*path, str(shown(key)))))
            source = f" in {names.source}" if names.source else ""
            raise suggest(f"setting{source}", wrong, dotted)
        here = (*path, field)
        if field in result:
            raise SettingError(names.of(here), shown(value), "given once")
        inner, kind = getattr(settings, field), kinds[field]
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            whole = isinstance(value, kind)
            if not whole and not isinstance(inner, kind):
                raise SettingError(names.of(here), shown(value), f"a {kind.__name__}")
            base, part = (value, fields_of(value)) if whole else (inner, value)
            result[field] = updated(base, part, names, here)
        elif _is_settings(value):
            result[field] = updated(value, fields_of(value), names, here)
        else:
            result[field] = value_of(names.of(here), value, kind)
    return dataclasses.replace(settings, **result)  # type: ignore[type-var]


def check_numbers(settings: Any, names: Names = Names("--"), path: Path = ()) -> None:
    """Check that the numbers among settings are finite and within the bounds of their kinds.

    Other values are not checked: options of commands may have kinds that no file contains.

    Raises:
        SettingError: a number is out of bounds.
    """
    kinds = kinds_of(type(settings))
    for name, value in fields_of(settings).items():
        here = (*path, name)
        if _is_settings(value):
            check_numbers(value, names, here)
        elif all(map(_is_number, value if isinstance(value, tuple) else (value,))):
            value_of(names.of(here), value, without_null(kinds.get(name, Any)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_settings(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def plain(settings: Any) -> dict[str, Any]:
    """Convert settings to dictionaries, lists and other JSON values."""

    def of(value: Any) -> Any:
        if _is_settings(value):
            return {name: of(part) for name, part in fields_of(value).items()}
        if isinstance(value, tuple | list):
            return [of(part) for part in value]
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    return of(settings)


def fields_of(settings: Any) -> dict[str, Any]:
    """Return the values of a dataclass's fields, by name."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Split NAME=VALUE texts into a dictionary.

    Raises:
        SettingError: a text is not of that form, or a name is given twice.
    """
    result = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise SettingError(option, text, "of the form NAME=VALUE")
        name = name.strip().replace("-", "_")
        if name in result:
            raise SettingError(option, text, f"given once ({name} is repeated)")
        result[name] = value.strip()
    return result


class UnknownSetting(SettingError):
    """An unknown setting; `value` is its name, and `known` the names that exist."""

    def __init__(self, setting: str, name: object, known: Sequence[str], whose: str):
        self.known = tuple(known)
        listed = ", ".join(known) or f"nothing: this {whose} has no settings"
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
        hint = f" (did you mean {near[0]}?)" if near else ""
        super().__init__(setting, name, f"one of {listed}{hint}")


def parsed(option: str, texts: Sequence[str], kinds: Kinds, whose: str) -> dict[str, Any]:
    """Parse NAME=VALUE texts into values of their kinds.

    Args:
        option: the name of the option, for errors.
        texts: the texts of the form NAME=VALUE.
        kinds: the kind of each setting.
        whose: the owner of the settings, such as "environment", for errors.

    Raises:
        UnknownSetting: a setting does not exist.
        SettingError: a value is of the wrong kind.
    """
    return from_texts(pairs(option, texts), kinds, whose, option)


def from_texts(
    texts: Mapping[str, str], kinds: Kinds, whose: str, option: str = ""
) -> dict[str, Any]:
    """Parse texts by name; otherwise like `parsed`."""
    known = {name: kind for name, kind in kinds.items() if has_text(kind)}
    result: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in known:
            raise UnknownSetting(option or "setting", name, tuple(known), whose)
        result[name] = from_text(f"{option} {name}".strip(), text, known[name])
    return result


def accepted(settings: Mapping[str, Any], kinds: Kinds, whose: str) -> dict[str, Any]:
    """Validate settings given in Python; strings are parsed as on the command line.

    Args:
        settings: values by name.
        kinds: the kind of each setting; if "**" is among them, other settings pass unchecked.
        whose: the owner of the settings, such as "environment", for errors.

    Raises:
        UnknownSetting: a setting does not exist.
        SettingError: a value is of the wrong kind.
    """
    result = {}
    for name, value in settings.items():
        if name not in kinds and "**" not in kinds:
            known = tuple(name for name, kind in kinds.items() if has_text(kind))
            raise UnknownSetting("setting", name, known, whose)
        kind = kinds.get(name, Any)
        try:
            result[name] = value_of(name, value, kind)
        except SettingError:
            if not isinstance(value, str):
                raise
            result[name] = from_text(name, value, kind)
    return result


def require(make: Callable[..., Any], given: Collection[str], kinds: Kinds) -> None:
    """Raise a SettingError if a parameter without default is not among the given ones."""
    for name, parameter in inspect.signature(make).parameters.items():
        many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not many and name not in given:
            raise SettingError(name, None, f"given, as {in_words(kinds[name])}")


def described(kinds: Kinds) -> dict[str, str]:
    """Describe the kinds of all settings that can be given as text, by name."""
    return {name: in_words(kind) for name, kind in kinds.items() if has_text(kind)}


def defaults(make: Callable[..., Any]) -> dict[str, Any]:
    """Return the default values of the parameters of a function, by name."""
    parameters = inspect.signature(make).parameters.items()
    return {name: p.default for name, p in parameters if p.default is not p.empty}


def flat_kinds(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Return the kinds of a dataclass's settings by dotted name, such as "network.hidden".

    Args:
        settings: a dataclass instance.
        prefix: put before all names.
    """
    result = {}
    for name, kind in kinds_of(type(settings)).items():
        value = getattr(settings, name)
        if _is_settings(value):
            result |= flat_kinds(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = kind
    return result


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested values to dotted names; the inverse of `nested`."""
    result = {}
    for name, value in values.items():
        inner = isinstance(value, Mapping)
        result |= flat(value, f"{prefix}{name}.") if inner else {prefix + name: value}
    return result


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values by dotted names: {"network.hidden": 8} becomes {"network": {"hidden": 8}}."""
    result: dict[str, Any] = {}
    for dotted, value in values.items():
        *outer, last = dotted.split(".")
        part = result
        for name in outer:
            part = part.setdefault(name, {})
        part[last] = value
    return result
