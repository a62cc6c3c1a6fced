"""Libraries of skills: descriptions, initial and final conditions, and policies.

A library is stored as one JSON file. It counts how often each skill was started and completed, so
that plans can be restricted to reliable skills.
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from didact.common.foreign_files import read_bytes, reason
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
MAX_SIZE = 1 << 22  # maximum bytes of a file
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_STATIC = (And, Constant, Iff, Implies, Not, Or, Proposition)


@dataclasses.dataclass(frozen=True)
class Skill:
    """A skill: an instruction for a policy, with conditions for its start and end.

    Attributes:
        name: a word of letters, digits and "_".
        description: the skill in words, used as the instruction of the policy.
        ends: a formula without temporal operators; the skill is completed where it holds.
        policy: the policy, as an argument of `load_policy`.
        begins: a formula without temporal operators; the skill can be started where it holds.
        tried, done: how often the skill was started and completed.
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
            allowed = "a word of at most 64 letters, digits and '_', starting with a letter"
            raise SettingError("name of a skill", self.name, allowed)
        for field in ("tried", "done"):
            value = getattr(self, field)
            if type(value) is not int or value < 0:
                allowed = "a whole number of at least 0"
                raise SettingError(f"{field} of skill {self.name}", value, allowed)
        if self.done > self.tried:
            allowed = f"at most the number of tries, {self.tried}"
            raise SettingError(f"done of skill {self.name}", self.done, allowed)
        for text in (self.begins, self.ends):
            static(text)

    @property
    def rate(self) -> float:
        """The fraction of tries that were completed; 0 if the skill was never tried."""
        return self.done / self.tried if self.tried else 0.0


def static(text: str) -> Formula:
    """Parse a formula about a single step.

    Raises:
        SettingError: the formula has a temporal operator.
        FormulaError: the formula cannot be parsed.
    """
    formula = parse(text)
    if not all(isinstance(part, _STATIC) for part in formula):
        raise SettingError("condition", text, "a formula without temporal operators")
    return formula


class Library(Mapping[str, Skill]):
    """An immutable mapping of skills by name, in the order in which they were added."""

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
        """Return a library with additional skills.

        Raises:
            SettingError: the library already has a skill of that name.
        """
        new = dict(self._skills)
        for skill in skills:
            if skill.name in new:
                allowed = "a name that is not in the library"
                raise SettingError("name of a skill", skill.name, allowed)
            new[skill.name] = skill
        return Library(new)

    def used(self, counts: Mapping[str, tuple[int, int]]) -> "Library":
        """Return a library with updated counts.

        Args:
            counts: by the name of the skill, how often it was started and completed.

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
        """Return the skills that were tried and completed often enough.

        Args:
            rate: minimum fraction of tries that were completed.
            tried: minimum number of tries.
        """
        return Library(
            {k: s for k, s in self._skills.items() if s.tried >= tried and s.rate >= rate}
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the library atomically as JSON.

        Raises:
            SettingError: the file cannot be written.
        """
        content = {"format": FORMAT, "skills": [dataclasses.asdict(s) for s in self.values()]}
        return write_json("library", path, content, indent=1)


def load_library(path: str | os.PathLike[str]) -> Library:
    """Load a library written by `Library.save`.

    Raises:
        SettingError: the file is missing or is not a library, or a skill is invalid.
    """
    path = Path(path)
    try:
        content: Any = json.loads(read_bytes(path, MAX_SIZE).decode())
    except (OSError, ValueError, RecursionError) as error:
        allowed = f"a library in JSON ({reason(error)})"
        raise SettingError("library", str(path), allowed) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SettingError("library", str(path), f"a library of format {FORMAT}")
    rows = content.get("skills")
    known = {field.name for field in dataclasses.fields(Skill)}
    needed = {"name", "description", "ends", "policy"}
    if not isinstance(rows, list):
        raise SettingError("library", str(path), "an object with a list of skills")
    library = Library()
    for row in rows:
        if not isinstance(row, dict) or not needed <= set(row) <= known:
            allowed = f"a list of skills with the fields {', '.join(sorted(known))}"
            raise SettingError("library", str(path), allowed)
        library = library.added(Skill(**row))
    return library
