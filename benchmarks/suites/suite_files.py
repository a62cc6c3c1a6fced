"""Suite files: a world, its tasks from easy to hard, a student, test tasks and budgets.

A suite is a YAML file with the parts

- `description`: one line;
- `train`: settings of every training, as for `didact train --config`, with at least `env`;
- `rare`: optional powers by task parameter, see `wrappers.rare_values`;
- `easy`: optional tasks to start from, in place of the environment's own easy tasks;
- `stages`: optional lists of tasks from easy to hard, for the upper bound `staged`;
- `tests`: groups of test tasks by name, each a part of the space with a `count` of random tasks, or
  a `grid` with numbers of values by parameter;
- `sha256`: the digest of all test tasks, so that they cannot change unnoticed;
- `budgets`: by name (`small`, `paper`), each with `steps`, `seeds` and `teachers`.

Tasks are given as NAME: VALUE or NAME: [LOW, HIGH] in the parameters of the environment.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from didact.benchmarks.suites.suite_names import locate
from didact.common.errors import SettingError
from didact.common.registry import suggest
from didact.environments import Environment
from didact.environments.task_spaces import Box
from didact.environments.wrappers import WithRareValues
from didact.experiments import setup
from didact.experiments.config import TrainConfig, checked, from_dict
from didact.experiments.config_files import read_values

PARTS = (*("description", "train", "rare", "easy", "stages", "tests", "sha256", "budgets"),)
REQUIRED = ("description", "train", "tests", "budgets")
TEST_KEY = 20_261  # of the random test tasks of all suites
MOST_TASKS = 10_000


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
    """

    name: str
    description: str
    settings: TrainConfig
    environment: Environment
    space: Box
    easy: Box | None
    stages: tuple[Box, ...]
    tests: dict[str, np.ndarray]
    budgets: dict[str, Budget]

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


def digest(tests: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 digest of groups of tasks, rounded to six digits."""
    text = ";".join(
        f"{name}:" + ",".join(f"{x:.6g}" for x in tasks.ravel()) for name, tasks in tests.items()
    )
    return hashlib.sha256(text.encode()).hexdigest()


def read_suite(name: str) -> Suite:
    """Read a suite by name or path.

    Raises:
        SettingError: the file cannot be read, or something in it is unknown or invalid.
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
    settings = checked(from_dict(_mapping(values, "train", path), path.name))
    rare = _mapping(values, "rare", path) if "rare" in values else {}
    if rare:
        text = ",".join(f"{key}:{power}" for key, power in rare.items())
        settings = dataclasses.replace(
            settings, env_settings=(*settings.env_settings, f"rare={text}")
        )
    environment = setup.environment_of(settings)
    space = setup.space_of(settings, environment)
    if not isinstance(space, Box):
        raise SettingError(f"train.env of {path.name}", settings.env, "one with named tasks")

    def part_of(bounds: Any, where: str) -> Box:
        return _part(space, environment, bounds, f"{where} of {path.name}")

    if "easy" in values:
        easy: Any = part_of(values["easy"], "easy")
    else:
        easy = environment.easy_space.intersection(space)
    stages = values.get("stages", [])
    if not isinstance(stages, list):
        raise SettingError(f"stages of {path.name}", stages, "a list of tasks")
    tests = {
        str(group): _tests(bounds, lambda b, group=group: part_of(b, f"tests {group}"), group, path)
        for group, bounds in _mapping(values, "tests", path).items()
    }
    suite = Suite(
        name=path.stem,
        description=str(values["description"]),
        settings=settings,
        environment=environment,
        space=space,
        easy=None if easy == space else easy,
        stages=tuple(part_of(stage, f"stage {i}") for i, stage in enumerate(stages, 1)),
        tests=tests,
        budgets={
            str(key): _budget(value, f"budget {key} of {path.name}")
            for key, value in _mapping(values, "budgets", path).items()
        },
    )
    if "sha256" in values and values["sha256"] != suite.digest:
        allowed = f"{suite.digest}, the digest of these tests (they were changed)"
        raise SettingError(f"sha256 of {path.name}", values["sha256"], allowed)
    return suite


def _mapping(values: Mapping[str, Any], part: str, path: Path) -> Mapping[str, Any]:
    found = values[part]
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise SettingError(f"{part} of {path.name}", found, "a mapping of names to values")
    return found


def _part(space: Box, environment: Environment, bounds: Any, where: str) -> Box:
    """Return the part of a space with bounds in the parameters of the environment."""
    if not isinstance(bounds, Mapping):
        raise SettingError(where, bounds, "a mapping of task parameters to values or [LOW, HIGH]")
    ranges = {}
    for name, bound in bounds.items():
        if name not in space.names:
            raise suggest(where, str(name), list(space.names))
        pair = bound if isinstance(bound, list) else [bound, bound]
        if len(pair) != 2 or not all(type(x) in (int, float) for x in pair) or pair[0] > pair[1]:
            raise SettingError(f"{name} in {where}", bound, "a number, or [LOW, HIGH]")
        low, high = map(float, pair)
        ranks = ranks_of(environment)
        if ranks is not None:
            low, high = ranks.outer_bounds(name, low, high)
        ranges[name] = (low, high)
    try:
        return space.restricted(**ranges)
    except SettingError as error:
        raise SettingError(f"{error.setting} in {where}", error.value, error.allowed) from None


def ranks_of(environment: Any) -> WithRareValues | None:
    """Return the wrapper that replaces parameters by ranks, if there is one."""
    while environment is not None and not isinstance(environment, WithRareValues):
        environment = getattr(environment, "environment", None)
    return environment


def _tests(bounds: Any, part_of: Any, group: str, path: Path) -> np.ndarray:
    where = f"tests {group} of {path.name}"
    if not isinstance(bounds, Mapping) or ("count" in bounds) == ("grid" in bounds):
        raise SettingError(where, bounds, "a mapping with either a count or a grid of tasks")
    part = part_of({name: bound for name, bound in bounds.items() if name not in ("count", "grid")})
    if "grid" in bounds:
        return _grid(part, bounds["grid"], f"grid in {where}")
    count = bounds["count"]
    if type(count) is not int or not 1 <= count <= MOST_TASKS:
        raise SettingError(f"count in {where}", count, f"a whole number from 1 to {MOST_TASKS}")
    number = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big")
    key = jax.random.fold_in(jax.random.key(TEST_KEY), number)
    return np.asarray(part.sample(key, count))


def _grid(part: Box, counts: Any, where: str) -> np.ndarray:
    """Return a grid over the part, with the middle of the range in all other parameters."""
    if not isinstance(counts, Mapping) or not counts:
        raise SettingError(where, counts, "a mapping of task parameters to numbers of values")
    for name, count in counts.items():
        if name not in part.names:
            raise suggest(where, str(name), list(part.names))
        if type(count) is not int or not 2 <= count <= MOST_TASKS:
            raise SettingError(f"{name} in {where}", count, f"from 2 to {MOST_TASKS}")
    if math.prod(counts.values()) > MOST_TASKS:
        raise SettingError(where, dict(counts), f"one of at most {MOST_TASKS:,} tasks")
    axes = [
        np.linspace(d.low, d.high, counts[d.name])
        if d.name in counts
        else np.array([(d.low + d.high) / 2])
        for d in part.dimensions
    ]
    tasks = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
    return np.asarray(part.clip(jnp.asarray(tasks, jnp.float32)))


def _budget(values: Any, where: str) -> Budget:
    fields = Budget._fields
    if not isinstance(values, Mapping) or set(values) != set(fields):
        raise SettingError(where, values, f"a mapping of {', '.join(fields)}")
    for name, least in {"steps": 1, "seeds": 2}.items():
        if type(values[name]) is not int or values[name] < least:
            raise SettingError(f"{name} in {where}", values[name], f"at least {least}")
    teachers = values["teachers"]
    if not isinstance(teachers, list) or not all(isinstance(x, str) for x in teachers):
        raise SettingError(f"teachers in {where}", teachers, "a list of teachers")
    return Budget(values["steps"], values["seeds"], tuple(teachers))
