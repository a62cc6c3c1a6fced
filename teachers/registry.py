"""Teachers by name."""

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
    """Makes `make(name, space)` known; `make(space, **settings)` must return a `Teacher`.

    Raises:
        SettingError: the name is taken.
    """
    TEACHERS.register(name, make, description)


def registered() -> tuple[Entry, ...]:
    """All entries, in the order they were registered."""
    return TEACHERS.entries()


def settings_of(name: str) -> dict[str, Any]:
    """The kinds of a teacher's settings by name: its parameters after the space.

    Raises:
        SettingError: nothing is registered under that name.
    """
    return dict(list(kinds_of(TEACHERS.find(name).make).items())[1:])


def make(name: str, space: TaskSpace, **settings: Any) -> Teacher:
    """The teacher registered under `name`, for the tasks of `space`.

    Args:
        name: as it is registered.
        space: the tasks to choose from.
        settings: the teacher's own; values may also be texts, as on the command line.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    entry, kinds = TEACHERS.find(name), settings_of(name)
    try:
        settings = accepted(settings, kinds, "teacher")
    except UnknownSetting as error:
        raise UnknownSetting(f"setting of {name}", error.value, error.known, "teacher") from None
    first = next(iter(kinds_of(entry.make)))
    require(entry.make, {first, *settings}, kinds)
    return entry.make(space, **settings)
