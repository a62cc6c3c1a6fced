"""The registry of teachers."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Literal

from didact.common import registry
from didact.common.registry import Registry
from didact.common.setting_types import kinds_of
from didact.common.settings import UnknownSetting, accepted, require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher
from didact.teachers.descriptions import ABOUT
from didact.teachers.presets import PRESETS

__all__ = [
    "FIELDS",
    "TEACHERS",
    "Entry",
    "about",
    "make",
    "register",
    "registered",
    "settings_of",
    "starts_easy",
]


@dataclasses.dataclass(frozen=True)
class Entry(registry.Entry):
    """A registered teacher.

    Attributes:
        paper: the source of the algorithm.
        needs: what it requires beyond a task space and outcomes: expert knowledge, levels, scores
            of the student, a solver, a proposer.
        good: what it is good at.
        bad: what it is bad at.
    """

    paper: str = ""
    needs: str = ""
    good: str = ""
    bad: str = ""


FIELDS = ("paper", "needs", "good", "bad")  # of an entry, in the order in which they are shown
TEACHERS: Registry[Entry] = Registry("teacher", Entry, "didact.teachers")


def register(
    name: str,
    make: Callable[..., Teacher],
    description: str,
    *,
    paper: str = "",
    needs: str = "",
    good: str = "",
    bad: str = "",
) -> None:
    """Register a teacher.

    Args:
        name: the name to register.
        make: a function; `make(space, **settings)` must return a `Teacher`.
        description: one line.
        paper, needs, good, bad: see `Entry`; one line each. They appear in `didact list teachers`.

    Raises:
        SettingError: the name is taken.
    """
    given = dict(zip(FIELDS, (paper, needs, good, bad), strict=True))
    fields = ABOUT.get(name, {}) | {key: text for key, text in given.items() if text}
    TEACHERS.register(name, make, description, **fields)


def registered() -> tuple[Entry, ...]:
    """Return all entries, in the order of registration."""
    return TEACHERS.entries()


def about(entry: Entry) -> dict[str, str]:
    """Return the description of a teacher and the fields that are not empty, by name."""
    names = ("description", *FIELDS)
    return {name: getattr(entry, name) for name in names if getattr(entry, name)}


def settings_of(name: str) -> dict[str, Any]:
    """Return the kinds of a teacher's settings by name: its parameters after the space.

    A teacher with presets also has the setting `preset`.

    Raises:
        SettingError: the name is unknown.
    """
    entry = TEACHERS.find(name)
    kinds = dict(list(kinds_of(entry.make).items())[1:])
    presets = tuple(PRESETS.get(entry.name, {}))
    return kinds | ({"preset": Literal[presets]} if presets else {})


def starts_easy(name: str) -> bool:
    """Whether a teacher requires easy tasks to start from: a setting `easy` without default.

    Raises:
        SettingError: the name is unknown.
    """
    parameter = inspect.signature(TEACHERS.find(name).make).parameters.get("easy")
    return parameter is not None and parameter.default is parameter.empty


def make(name: str, space: TaskSpace, **settings: Any) -> Teacher:
    """Create a teacher.

    Args:
        name: the registered name.
        space: the tasks to choose from.
        settings: the teacher's settings. Values may also be strings, as on the command line.
            `preset` selects published settings, see `presets`; others take precedence.

    Raises:
        SettingError: the name, a setting or a value is invalid.
    """
    entry, kinds = TEACHERS.find(name), settings_of(name)
    try:
        settings = accepted(settings, kinds, "teacher")
    except UnknownSetting as error:
        raise UnknownSetting(f"setting of {name}", error.value, error.known, "teacher") from None
    if "preset" in kinds:
        settings = PRESETS[entry.name].get(settings.pop("preset", ""), {}) | settings
    first = next(iter(kinds_of(entry.make)))
    require(entry.make, {first, *settings}, kinds)
    return entry.make(space, **settings)
