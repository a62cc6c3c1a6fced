"""Trace the user's own environment and teacher before a training, for errors of one sentence."""

from typing import Any

from didact.common.errors import SettingError
from didact.environments import Environment
from didact.environments.testing import check_traces
from didact.experiments.config import TrainConfig
from didact.teachers import Teacher
from didact.teachers.testing import check_shapes


def check_own_parts(config: TrainConfig, environment: Environment, teacher: Teacher) -> None:
    """Check the shapes and dtypes of the parts that are not didact's.

    Raises:
        SettingError: a part does not conform to its interface.
    """
    try:
        if not _ours(type(_innermost(environment))):
            check_traces(environment)
    except AssertionError as error:
        raise _wrong("--env", config.env, error) from error
    try:
        if not _ours(teacher.propose):
            check_shapes(teacher, environment.task_space)
    except AssertionError as error:
        raise _wrong("--teacher", config.teacher, error) from error


def _wrong(option: str, name: str, error: AssertionError) -> SettingError:
    return SettingError(option, name, f"one that passes its check: {str(error).rstrip('.')}")


def _innermost(environment: Any) -> Any:
    while hasattr(environment, "environment"):
        environment = environment.environment
    return environment


def _ours(part: Any) -> bool:
    return str(getattr(part, "__module__", "")).partition(".")[0] == "didact"
