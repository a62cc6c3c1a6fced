"""Settings told in words, NAME=VALUE, as command lines and cards of policies have them."""

import contextlib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pydantic

from didact.environments.base import Environment
from didact.environments.errors import SettingError
from didact.environments.registry import additions, make, registered, suggest


def make_told(
    name: str,
    texts: Sequence[str] = (),
    name_option: str = "environment",
    settings_option: str = "environment setting",
) -> Environment:
    """The environment of a name, with settings told by NAME=VALUE texts.

    Args:
        name: as it is registered.
        texts: settings, as in phrasing=test.
        name_option, settings_option: what the two are called in errors.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    makers = {entry.name: entry.make for entry in registered()}
    if name not in makers:  # "office" is Office, as long as no other name is as near
        alike = [known for known in makers if known.lower() == name.lower()]
        name = alike[0] if len(alike) == 1 else name
    if name not in makers:
        raise suggest(name_option, name, list(makers))
    wrappers = additions()
    told = pairs(settings_option, texts)
    own = [f"{setting}={value}" for setting, value in told.items() if setting not in wrappers]
    kinds = _told_in_words(makers[name])

    def fitting():
        plain = make(name)
        return [setting for setting, wrapper in wrappers.items() if wrapper.fits(plain)]

    settings = parsed(settings_option, own, kinds, "environment", also=fitting)
    try:
        environment = make(name, **settings)
        for setting, wrapper in wrappers.items():  # in the order in which they were registered
            if setting in told:
                if not wrapper.fits(environment):
                    allowed = f"left out with {name}, which has nothing for it"
                    raise SettingError(setting, told[setting], allowed)
                environment = wrapper.wrap(environment, told[setting])
        return environment
    except SettingError as error:
        if error.setting not in told:
            raise
        raise SettingError(
            f"{settings_option} {error.setting}", error.value, error.allowed
        ) from None


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts as a dictionary.

    Raises:
        SettingError: a text is not of that form, or a name is told twice.
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


def parsed(
    option: str,
    texts: Sequence[str],
    kinds: dict[str, Any],
    whose: str,
    also: Callable[[], Iterable[str]] = tuple,
) -> dict[str, Any]:
    """NAME=VALUE texts as values of their kinds.

    Args:
        option: what the texts are called in errors.
        texts: what was said.
        kinds: the type of each setting there is.
        whose: what has these settings, for errors.
        also: names settings that are told elsewhere, for errors.

    Raises:
        SettingError: there is no such setting, or the value is of another kind.
    """
    settings: dict[str, Any] = {}
    for name, text in pairs(option, texts).items():
        if name not in kinds:
            listed = ", ".join((*kinds, *also())) or f"nothing: this {whose} has no settings"
            raise SettingError(option, name, f"one of {listed}")
        settings[name] = _parsed(f"{option} {name}", text, kinds[name])
    return settings


def _told_in_words(maker: Callable[..., Any]) -> dict[str, Any]:
    """Those parameters of a function that words and numbers can tell, with their kinds.

    What is passed on, `**settings: Unpack[Kinds]`, counts as well.
    """
    inner: Any = maker
    while isinstance(inner, functools.partial):
        inner = inner.func
    kinds = typing.get_type_hints(inner.__init__ if isinstance(inner, type) else inner)
    known: dict[str, Any] = {}
    for name in inspect.signature(maker).parameters:
        kind = kinds.get(name)
        if typing.get_origin(kind) is typing.Unpack:
            known |= typing.get_type_hints(*typing.get_args(kind))
        else:
            known[name] = kind
    return {name: kind for name, kind in known.items() if _can_be_told(kind)}


def _can_be_told(kind: Any) -> bool:
    """Whether words and numbers, or some of them, can be of a kind."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union, tuple):
        parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return all(map(_can_be_told, parts))
    return kind in (bool, int, float, str)


def _parsed(setting: str, text: str, kind: Any) -> Any:
    """A text as a value of its kind; words need no quotes."""
    adapter = pydantic.TypeAdapter(kind)
    for candidate in (text, f'"{text}"'):
        with contextlib.suppress(pydantic.ValidationError):
            return adapter.validate_json(candidate, strict=True)
    told = kind.__name__ if isinstance(kind, type) else str(kind)
    raise SettingError(setting, text, f"of the kind {told}")
