"""The registry of environments, and of the settings that wrap any environment."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from didact.common import gymnasium_ids
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


class Environments(Registry[Entry]):
    """The registry of environments. Each one is also registered with gymnasium."""

    def register(self, name: str, make: Callable[..., Any], description: str, **more: Any) -> None:
        super().register(name, make, description, **more)
        try:
            gymnasium_ids.register(name)
        except SettingError:
            del self._entries[name]
            raise


ENVIRONMENTS: Registry[Entry] = Environments("environment", Entry, "didact.environments")


@dataclasses.dataclass(frozen=True)
class WrapperSetting(Entry):
    """A setting that wraps an environment.

    Attributes:
        make: maps an environment and the value of the setting to the wrapped environment.
        fits: whether an environment has this setting.
        kind: the annotation of its values.
    """

    fits: Callable[[Environment], bool] = lambda environment: True
    kind: Any = str


# The entry points include those of this package's own students (formulas and rewards), which are
# not imported here.
WRAPPER_SETTINGS: Registry[WrapperSetting] = Registry("setting", WrapperSetting, "didact.settings")


def register(name: str, make: Callable[..., Environment], description: str) -> None:
    """Register an environment, also with gymnasium as `didact/NAME`.

    Args:
        name: the name to register.
        make: a function or class; `make(**settings)` must return an `Environment`.
        description: one line.

    Raises:
        SettingError: the name is taken.
    """
    ENVIRONMENTS.register(name, make, description)


def registered() -> tuple[Entry, ...]:
    """Return all entries, in the order of registration."""
    return ENVIRONMENTS.entries()


def register_wrapper_setting(
    name: str,
    wrap: Callable[[Environment, Any], Environment],
    fits: Callable[[Environment], bool],
    kind: Any = str,
) -> None:
    """Register a setting of all environments that it fits.

    Args:
        name: the name of the setting.
        wrap: maps an environment and the value of the setting to the wrapped environment.
        fits: whether an environment has this setting.
        kind: the annotation of its values. With `str`, all values are passed as text, such as
            "true" and "3".

    Raises:
        SettingError: the name is taken.
    """
    WRAPPER_SETTINGS.register(name, wrap, "", fits=fits, kind=kind)


def wrapper_settings() -> dict[str, WrapperSetting]:
    """Return the settings that wrap environments, by name."""
    return dict(WRAPPER_SETTINGS)


def settings_of(name: str) -> dict[str, str]:
    """Describe the environment's own settings in words, by name."""
    return described(kinds_of(ENVIRONMENTS.find(name).make))


def make(name: str, **settings: Any) -> Environment:
    """Create an environment.

    Args:
        name: the registered name. Case is ignored as long as the name is unambiguous.
        settings: the environment's own settings, and settings that wrap it, such as
            `make("Office", formula="F coffee")`. Values may also be strings, as on the command
            line.

    Raises:
        SettingError: the name, a setting or a value is invalid.
    """
    return _made(name, settings, accepted)


def make_from_texts(name: str, texts: Mapping[str, str]) -> Environment:
    """Create an environment with settings given as text, as on the command line."""
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
        known = tuple(dict.fromkeys((*error.known, *_fitting(entry))))
        raise UnknownSetting(error.setting, error.value, known, "environment") from None
    require(entry.make, own, kinds)
    environment = entry.make(**own)
    environment.name = entry.name
    for key, addition in wrapping.items():  # in the order of registration
        if key in settings:
            if not addition.fits(environment):
                allowed = f"omitted with {entry.name}, which does not support it"
                raise SettingError(key, settings[key], allowed)
            environment = addition.make(environment, _value(key, settings[key], addition.kind))
    return environment


def _fitting(entry: Entry) -> list[str]:
    """Return the settings that can wrap this environment when it is made without settings."""
    try:
        plain = entry.make()
    except (SettingError, TypeError):  # some settings are required
        return []
    return [key for key, addition in WRAPPER_SETTINGS.items() if addition.fits(plain)]


def _value(name: str, value: Any, kind: Any) -> Any:
    """Return the value of a wrapper setting, converted to its kind."""
    if kind is not str:
        return accepted({name: value}, {name: kind}, "environment")[name]
    plain = value is None or isinstance(value, bool | int | float | list | tuple | Mapping)
    return json.dumps(value) if plain else str(value)
