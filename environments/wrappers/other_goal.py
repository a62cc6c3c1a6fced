"""The base class of wrappers that give the agent another goal."""

from typing import Any

from didact.common.errors import SettingError
from didact.environments.base import Environment, State
from didact.environments.wrappers.wrapper import Wrapper


class WithOtherGoal(Wrapper[State]):
    """An environment whose own goal is replaced, as by a formula or a model of rewards.

    The expert, the feedback and the achieved instructions of the inner environment are withdrawn,
    as they refer to the goal that is replaced.

    Args:
        environment: the inner environment.
        setting, value: the setting that replaces the goal, and its value, for errors.

    Raises:
        SettingError: the observations have feedback, which would be about the goal that is
            replaced.
    """

    def __init__(self, environment: Environment[Any], setting: str, value: Any):
        if any(space.role == "feedback" for space in environment.observation_space.values()):
            allowed = "omitted with feedback, which is about the environment's own task"
            raise SettingError(setting, value, allowed)
        super().__init__(environment)

    def expert(self) -> None:
        return None

    def achieved_instructions(self) -> None:
        return None

    def feedback(self) -> None:
        return None
