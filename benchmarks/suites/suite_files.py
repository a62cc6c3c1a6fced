"""Suite files: a world, its tasks from easy to hard, a student, test tasks and budgets.

A suite is a YAML file with the parts

- `description`: one line;
- `train`: settings of every training, as for `didact train --config`, with at least `env`;
- `rare`: optional powers by task parameter, see `wrappers.rare_values`;
- `easy`: optional tasks to start from, in place of the environment's own easy tasks;
- `stages`: optional lists of tasks from easy to hard, for the upper bound `staged`;
- `profile`: optional challenge to teachers, see `profiles`;
- `tests`: groups of test tasks by name, each a part of the space with a `count` of random tasks, or
  a `grid` with numbers of evenly spaced values by parameter; or with `named`, names of evaluation
  tasks; or with `published`, the name of one of the environment's `test_sets`;
- `greedy`: optional, `true` to test the most probable actions of students in place of sampled ones;
- `worst`: optional test in the worst of many tasks after the training, see `profiles.Worst`;
- `sha256`: the digest of all test tasks, so that they cannot change unnoticed;
- `budgets`: by name (`small`, `paper`), each with `steps`, `seeds` and `teachers`.

Tasks are given as NAME: VALUE or NAME: [LOW, HIGH] in the parameters of the environment.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from didact.benchmarks.curricula.settings import Seeds
from didact.benchmarks.suites.profiles import Profile, Worst, read_profile, read_worst, updated
from didact.benchmarks.suites.suite_names import locate
from didact.benchmarks.suites.tasks_to_test import digest, ranks_of, tasks_to_test
from didact.common.errors import SettingError
from didact.common.foreign_files import file_name
from didact.common.registry import suggest
from didact.common.setting_types import value_of
from didact.environments import Environment, TaskSpace
from didact.environments.task_spaces import Box
from didact.experiments import setup
from didact.experiments.config import Steps, TrainConfig, checked, from_dict
from didact.experiments.config_files import read_values

PARTS = (
    *("description", "train", "rare", "easy", "stages", "profile", "tests", "greedy", "worst"),
    *("sha256", "budgets"),
)
REQUIRED = ("description", "train", "tests", "budgets")
DECIDED = (  # settings of a training that a suite does not have
    *("teacher", "teacher_settings", "proposer", "transcript", "steps", "seed", "num_seeds"),
    *("run", "imports", "llm", "pictures", "video", "exploit_every", "checkpoint_every"),
    *("evaluate_on", "evaluation_episodes", "evaluate_every", "anneal_help", "warm_up"),
)
MOST_BOUND = 3e38  # of a task parameter, in absolute terms


class Budget(NamedTuple):
    """The size of a comparison, and the teachers that are part of it."""

    steps: int
    seeds: int
    teachers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Suite:
    """The contents of a suite file.

    Attributes:
        name: the name of the file.
        description: one line.
        settings: settings of every training, without teacher, steps and seeds.
        environment: the environment of these settings.
        space: the task space of teachers.
        easy: the tasks to start from; None if there are none.
        stages: tasks from easy to hard.
        tests: test tasks [n, d] by group.
        budgets: by name.
        profile: the challenge to teachers.
        worst: the test in the worst tasks; None for none.
        greedy: whether students are tested with their most probable actions.
        variants: the suite with each of the students of the profile, by name.
        knowledge: what teachers know besides the task space: "none", the range of returns ("low"),
            or also the easy tasks ("high").
    """

    name: str
    description: str
    settings: TrainConfig
    environment: Environment
    space: TaskSpace
    easy: Box | None
    stages: tuple[Box, ...]
    tests: dict[str, np.ndarray]
    budgets: dict[str, Budget]
    profile: Profile = dataclasses.field(default_factory=Profile)
    worst: Worst | None = None
    greedy: bool = False
    variants: Mapping[str, "Suite"] = dataclasses.field(default_factory=dict)
    knowledge: str = "high"

    def with_knowledge(self, knowledge: str) -> "Suite":
        """Return the suite for teachers that know less."""
        return dataclasses.replace(
            self,
            knowledge=knowledge,
            easy=self.easy if knowledge == "high" else None,
            variants={k: suite.with_knowledge(knowledge) for k, suite in self.variants.items()},
        )

    @property
    def return_range(self) -> tuple[float, float]:
        """The range of returns that teachers know; the default one if they know nothing."""
        return (Environment if self.knowledge == "none" else self.environment).return_range

    @property
    def usual_easy(self) -> Box | None:
        """The environment's own easy tasks."""
        return usual_easy(self.environment, self.space)

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the test tasks."""
        return digest(self.tests)

    def budget(self, name: str) -> Budget:
        """Return a budget by name.

        Raises:
            SettingError: the suite has no budget of that name.
        """
        if name not in self.budgets:
            raise suggest("--budget", name, list(self.budgets))
        return self.budgets[name]


def read_suite(name: str, *, check_tests: bool = True) -> Suite:
    """Read a suite by name or path.

    Args:
        name: the name or path.
        check_tests: whether the test tasks must have the digest that is given in the file.

    Raises:
        SettingError: the file cannot be read, something in it is unknown or invalid, or the test
            tasks were changed.
    """
    path = locate(name)
    values = read_values(path, "--suite")
    if not isinstance(values, Mapping):
        raise SettingError("--suite", str(path), f"a file with the parts {', '.join(PARTS)}")
    for part in values:
        if part not in PARTS:
            raise suggest(f"part of {path.name}", str(part), list(PARTS))
    for part in REQUIRED:
        if part not in values:
            raise SettingError(f"{part} of {path.name}", None, "given")
    profile = read_profile(values.get("profile"), path)
    base = _mapping(values, "train", path)
    suite = _suite(values, base, profile, path)
    same = profile._replace(students={})
    variants = {
        name: _suite(values, updated(base, changes), same, path)
        for name, changes in profile.students.items()
    }
    for name, variant in variants.items():
        if variant.space != suite.space:
            allowed = "settings that keep the task space"
            raise SettingError(f"students {name} of {path.name}", profile.students[name], allowed)
    suite = dataclasses.replace(suite, variants=variants)
    if check_tests and "sha256" in values and values["sha256"] != suite.digest:
        allowed = f"{suite.digest}, the digest of these tests (they were changed)"
        raise SettingError(f"sha256 of {path.name}", values["sha256"], allowed)
    return suite


def _suite(
    values: Mapping[str, Any], train: Mapping[str, Any], profile: Profile, path: Path
) -> Suite:
    """Make a suite with the given settings of the training."""
    for name in train:
        if name.replace("-", "_") in DECIDED:
            allowed = "omitted: the benchmark and the other parts of a suite decide it"
            raise SettingError(f"{name} in train of {path.name}", train[name], allowed)
    settings = checked(from_dict(train, path.name))
    rare = _mapping(values, "rare", path) if "rare" in values else {}
    if rare:
        text = ",".join(f"{key}:{power}" for key, power in rare.items())
        settings = dataclasses.replace(
            settings, env_settings=(*settings.env_settings, f"rare={text}")
        )
    environment = setup.environment_of(settings)
    space = setup.space_of(settings, environment)

    def part_of(bounds: Any, where: str) -> Any:
        where = f"{where} of {path.name}"
        return _part(space, environment, bounds, where) if bounds != {} else space

    easy: Any = usual_easy(environment, space)
    if "easy" in values:
        easy = part_of(values["easy"], "easy")
        easy = None if easy == space else easy
    stages = values.get("stages", [])
    if not isinstance(stages, list):
        raise SettingError(f"stages of {path.name}", stages, "a list of tasks")
    tests = {
        str(group): tasks_to_test(
            bounds,
            lambda b, group=group: part_of(b, f"tests {group}"),
            environment,
            str(group),
            path,
        )
        for group, bounds in _mapping(values, "tests", path).items()
    }
    greedy = value_of(f"greedy of {path.name}", values.get("greedy", False), bool)
    if not tests:
        raise SettingError(f"tests of {path.name}", {}, "at least one group of test tasks")
    return Suite(
        name=file_name("--suite", path.stem),
        description=str(values["description"]),
        settings=settings,
        environment=environment,
        space=space,
        easy=easy,
        stages=tuple(part_of(stage, f"stage {i}") for i, stage in enumerate(stages, 1)),
        tests=tests,
        budgets={
            file_name(f"budget of {path.name}", key): _budget(value, f"budget {key} of {path.name}")
            for key, value in _mapping(values, "budgets", path).items()
        },
        profile=profile,
        worst=read_worst(values.get("worst"), space, path),
        greedy=greedy,
    )


def usual_easy(environment: Environment, space: TaskSpace) -> Box | None:
    """Return the environment's easy tasks in a space; None if they are all or have no names."""
    if not isinstance(space, Box):
        return None
    easy: Any = environment.easy_space.intersection(space)
    return None if easy == space else easy


def _mapping(values: Mapping[str, Any], part: str, path: Path) -> Mapping[str, Any]:
    found = values[part]
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise SettingError(f"{part} of {path.name}", found, "a mapping of names to values")
    return found


def _part(space: TaskSpace, environment: Environment, bounds: Any, where: str) -> Box:
    """Return the part of a space with bounds in the parameters of the environment."""
    if not isinstance(space, Box):
        raise SettingError(where, bounds, "omitted: the tasks of this environment have no names")
    if not isinstance(bounds, Mapping):
        raise SettingError(where, bounds, "a mapping of task parameters to values or [LOW, HIGH]")
    ranges = {}
    for name, bound in bounds.items():
        if name not in space.names:
            raise suggest(where, str(name), list(space.names))
        pair = bound if isinstance(bound, list) else [bound, bound]
        if len(pair) != 2 or not all(type(x) in (int, float) for x in pair) or pair[0] > pair[1]:
            raise SettingError(f"{name} in {where}", bound, "a number, or [LOW, HIGH]")
        if not all(abs(x) < MOST_BOUND for x in pair):  # also NaN
            raise SettingError(f"{name} in {where}", bound, "within the range of float32")
        low, high = map(float, pair)
        ranks = ranks_of(environment)
        if ranks is not None:
            low, high = ranks.outer_bounds(name, low, high)
        ranges[name] = (low, high)
    try:
        return space.restricted(**ranges)
    except SettingError as error:
        raise SettingError(f"{error.setting} in {where}", error.value, error.allowed) from None


def _budget(values: Any, where: str) -> Budget:
    fields = Budget._fields
    if not isinstance(values, Mapping) or set(values) != set(fields):
        raise SettingError(where, values, f"a mapping of {', '.join(fields)}")
    for name, kind in {"steps": Steps, "seeds": Seeds}.items():
        value_of(f"{name} in {where}", values[name], kind)
    teachers = values["teachers"]
    texts = isinstance(teachers, list) and all(isinstance(x, str) and x.strip() for x in teachers)
    if not texts or not teachers:
        raise SettingError(f"teachers in {where}", teachers, "a list of teachers")
    return Budget(values["steps"], values["seeds"], tuple(teachers))
