"""Challenges of suites that are not in their tasks: students that forget or differ, rugged spaces.

References:
    Romac et al., TeachMyAgent: a benchmark for automatic curriculum learning in deep RL, ICML 2021
    (forgetting student, rugged difficulty, diverse students).
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from didact.common.errors import SettingError
from didact.common.foreign_files import file_name
from didact.common.registry import suggest
from didact.environments import TaskSpace
from didact.environments.grid.mazes import Levels

MOST = 10**6  # of each number in a profile


class Shuffle(NamedTuple):
    """The cells that change places before a teacher sees the space; see `teachers.shuffled`."""

    cells: int = 4
    seed: int = 0
    jointly: bool = False


class Profile(NamedTuple):
    """A challenge to teachers.

    Attributes:
        name: in figures; that of the suite if empty.
        resets: parts of the training, from 0 to 1, after which a new student takes over. The
            teacher is not informed.
        shuffle: how the space is shuffled for teachers. `staged` and the easy tasks of `warm-up
            NAME` are those of the true space; NAME sees it shuffled.
        students: settings of the training that differ between students, by name. Each teacher
            teaches all of them, with all seeds; the mean over them is compared, seed by seed.
    """

    name: str = ""
    resets: tuple[float, ...] = ()
    shuffle: Shuffle | None = None
    students: Mapping[str, Any] = MappingProxyType({})

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on; empty for an ordinary suite."""
        made: dict[str, Any] = {}
        if self.resets:
            made["resets"] = list(self.resets)
        if self.shuffle is not None:
            made["shuffle"] = self.shuffle._asdict()
        if self.students:
            made["students"] = dict(self.students)
        return made


class Worst(NamedTuple):
    """A test in the worst of many tasks, each of which is played twice: conditional value at risk.

    Attributes:
        episodes: the number of episodes in each task, to choose the worst and again to score them.
        levels: the number of random tasks; 0 for the test tasks of the suite.
        blocks: the number of wall blocks of random mazes, of which the solvable ones are used.
    """

    episodes: int = 10
    levels: int = 0
    blocks: int = 60


def read_profile(values: Any, path: Path) -> Profile:
    """Read the part `profile` of a suite file.

    Raises:
        SettingError: something is unknown or invalid.
    """
    if values is None:
        return Profile()
    where = f"profile of {path.name}"
    found = _known(values, Profile._fields, where)
    name = found.get("name", "")
    if not isinstance(name, str):
        raise SettingError(f"name in {where}", name, "text")
    resets = found.get("resets", [])
    if not isinstance(resets, list) or not all(
        isinstance(x, int | float) and 0 < x < 1 for x in resets
    ):
        raise SettingError(f"resets in {where}", resets, "a list of numbers between 0 and 1")
    students = found.get("students", {})
    if not isinstance(students, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Mapping) for key, value in students.items()
    ):
        raise SettingError(f"students in {where}", students, "settings of the training, by name")
    for key in students:
        file_name(f"student in {where}", key)
    shuffle = found.get("shuffle")
    return Profile(
        name,
        tuple(sorted(float(x) for x in resets)),
        None if shuffle is None else _numbers(Shuffle(), shuffle, f"shuffle in {where}"),
        MappingProxyType(dict(students)),
    )


def read_worst(values: Any, space: TaskSpace, path: Path) -> Worst | None:
    """Read the part `worst` of a suite file.

    Raises:
        SettingError: something is unknown or invalid.
    """
    if values is None:
        return None
    where = f"worst of {path.name}"
    worst = _numbers(Worst(), values, where)
    if worst.episodes < 1:
        raise SettingError(f"episodes in {where}", worst.episodes, "at least 1")
    if "blocks" in values and not isinstance(space, Levels):
        raise SettingError(f"blocks in {where}", worst.blocks, "omitted: tasks are no mazes")
    return worst


def updated(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with changes, also in sections of sections."""
    made = dict(base)
    for name, value in changes.items():
        inner = made.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        made[name] = updated(inner, value) if both else value  # type: ignore[arg-type]
    return made


def _known(values: Any, names: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise SettingError(where, values, f"a mapping with any of {', '.join(names)}")
    for name in values:
        if name not in names:
            raise suggest(where, str(name), list(names))
    return values


def _numbers(usual: Any, values: Any, where: str) -> Any:
    """Return a tuple of whole numbers and switches with the given values."""
    for name, value in _known(values, usual._fields, where).items():
        kind = type(getattr(usual, name))
        if type(value) is not kind or not 0 <= value <= MOST:
            allowed = "true or false" if kind is bool else f"a whole number from 0 to {MOST:,}"
            raise SettingError(f"{name} in {where}", value, allowed)
    return usual._replace(**values)
