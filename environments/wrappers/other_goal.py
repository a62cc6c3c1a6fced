"""The base class of wrappers that give the agent another goal, and a wrapper that gives it none."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool

from didact.common.errors import SettingError
from didact.environments.base import Environment, State, Timestep
from didact.environments.wrappers.wrapper import Wrapper


class WithOtherGoal(Wrapper[State]):
    """An environment whose own goal is replaced, as by a formula or a model of rewards.

    The expert, the feedback, the achieved instructions and the counterpart in gymnasium of the
    inner environment are withdrawn, as they refer to the goal that is replaced.

    Args:
        environment: the inner environment.
        setting, value: the setting that replaces the goal, and its value, for errors; None if the
            new goal may replace any other.

    Raises:
        SettingError: the observations have feedback, which would be about the goal that is
            replaced, or another setting has replaced the goal already.
    """

    def __init__(
        self, environment: Environment[Any], setting: str | None = None, value: Any = None
    ):
        if setting is not None:
            if any(space.role == "feedback" for space in environment.observation_space.values()):
                allowed = "omitted with feedback, which is about the environment's own task"
                raise SettingError(setting, value, allowed)
            if (other := _replaced_by(environment)) is not None:
                allowed = f"omitted with {other}, which replaces the goal as well"
                raise SettingError(setting, value, allowed)
        super().__init__(environment)
        self.official, self.goal_setting = None, setting

    def expert(self) -> None:
        return None

    def achieved_instructions(self) -> None:
        return None

    def feedback(self) -> None:
        return None


class WithoutGoal(WithOtherGoal[Any]):
    """An environment without its own goal, for learning what other goals need.

    There are no rewards and no successes, and an episode goes on after what used to be a success,
    as it does with a formula.
    """

    def __init__(self, environment: Environment[Any]):
        super().__init__(environment)

    def reset(self, key, tasks):
        return self.environment.reset(key, tasks)

    def step(self, key, state, actions):
        state, seen = self.environment.step(key, state, actions)
        over = ends_without_goal(self.environment, seen)
        none = jnp.zeros_like(seen.success)
        reward = jnp.zeros_like(seen.reward)
        return state, seen._replace(reward=reward, terminated=over, success=none)


def _replaced_by(environment: Environment[Any]) -> str | None:
    """Return the setting that has replaced the goal of an environment, if there is one."""
    while isinstance(environment, Wrapper):
        if isinstance(environment, WithOtherGoal):
            return environment.goal_setting
        environment = environment.environment
    return None


def ends_without_goal(environment: Environment[Any], seen: Timestep) -> Bool[Array, " n"]:
    """Return where episodes terminate whatever the goal is.

    A success of the environment's own task is no such end if its worlds can go on after it.
    """
    return seen.terminated & ~(seen.success & environment.can_continue)
