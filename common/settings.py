"""Settings as dataclasses: checked, written as plain JSON, and read back from it.

The fields' annotations say what is allowed (`kinds`); nothing is checked while one is made, so that
command lines and files can name what is wrong in their own words.
"""

import dataclasses
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from didact.common.errors import SettingError
from didact.common.registry import suggest
from didact.common.setting_types import from_text, has_text, in_words, kinds_of, shown, value_of

T = TypeVar("T")
Kinds = Mapping[str, Any]  # annotations by the names of settings
Path = tuple[str, ...]  # of names, from the outermost settings inwards


@dataclasses.dataclass(frozen=True)
class Names:
    """What errors call settings: "ppo.clip", "--ppo.clip", "ppo.clip in config.yaml".

    Attributes:
        prefix: before a setting's dotted name; with "--" names are written as options.
        source: the file that the values are from, if they are.
    """

    prefix: str = ""
    source: str = ""

    def of(self, path: Path) -> str:
        """The setting at a path; all of them together at ()."""
        if not path:
            return self.source or "settings"
        dotted = ".".join(map(str, path))
        if self.prefix.startswith("--"):
            dotted = dotted.replace("_", "-")
        return self.prefix + dotted + (f" in {self.source}" if self.source else "")


def checked(settings: T, prefix: str = "") -> T:
    """The same settings, with lists as tuples and whole numbers as floats where kinds say so.

    Args:
        settings: an instance of a dataclass.
        prefix: what errors put before a name, as in "ppo."; "--" for options.

    Raises:
        SettingError: a value is of another kind or out of its bounds.
    """
    return updated(settings, fields_of(settings), Names(prefix))


def updated(settings: T, values: Any, names: Names, path: Path = ()) -> T:
    """Settings with some of their values replaced, all of them checked.

    Args:
        settings: an instance of a dataclass; what `values` leaves out stays as it is there.
        values: a mapping from names to values, as JSON or YAML have them; None is an empty one.
        names: what errors call the settings.
        path: of `settings` within the outermost ones.

    Raises:
        SettingError: a name is unknown, or a value is of another kind or out of its bounds.
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


def _is_settings(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON has them."""

    def of(value: Any) -> Any:
        if _is_settings(value):
            return {name: of(part) for name, part in fields_of(value).items()}
        if isinstance(value, tuple | list):
            return [of(part) for part in value]
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    return of(settings)


def fields_of(settings: Any) -> dict[str, Any]:
    """The values of a dataclass's fields, by name."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts as a dictionary.

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
            raise SettingError(option, text, f"given once ({name} is there already)")
        result[name] = value.strip()
    return result


class UnknownSetting(SettingError):
    """The setting does not exist; `value` is its name, `known` those that do."""

    def __init__(self, setting: str, name: object, known: Sequence[str], whose: str):
        self.known = tuple(known)
        listed = ", ".join(known) or f"nothing: this {whose} has no settings"
        super().__init__(setting, name, f"one of {listed}")


def parsed(option: str, texts: Sequence[str], kinds: Kinds, whose: str) -> dict[str, Any]:
    """NAME=VALUE texts as values of their kinds.

    Args:
        option: what the texts are called in errors.
        texts: what the user wrote.
        kinds: the kind of each setting.
        whose: what has these settings, for errors.

    Raises:
        UnknownSetting: there is no such setting.
        SettingError: the value is of another kind.
    """
    return from_texts(pairs(option, texts), kinds, whose, option)


def from_texts(
    texts: Mapping[str, str], kinds: Kinds, whose: str, option: str = ""
) -> dict[str, Any]:
    """As `parsed`, of texts by name."""
    known = {name: kind for name, kind in kinds.items() if has_text(kind)}
    result: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in known:
            raise UnknownSetting(option or "setting", name, tuple(known), whose)
        result[name] = from_text(f"{option} {name}".strip(), text, known[name])
    return result


def accepted(settings: Mapping[str, Any], kinds: Kinds, whose: str) -> dict[str, Any]:
    """Settings given in Python as values of their kinds; texts are read as on the command line.

    Args:
        settings: by name.
        kinds: the kind of each setting; with "**" among them there may be others, unchecked.
        whose: what has these settings, for errors.

    Raises:
        UnknownSetting: there is no such setting.
        SettingError: the value is of another kind.
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
    """Raises a SettingError if a function has a parameter without a default that is not given."""
    for name, parameter in inspect.signature(make).parameters.items():
        many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not many and name not in given:
            raise SettingError(name, None, f"given, as {in_words(kinds[name])}")


def described(kinds: Kinds) -> dict[str, str]:
    """What each setting that can be given as a text must be, by name."""
    return {name: in_words(kind) for name, kind in kinds.items() if has_text(kind)}


def flat_kinds(settings: Any, prefix: str = "") -> dict[str, Any]:
    """The kinds of a dataclass's settings by dotted name, as in "network.hidden".

    Args:
        settings: an instance.
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
    """The inverse of `nested`: values by dotted names."""
    result = {}
    for name, value in values.items():
        inner = isinstance(value, Mapping)
        result |= flat(value, f"{prefix}{name}.") if inner else {prefix + name: value}
    return result


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted names as a tree: {"network.hidden": 8} is {"network": {"hidden": 8}}."""
    result: dict[str, Any] = {}
    for dotted, value in values.items():
        *outer, last = dotted.split(".")
        part = result
        for name in outer:
            part = part.setdefault(name, {})
        part[last] = value
    return result
