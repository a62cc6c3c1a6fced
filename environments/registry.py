"""Environments by name, and the settings that wrap any of them."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from didact.common.errors import SettingError
from didact.common.registry import Entry, Registry, suggest
from didact.common.setting_types import kinds_of
from didact.common.settings import (
    UnknownSetting,
    accepted,
    described,
    from_texts,
    require,
)
from didact.environments.base import Environment

__all__ = [
    "ENVIRONMENTS",
    "WRAPPER_SETTINGS",
    "Entry",
    "WrapperSetting",
    "make",
    "make_from_texts",
    "register",
    "register_wrapper_setting",
    "registered",
    "settings_of",
    "suggest",
    "wrapper_settings",
]

ENVIRONMENTS: Registry[Entry] = Registry("environment", Entry, "didact.environments")


@dataclasses.dataclass(frozen=True)
class WrapperSetting(Entry):
    """A setting of environments that wraps them: what it does, and where it can be used.

    `make` is from an environment and the setting's value to the environment with it.
    """

    fits: Callable[[Environment], bool] = lambda environment: True
    kind: Any = str


# Also of this package's own students, of which nothing is imported here: of formulas and rewards.
WRAPPER_SETTINGS: Registry[WrapperSetting] = Registry("setting", WrapperSetting, "didact.settings")


def register(name: str, make: Callable[..., Environment], description: str) -> None:
    """Makes `make(name)` known; `make(**settings)` must return an `Environment`.

    Raises:
        SettingError: the name is taken.
    """
    ENVIRONMENTS.register(name, make, description)


def registered() -> tuple[Entry, ...]:
    """All entries, in the order they were registered."""
    return ENVIRONMENTS.entries()


def register_wrapper_setting(
    name: str,
    wrap: Callable[[Environment, Any], Environment],
    fits: Callable[[Environment], bool],
    kind: Any = str,
) -> None:
    """Gives a setting `name` to all environments that it fits.

    Args:
        name: of the setting.
        wrap: from an environment and the setting's value to the environment with it.
        fits: which environments have it.
        kind: of its values. With `str` all values come as text, as in "true" and "3".

    Raises:
        SettingError: the name is taken.
    """
    WRAPPER_SETTINGS.register(name, wrap, "", fits=fits, kind=kind)


def wrapper_settings() -> dict[str, WrapperSetting]:
    """The settings that wrap environments, by name."""
    return dict(WRAPPER_SETTINGS)


def settings_of(name: str) -> dict[str, str]:
    """What the environment's settings must be, in words, by name; without additions."""
    return described(kinds_of(ENVIRONMENTS.find(name).make))


def make(name: str, **settings: Any) -> Environment:
    """The environment registered under `name`.

    Args:
        name: as it is registered; upper and lower case count only where names differ in nothing
            else.
        settings: the environment's own, and those that wrap it, such as
            `make("Office", formula="F coffee")`. Values may also be texts, as on the command line.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    return _made(name, settings, accepted)


def make_from_texts(name: str, texts: Mapping[str, str]) -> Environment:
    """`make` with settings as they are written on the command line, by name."""
    return _made(name, texts, from_texts)


def _made(name: str, settings: Mapping[str, Any], read: Callable[..., Any]) -> Environment:
    entry = ENVIRONMENTS.find(name)
    kinds = kinds_of(entry.make)
    wrapping = {addition.name: addition for addition in WRAPPER_SETTINGS.loaded()}
    if any(key not in kinds and key not in wrapping for key in settings):
        wrapping = wrapper_settings()
    wrapping = {key: addition for key, addition in wrapping.items() if key not in kinds}
    own = {key: value for key, value in settings.items() if key not in wrapping}
    try:
        own = read(own, kinds, "environment")
    except UnknownSetting as error:
        known = (*error.known, *_fitting(entry))
        raise UnknownSetting(error.setting, error.value, known, "environment") from None
    require(entry.make, own, kinds)
    environment = entry.make(**own)
    environment.name = entry.name
    for key, addition in wrapping.items():  # in the order in which they were registered
        if key in settings:
            if not addition.fits(environment):
                allowed = f"left out with {entry.name}, which has nothing for it"
                raise SettingError(key, settings[key], allowed)
            environment = addition.make(environment, _value(key, settings[key], addition.kind))
    return environment


def _fitting(entry: Entry) -> list[str]:
    """The settings that wrap this environment, as it is without settings."""
    try:
        plain = entry.make()
    except (SettingError, TypeError):  # it needs some
        return []
    return [key for key, addition in WRAPPER_SETTINGS.items() if addition.fits(plain)]


def _value(name: str, value: Any, kind: Any) -> Any:
    """The value of a setting that wraps."""
    if kind is not str:
        return accepted({name: value}, {name: kind}, "environment")[name]
    plain = value is None or isinstance(value, bool | int | float | list | tuple | Mapping)
    return json.dumps(value) if plain else str(value)
