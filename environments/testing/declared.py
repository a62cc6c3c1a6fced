"""Checks of the declarations of an environment: attributes, task space, shapes and bounds."""

import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.conformance import require, stated
from didact.environments.base import Environment, Timestep
from didact.environments.spaces import ArraySpace, Continuous, Discrete
from didact.environments.task_spaces import Box
from didact.environments.testing.comparing import differing_shapes
from didact.environments.wrappers.wrapper import Wrapper


def name_of(environment: Environment) -> str:
    """Return the registered name of an environment, or else the name of its class."""
    return getattr(environment, "name", type(environment).__name__)


def check_kinds(environment: Environment) -> None:
    """Check that the attributes are of the right kinds."""
    name, spaces = name_of(environment), environment.observation_space
    require(
        all(hasattr(environment.task_space, part) for part in ("names", "sample", "contains")),
        f"{name}: task_space must be a `TaskSpace`, such as a `Box`.",
    )
    require(
        isinstance(spaces, Mapping)
        and spaces
        and all(isinstance(space, ArraySpace) for space in spaces.values()),
        f"{name}: observation_space must map names to `ArraySpace`s.",
    )
    require(
        isinstance(environment.action_space, Discrete | Continuous),
        f"{name}: action_space must be `Discrete` or `Continuous`.",
    )
    require(
        isinstance(environment.max_steps, int) and environment.max_steps >= 1,
        f"{name}: max_steps is {environment.max_steps!r}, but must be a whole number from 1.",
    )


def check_declarations(environment: Environment) -> None:
    """Check the propositions, and the task space with its JSON."""
    name = name_of(environment)
    propositions = environment.propositions
    require(
        len(set(propositions)) == len(propositions) and all(map(str, propositions)),
        f"{name}: propositions must have different names, not {propositions}.",
    )
    _check_tasks(environment)


def _check_tasks(environment: Environment) -> None:
    name, space = name_of(environment), environment.task_space
    schema = space.json_schema()
    require(json.loads(json.dumps(schema)) == schema, f"{name}: the JSON schema is not JSON.")
    for dimension, described in schema["properties"].items():
        require(described.get("description"), f"{name}: {dimension} has no description.")
    tasks = space.sample(jax.random.key(0), 5)
    require(np.all(space.contains(tasks)), f"{name}: the task space does not contain its samples.")
    for task in np.asarray(tasks):
        text = space.to_json(task)
        require(
            np.array_equal(space.from_json(text), task),
            f"{name}: a task changes on its way through JSON: {text}.",
        )
    with stated(f"{name}: easy_space"):
        easy = environment.easy_space
    require(
        easy.names == space.names
        and np.all(np.asarray(easy.low) >= space.low)
        and np.all(np.asarray(easy.high) <= space.high),
        f"{name}: easy_space is not a part of task_space.",
    )
    for title, task in getattr(environment, "evaluation_tasks", {}).items():
        shape = np.shape(task)
        require(
            shape == (space.size,),
            f"{name}: the evaluation task {title!r} has shape {shape}, but must have "
            f"{(space.size,)}.",
        )
        require(
            np.all(space.contains(jnp.asarray(task)[None])),
            f"{name}: the evaluation task {title!r} is not in task_space: {np.asarray(task)}.",
        )
    for title, tasks in getattr(environment, "test_sets", {}).items():
        shape = np.shape(tasks)
        require(
            len(shape) == 2 and shape[1:] == (space.size,),
            f"{name}: the test set {title!r} has shape {shape}, but must have (n, {space.size}).",
        )
        require(
            np.all(space.contains(jnp.asarray(tasks))),
            f"{name}: the test set {title!r} has tasks that are not in task_space.",
        )
    inner: Any = environment
    while inner is not None:  # tasks of a wrapped environment are converted
        if isinstance(inner.task_space, Box):
            point = {d.name: d.low for d in inner.task_space.dimensions}
            found = environment.single_task(inner.task_space.restricted(**point))
            require(
                found is None
                or (
                    np.shape(found) == (space.size,)
                    and np.all(space.contains(jnp.asarray(found)[None]))
                ),
                f"{name}: single_task returns {found}, which is not in task_space.",
            )
        inner = inner.environment if isinstance(inner, Wrapper) else None


def check_shapes(environment: Environment, state: Any, timestep: Timestep, when: str) -> None:
    """Check the shapes and dtypes that `reset` or `step` returns; arrays may be abstract."""
    name = name_of(environment)
    require(
        isinstance(timestep, Timestep),
        f"{name}: {when} must return the state and a `Timestep`, not {type(timestep).__name__}.",
    )
    for field in ("reward", "terminated", "truncated", "success", "labels"):
        value = getattr(timestep, field)
        require(
            getattr(value, "shape", ()) != (),
            f"{name}: {when} returns a {field} without an axis of worlds.",
        )
    require(
        isinstance(timestep.observation, Mapping),
        f"{name}: {when} returns an observation of type {type(timestep.observation).__name__}, "
        "but must return a dictionary from names to arrays.",
    )
    n = timestep.reward.shape[0]
    found = set(timestep.observation)
    require(
        found == set(environment.observation_space),
        f"{name}: {when} returns the observations {sorted(found)}, but "
        f"{list(environment.observation_space)} are declared.",
    )
    flags: Any = jax.ShapeDtypeStruct((n,), bool)
    observation: Any = {
        part: jax.ShapeDtypeStruct((n, *space.shape), space.dtype)
        for part, space in environment.observation_space.items()
    }
    reward: Any = jax.ShapeDtypeStruct((n,), np.float32)
    labels: Any = jax.ShapeDtypeStruct((n, len(environment.propositions)), bool)
    declared = Timestep(observation, reward, flags, flags, flags, labels)
    different = differing_shapes(timestep, declared)
    require(not different, f"{name}: {when} differs from what is declared in {different}.")
    for path, leaf in jax.tree.leaves_with_path(state):
        require(
            leaf.shape[:1] == (n,),
            f"{name}: the state{jax.tree_util.keystr(path)} has no leading axis of {n} worlds.",
        )


def check_values(environment: Environment, timestep: Timestep, worlds: Any, when: str) -> None:
    """Check that observations are within bounds and rewards finite, for a mask of worlds."""
    name = name_of(environment)
    for part, space in environment.observation_space.items():
        values = np.asarray(timestep.observation[part])[worlds]
        inside = (values >= space.low) & (values <= space.high)  # False for NaN
        require(
            inside.all(),
            f"{name}: {when}, {part} contains {values[~inside][:1]}, outside of "
            f"{space.low} to {space.high}.",
        )
    check_finite(environment, timestep, worlds, when)


def check_finite(environment: Environment, timestep: Timestep, worlds: Any, when: str) -> None:
    """Check that rewards and observations are numbers, for a mask of worlds."""
    name = name_of(environment)
    rewards = np.asarray(timestep.reward)[worlds]
    require(np.isfinite(rewards).all(), f"{name}: {when}, rewards are not finite: {rewards}.")
    for part, values in timestep.observation.items():
        broken = np.isnan(np.asarray(values)[worlds]).any()
        require(not broken, f"{name}: {when}, {part} contains NaN.")
