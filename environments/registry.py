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


_entries: dict[str, Entry] = {}


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
