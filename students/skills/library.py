"""A library of skills: what each does in words, where it begins and ends, and who carries it out.

It is one JSON file. Skills are tried by use, and the library counts how often they came to their
end, so that a plan can be made of those that are proven.
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from didact.environments import SettingError
from didact.students.skills.json_files import write_json
from didact.students.skills.ltl.formulas import (
    And,
    Constant,
    Formula,
    Iff,
    Implies,
    Not,
    Or,
    Proposition,
)
from didact.students.skills.ltl.parser import parse

FORMAT = 1
MAX_SIZE = 1 << 22  # bytes of a file
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_STATIC = (And, Constant, Iff, Implies, Not, Or, Proposition)


@dataclasses.dataclass(frozen=True)
class Skill:
    """Something that a policy can be told to do.

    Attributes:
        name: a word of letters, digits and "_".
        description: what it does, in words; a policy that follows instructions is told just that.
        ends: a formula without temporal operators: the skill is done where it holds.
        policy: who carries it out, as `load_policy` takes it.
        begins: a formula without temporal operators: it can be begun where that holds.
        tried, done: how often it was begun, and how often it came to its end.
    """

    name: str
    description: str
    ends: str
    policy: str
    begins: str = "true"
    tried: int = 0
    done: int = 0

    def __post_init__(self):
        for field in ("name", "description", "ends", "policy", "begins"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip() or not value.isprintable():
                raise SettingError(f"{field} of a skill", value, "a line of text")
        if not NAME.fullmatch(self.name):
            allowed = "a word of letters, digits and '_', at most 64 of them"
            raise SettingError("name of a skill", self.name, allowed)
        for field in ("tried", "done"):
            value = getattr(self, field)
            if type(value) is not int or value < 0:
                raise SettingError(f"{field} of skill {self.name}", value, "a whole number from 0")
        if self.done > self.tried:
            allowed = f"at most as often as it was tried, {self.tried}"
            raise SettingError(f"done of skill {self.name}", self.done, allowed)
        for text in (self.begins, self.ends):
            static(text)

    @property
    def rate(self) -> float:
        """How often it came to its end; 0 where it was never tried."""
        return self.done / self.tried if self.tried else 0.0


def static(text: str) -> Formula:
    """A formula about one step.

    Raises:
        SettingError: it has a temporal operator.
        FormulaError: it cannot be read.
    """
    formula = parse(text)
    if not all(isinstance(part, _STATIC) for part in formula):
        raise SettingError("condition", text, "a formula without temporal operators")
    return formula


class Library(Mapping[str, Skill]):
    """Skills by name, in the order they were added; it is never changed, others are made of it."""

    def __init__(self, skills: Mapping[str, Skill] | None = None):
        self._skills = dict(skills or {})

    def __getitem__(self, name: str) -> Skill:
        if name not in self._skills:
            raise KeyError(name)
        return self._skills[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._skills)

    def __len__(self) -> int:
        return len(self._skills)

    def added(self, *skills: Skill) -> "Library":
        """The library with more skills.

        Raises:
            SettingError: there is one of that name.
        """
        new = dict(self._skills)
        for skill in skills:
            if skill.name in new:
                raise SettingError("name of a skill", skill.name, "one that is not in the library")
            new[skill.name] = skill
        return Library(new)

    def used(self, counts: Mapping[str, tuple[int, int]]) -> "Library":
        """The library after use: how often skills were begun, and how often they were done.

        Raises:
            SettingError: there is no skill of that name.
        """
        new = dict(self._skills)
        for name, (tried, done) in counts.items():
            if name not in new:
                allowed = "a skill of the library: " + ", ".join(self)
                raise SettingError("name of a skill", name, allowed)
            skill = new[name]
            new[name] = dataclasses.replace(
                skill, tried=skill.tried + int(tried), done=skill.done + int(done)
            )
        return Library(new)

    def proven(self, rate: float = 0.5, tried: int = 20) -> "Library":
        """Those that were tried so often and came to their end that often."""
        return Library(
            {k: s for k, s in self._skills.items() if s.tried >= tried and s.rate >= rate}
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the library as JSON; it appears whole or not at all.

        Raises:
            SettingError: the file cannot be written.
        """
        told = {"format": FORMAT, "skills": [dataclasses.asdict(s) for s in self.values()]}
        return write_json("library", path, told, indent=1)


def load_library(path: str | os.PathLike[str]) -> Library:
    """Reads what `Library.save` wrote.

    Raises:
        SettingError: the file is missing or is no library, or a skill in it has no meaning.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_SIZE:
            raise SettingError("library", str(path), f"a file of at most {MAX_SIZE} bytes")
        told: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SettingError):
            raise
        why = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
        raise SettingError("library", str(path), f"a library in JSON ({why})") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise SettingError("library", str(path), f"a library of format {FORMAT}")
    rows = told.get("skills")
    known = {field.name for field in dataclasses.fields(Skill)}
    needed = {"name", "description", "ends", "policy"}
    if not isinstance(rows, list):
        raise SettingError("library", str(path), "an object with a list of skills")
    library = Library()
    for row in rows:
        if not isinstance(row, dict) or not needed <= set(row) <= known:
            raise SettingError("library", str(path), f"of skills with {', '.join(sorted(known))}")
        library = library.added(Skill(**row))
    return library
