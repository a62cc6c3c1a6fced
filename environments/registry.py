"""Environments by name."""

import dataclasses
import difflib
from collections.abc import Callable
from typing import Any

from didact.environments.base import Environment
from didact.environments.errors import SettingError


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered environment: how to make it, and one line saying what it is."""

    name: str
    make: Callable[..., Environment]
    description: str


@dataclasses.dataclass(frozen=True)
class Addition:
    """A setting of environments that wraps them: what it does, and where it can be used."""

    wrap: Callable[[Environment, str], Environment]
    fits: Callable[[Environment], bool]


_entries: dict[str, Entry] = {}
_additions: dict[str, Addition] = {}


def register(name: str, make: Callable[..., Environment], description: str) -> None:
    """Makes `make(name)` known; `make(**settings)` must return an `Environment`.

    Raises:
        SettingError: the name is taken.
    """
    if name in _entries:
        raise SettingError("environment", name, "a name that is not registered yet")
    _entries[name] = Entry(name, make, description)


def registered() -> tuple[Entry, ...]:
    """All entries, in the order they were registered."""
    return tuple(_entries.values())


def register_addition(
    name: str,
    wrap: Callable[[Environment, str], Environment],
    fits: Callable[[Environment], bool],
) -> None:
    """Gives a setting `name` to all environments that it fits, wherever settings are told in words.

    Args:
        name: of the setting.
        wrap: from an environment and the setting's text to the environment with it.
        fits: which environments have it.

    Raises:
        SettingError: the name is taken.
    """
    if name in _additions:
        raise SettingError("setting", name, "a name that is not registered yet")
    _additions[name] = Addition(wrap, fits)


def additions() -> dict[str, Addition]:
    """The settings that wrap environments, by name."""
    return dict(_additions)


def suggest(setting: str, value: str, known: list[str]) -> SettingError:
    """The error for a name nobody knows, with the nearest known names (or all, if few)."""
    near = difflib.get_close_matches(value, known, n=3, cutoff=0.5)
    names = near or known[:8]
    return SettingError(setting, value, "a known name, such as " + ", ".join(names))


def make(name: str, **settings: Any) -> Environment:
    """The environment registered under `name`.

    Raises:
        SettingError: nobody registered that name.
        TypeError: the environment does not know one of the settings.
    """
    if name not in _entries:
        raise suggest("environment", name, list(_entries))
    environment = _entries[name].make(**settings)
    environment.name = name
    return environment
