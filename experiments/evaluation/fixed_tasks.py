"""The tasks that a training evaluates its student on; they are fixed before it begins."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import Box, Environment, SettingError, TaskSpace, make
from didact.environments.base import name_of
from didact.environments.registry import ENVIRONMENTS
from didact.experiments.config import TrainConfig
from didact.experiments.setup import space_of

UNIFORM = "uniform sample of tasks"  # name of the tasks of environments that name none
NUM_SAMPLES = 64
SEED = 0x7E57  # the same tasks in all runs in the same task space


def evaluation_tasks_of(config: TrainConfig, environment: Environment) -> dict[str, np.ndarray]:
    """Return the tasks to evaluate on, by name.

    These are the tasks of `--evaluate-on`, or all evaluation tasks of the environment. If it has
    none, they are a fixed uniform sample of the training's task space, called `UNIFORM`.

    Returns:
        One task [d], or several tasks [k, d] whose results are averaged, for each name.

    Raises:
        SettingError: a name is unknown, or an evaluation task is not a task of the environment.
    """
    known = environment.evaluation_tasks
    if not config.evaluate_on and not known:
        space = without_help(space_of(config, environment), environment)
        return {UNIFORM: np.asarray(space.sample(jax.random.key(SEED), NUM_SAMPLES))}
    return {
        name: _checked(name, known[name], environment)
        if name in known
        else _task_called(name, environment)
        for name in config.evaluate_on or known
    }


def repeated(tasks: np.ndarray, episodes: int) -> np.ndarray:
    """Return one task [episodes, d] for each episode, by repeating one or several tasks."""
    return np.resize(tasks, (episodes, np.shape(tasks)[-1]))


def without_help(space: TaskSpace, environment: Environment) -> TaskSpace:
    """Restrict the help that students get to its minimum, as in all evaluation tasks."""
    name = environment.help_parameter
    if name is None or not isinstance(space, Box) or name not in space.names:
        return space
    return space.restricted(**{name: space.dimensions[space.column(name)].low})


def _checked(name: str, task: Any, environment: Environment) -> np.ndarray:
    space = environment.task_space
    row = np.asarray(task, np.float32)
    if row.shape != (space.size,) or not bool(space.contains(jnp.asarray(row[None]))[0]):
        allowed = f"a task in the task space of {name_of(environment)}"
        raise SettingError(f"evaluation task {name}", np.asarray(task).tolist(), allowed)
    return row


def _task_called(name: str, environment: Environment) -> np.ndarray:
    """Return the single task of the environment registered as `name`, as a task of this one."""
    ENVIRONMENTS.find(name, "--evaluate-on", more=tuple(environment.evaluation_tasks))
    task = environment.single_task(make(name).task_space)
    if task is None:
        allowed = f"a single task in the task space of {name_of(environment)}"
        raise SettingError("--evaluate-on", name, allowed)
    return task
