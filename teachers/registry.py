"""The registry of teachers."""

from collections.abc import Callable
from typing import Any

from didact.common.registry import Entry, Registry
from didact.common.setting_types import kinds_of
from didact.common.settings import UnknownSetting, accepted, require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher

__all__ = ["TEACHERS", "Entry", "make", "register", "registered", "settings_of"]

TEACHERS: Registry[Entry] = Registry("teacher", Entry, "didact.teachers")


def register(name: str, make: Callable[..., Teacher], description: str) -> None:
    """Register a teacher.

    Args:
        name: the name to register.
        make: a function; `make(space, **settings)` must return a `Teacher`.
        description: one line.

    Raises:
        SettingError: the name is taken.
    """
    TEACHERS.register(name, make, description)


def registered() -> tuple[Entry, ...]:
    """Return all entries, in the order of registration."""
    return TEACHERS.entries()


def settings_of(name: str) -> dict[str, Any]:
    """Return the kinds of a teacher's settings by name: its parameters after the space.

    Raises:
        SettingError: the name is unknown.
    """
    return dict(list(kinds_of(TEACHERS.find(name).make).items())[1:])


def make(name: str, space: TaskSpace, **settings: Any) -> Teacher:
    """Create a teacher.

    Args:
        name: the registered name.
        space: the tasks to choose from.
        settings: the teacher's settings. Values may also be strings, as on the command line.

    Raises:
        SettingError: the name, a setting or a value is invalid.
    """
    entry, kinds = TEACHERS.find(name), settings_of(name)
    try:
        settings = accepted(settings, kinds, "teacher")
    except UnknownSetting as error:
        raise UnknownSetting(f"setting of {name}", error.value, error.known, "teacher") from None
    first = next(iter(kinds_of(entry.make)))
    require(entry.make, {first, *settings}, kinds)
    return entry.make(space, **settings)
