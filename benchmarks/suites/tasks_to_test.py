"""The test tasks of suites: random tasks, grids, published sets, or evaluation tasks by name."""

import contextlib
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.errors import SettingError
from didact.common.registry import suggest
from didact.environments import Environment
from didact.environments.task_spaces import Box
from didact.environments.wrappers import WithRareValues

TEST_KEY = 20_261  # of the random test tasks of all suites
MOST_TASKS = 10_000
KINDS = ("count", "grid", "named", "published")


def digest(tests: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 digest of groups of tasks, rounded to six digits."""
    text = ";".join(
        f"{name}:" + ",".join(f"{x:.6g}" for x in tasks.ravel()) for name, tasks in tests.items()
    )
    return hashlib.sha256(text.encode()).hexdigest()


def tasks_to_test(
    bounds: Any, part_of: Any, environment: Environment, group: str, path: Path
) -> np.ndarray:
    """Return a group of test tasks [n, d].

    Args:
        bounds: a part of the space with a `count` or a `grid`; or with `named`, the names of
            evaluation tasks of the environment, and how often to `repeat` each; or with
            `published`, the name of one of its `test_sets`.
        part_of: returns the part of the space for bounds.
        environment: the environment.
        group: the name of the group.
        path: the file, for errors.

    Raises:
        SettingError: something is missing or invalid.
    """
    where = f"tests {group} of {path.name}"
    if not isinstance(bounds, Mapping) or sum(kind in bounds for kind in KINDS) != 1:
        allowed = "a mapping with either a count or a grid of tasks, names, or a published set"
        raise SettingError(where, bounds, allowed)
    if "named" in bounds:
        return _named(environment, bounds, where)
    if "published" in bounds:
        return _published(environment, bounds, where)
    part = part_of({name: bound for name, bound in bounds.items() if name not in KINDS})
    if "grid" in bounds:
        return _grid(part, bounds["grid"], environment, f"grid in {where}")
    count = bounds["count"]
    if type(count) is not int or not 1 <= count <= MOST_TASKS:
        raise SettingError(f"count in {where}", count, f"a whole number from 1 to {MOST_TASKS}")
    number = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big")
    with _processor():
        key = jax.random.fold_in(jax.random.key(TEST_KEY), number)
        return np.asarray(part.sample(key, count))


def _processor() -> contextlib.AbstractContextManager[Any]:
    """Compute on the CPU, if JAX may use it: accelerators round differently."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:
        return contextlib.nullcontext()


def _named(environment: Environment, bounds: Mapping[str, Any], where: str) -> np.ndarray:
    """Return evaluation tasks of the environment."""
    names, known = bounds["named"], environment.evaluation_tasks
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not set(bounds) <= {"named", "repeat"} or not texts or not names:
        raise SettingError(where, dict(bounds), "a list of names, and how often to repeat them")
    repeat = bounds.get("repeat", 1)
    if type(repeat) is not int or not 1 <= repeat <= MOST_TASKS:
        raise SettingError(f"repeat in {where}", repeat, f"a whole number from 1 to {MOST_TASKS}")
    for name in names:
        if name not in known:
            raise suggest(f"named in {where}", str(name), list(known))
    tasks = [np.atleast_2d(np.asarray(known[name], np.float32)) for name in names]
    return np.repeat(np.concatenate(tasks), repeat, axis=0)


def _published(environment: Environment, bounds: Mapping[str, Any], where: str) -> np.ndarray:
    """Return a published set of test tasks."""
    name, known = bounds["published"], environment.test_sets
    if set(bounds) != {"published"} or not isinstance(name, str):
        raise SettingError(where, dict(bounds), "the name of a published set, and nothing else")
    if not known:
        allowed = f"omitted: {environment.name} with these settings has no published sets"
        raise SettingError(f"published in {where}", name, allowed)
    if name not in known:
        raise suggest(f"published in {where}", name, list(known))
    return np.asarray(known[name], np.float32)


def ranks_of(environment: Any) -> WithRareValues | None:
    """Return the wrapper that replaces parameters by ranks, if there is one."""
    while environment is not None and not isinstance(environment, WithRareValues):
        environment = getattr(environment, "environment", None)
    return environment


def _grid(part: Box, counts: Any, environment: Environment, where: str) -> np.ndarray:
    """Return a grid over the part, with the middle of the range in all other parameters.

    It is even in the values of rare parameters, not in their ranks.
    """
    if not isinstance(part, Box):
        raise SettingError(where, counts, "omitted: the tasks of this environment have no names")
    if not isinstance(counts, Mapping) or not counts:
        raise SettingError(where, counts, "a mapping of task parameters to numbers of values")
    for name, count in counts.items():
        if name not in part.names:
            raise suggest(where, str(name), list(part.names))
        if type(count) is not int or not 2 <= count <= MOST_TASKS:
            raise SettingError(f"{name} in {where}", count, f"from 2 to {MOST_TASKS}")
    if math.prod(counts.values()) > MOST_TASKS:
        raise SettingError(where, dict(counts), f"one of at most {MOST_TASKS:,} tasks")
    ranks, low, high = ranks_of(environment), part.low, part.high
    if ranks is not None:
        low, high = np.asarray(ranks.inner_tasks(jnp.asarray([low, high])))
    axes = [
        np.linspace(a, b, counts[name]) if name in counts else np.array([(a + b) / 2])
        for name, a, b in zip(part.names, low, high, strict=True)
    ]
    tasks = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
    if ranks is not None:
        tasks = np.where(ranks.inner_space.integer, np.round(tasks), tasks)
        tasks = np.stack([ranks.outer_task(task) for task in tasks])
    return np.asarray(part.clip(jnp.asarray(tasks, jnp.float32)))
