"""Teachers by name."""

import dataclasses
from collections.abc import Callable
from typing import Any

from didact.environments.errors import SettingError
from didact.environments.registry import suggest
from didact.environments.spaces import TaskSpace
from didact.teachers.base import Teacher


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered teacher: how to make it, and one line saying what it is."""

    name: str
    make: Callable[..., Teacher]
    description: str


_entries: dict[str, Entry] = {}


def register(name: str, make: Callable[..., Teacher], description: str) -> None:
    """Makes `make(name, space)` known; `make(space, **settings)` must return a `Teacher`.

    Raises:
        SettingError: the name is taken.
    """
    if name in _entries:
        raise SettingError("teacher", name, "a name that is not registered yet")
    _entries[name] = Entry(name, make, description)


def registered() -> tuple[Entry, ...]:
    """All entries, in the order they were registered."""
    return tuple(_entries.values())


def make(name: str, space: TaskSpace, **settings: Any) -> Teacher:
    """The teacher registered under `name`, for the tasks of `space`.

    Raises:
        SettingError: nobody registered that name, or a setting is out of its range.
        TypeError: the teacher does not know one of the settings.
    """
    if name not in _entries:
        raise suggest("teacher", name, list(_entries))
    return _entries[name].make(space, **settings)
