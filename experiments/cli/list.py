"""List environments, teachers, students, proposers, benchmarks, suites or policies.

With a name, describe only one of them.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import tyro

from didact.common import strict_json
from didact.experiments.cli._options import Importing


@dataclasses.dataclass(frozen=True)
class Options(Importing):
    what: tyro.conf.Positional[
        Literal["envs", "teachers", "proposers", "students", "benchmarks", "suites", "policies"]
    ]
    """what to list"""
    name: tyro.conf.Positional[str | None] = None
    """describe only this one, with its settings; of a teacher also the paper, what it needs, and
    what it is good and bad at"""
    json: bool = False
    """print as JSON, including settings and the JSON schemas of task spaces"""


def run(options: Options) -> None:
    """Print names and descriptions.

    Raises:
        SettingError: there is nothing of the name.
    """
    from rich.table import Table
    from rich.text import Text

    from didact.common import display

    if options.name is not None:
        return _describe(options)
    rows = _known(options) or _ROWS[options.what](_all if options.json else _none)
    if options.json:
        return print(strict_json.dumps(rows, indent=1))
    if not rows:
        return print("No policies yet. Run `didact train` to create one under runs/.")
    table = Table("name", "description", box=None, show_header=False, padding=(0, 2))
    table.columns[0].no_wrap, table.columns[0].overflow = True, "fold"  # names can be copied
    for row in rows:
        needs = f"needs {row['needs']}" if row.get("needs", "nothing") != "nothing" else ""
        parts = (Text(row["description"]), Text(f"\n{needs}" if needs else "", "dim"))
        table.add_row(Text(row["name"], "bold"), Text.assemble(*parts))
    display.console().print(table)
    if options.what == "teachers":
        print("\n`didact list teachers NAME` describes one: paper, needs, strengths, settings.")
    return None


def _describe(options: Options) -> None:
    """Print everything about one entry."""
    from didact.common import display
    from didact.common.registry import suggest
    from didact.experiments.cli import _description

    rows_of, asked = _ROWS[options.what], str(options.name)
    names = [row["name"] for row in _known(options) or rows_of(_none)]
    name = asked if asked in names else {x.lower(): x for x in names}.get(asked.lower())
    if name is None:
        raise suggest("NAME", asked, names)
    row = next(row for row in rows_of(lambda other: other == name) if row["name"] == name)
    if options.json:
        return print(strict_json.dumps(row, indent=1))
    return display.console().print(_description.table(row))


def _known(options: Options) -> list[dict[str, Any]]:
    """Return the rows of built-in parts, if there are no others, without importing JAX."""
    from didact.common import catalogue

    kind = {"envs": "environments"}.get(options.what, options.what)
    if options.json or options.imports or catalogue.has_plugins(kind):
        return []
    described = catalogue.read().get(kind, {})
    return [
        {"name": name, **(about if isinstance(about, dict) else {"description": about})}
        for name, about in described.items()
    ]


# Whether everything about a name is wanted, which takes long for some environments.
Wanted = Callable[[str], bool]


def _all(name: str) -> bool:
    return True


def _none(name: str) -> bool:
    return False


def _rows(
    entries: Any, full: Wanted = _none, more: Callable[[Any], dict[str, Any]] = lambda entry: {}
) -> list[dict]:
    rows = [{"name": entry.name, "description": entry.description} for entry in entries]
    return [
        row | (more(entry) if full(entry.name) else {})
        for row, entry in zip(rows, entries, strict=True)
    ]


def _envs(full: Wanted) -> list[dict]:
    from didact.environments import SettingError, make, registered
    from didact.environments.registry import settings_of

    def more(entry: Any) -> dict[str, Any]:
        about: dict[str, Any] = {"settings": settings_of(entry.name), "task_schema": None}
        try:
            about["task_schema"] = make(entry.name).task_space.json_schema()
        except SettingError as error:  # the environment's package is not installed
            about["not available"] = str(error)
        return about

    return _rows(registered(), full, more)


def _teachers(full: Wanted) -> list[dict]:
    from didact import teachers
    from didact.common.settings import defaults, described
    from didact.experiments.imitation import expert_setup
    from didact.teachers.registry import about

    def more(entry: Any) -> dict[str, Any]:
        if not full(entry.name):
            return about(entry)
        kinds = described(teachers.settings_of(entry.name))
        usual = {
            name: value
            for name, value in defaults(entry.make).items()
            if name in kinds and isinstance(value, bool | int | float | str | tuple | None)
        }
        return about(entry) | {"settings": kinds, "defaults": usual}

    rows = _rows(teachers.registered(), _all, more)
    return [*rows, {"name": expert_setup.TEACHER, **expert_setup.ABOUT}]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings by names such as "network.hidden"."""
    found = {}
    for name, value in values.items():
        parts = _flat(value) if isinstance(value, dict) else {"": value}
        found |= {f"{name}.{part}".rstrip("."): x for part, x in parts.items()}
    return found


def _proposers(full: Wanted) -> list[dict]:
    from didact.experiments.tasks.proposers import PROPOSERS

    return _rows(PROPOSERS.entries())


def _students(full: Wanted) -> list[dict]:
    from didact import students
    from didact.common.settings import described, plain

    def more(entry: Any) -> dict[str, Any]:
        usual = plain(entry.config()) if entry.config is not None else {}
        return {"settings": described(entry.kinds), "defaults": _flat(usual)}

    return _rows(students.registered(), full, more)


def _benchmarks(full: Wanted) -> list[dict]:
    from didact.benchmarks.registry import BENCHMARKS

    return _rows(BENCHMARKS.entries())


def _suites(full: Wanted) -> list[dict[str, Any]]:
    from didact.benchmarks.suites.suite_names import descriptions

    rows = []
    for name, description in descriptions().items():
        row: dict[str, Any] = {"name": name, "description": description}
        if full(name):
            from didact.benchmarks.suites import suite_files

            suite = suite_files.read_suite(name)
            tests = {group: len(tasks) for group, tasks in suite.tests.items()}
            budgets = {name: budget._asdict() for name, budget in suite.budgets.items()}
            row |= {
                "env": suite.environment.name,
                "tests": tests,
                "sha256": suite.digest,
                "budgets": budgets,
            }
        rows.append(row)
    return rows


def _policies(full: Wanted) -> list[dict]:
    from didact.students.policies.lookup import all_policies, policy_descriptions

    short = policy_descriptions(Path("runs"))
    if not any(full(row["name"]) for row in short):
        return short
    return all_policies(Path("runs"))


_ROWS: dict[str, Callable[[Wanted], list[dict]]] = {
    "envs": _envs,
    "teachers": _teachers,
    "proposers": _proposers,
    "students": _students,
    "benchmarks": _benchmarks,
    "suites": _suites,
    "policies": _policies,
}
