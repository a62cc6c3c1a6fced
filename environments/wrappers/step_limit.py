"""A limit on the length of episodes.

It is the setting `step_limit` of all environments but those that decide at their own time limit
whether an episode is a success: `--env-settings step_limit=100`. Levels that allow hundreds of
steps otherwise hide their outcomes from teachers for a long time.
"""

from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int32

from didact.common.setting_types import Range
from didact.environments.base import Environment
from didact.environments.registry import register_wrapper_setting
from didact.environments.wrappers.wrapper import Wrapper


class StepLimitState(NamedTuple):
    """The state of n environments with a step limit."""

    worlds: Any  # the state of the inner environment
    steps: Int32[Array, " n"]  # of the episode


class WithStepLimit(Wrapper[StepLimitState]):
    """An environment whose episodes are truncated after a number of steps.

    Args:
        environment: the inner environment, in which success is not decided at its own time limit.
        limit: the maximum length of an episode; a longer one of the environment has no effect.
    """

    def __init__(self, environment: Environment[Any], limit: int):
        super().__init__(environment)
        self.limit = limit
        self.max_steps = min(limit, environment.max_steps)

    def inner_state(self, state):
        return state.worlds

    def reset(self, key, tasks):
        worlds, seen = self.environment.reset(key, tasks)
        return StepLimitState(worlds, jnp.zeros(tasks.shape[0], jnp.int32)), seen

    def step(self, key, state, actions):
        worlds, seen = self.environment.step(key, state.worlds, actions)
        steps = state.steps + 1
        truncated = seen.truncated | (~seen.terminated & (steps >= self.limit))
        return StepLimitState(worlds, steps), seen._replace(truncated=truncated)

    def text_status(self, state, index):
        inner = super().text_status(state, index)
        return inner._replace(step_limit=min(self.limit, inner.step_limit))


register_wrapper_setting(
    "step_limit",
    WithStepLimit,
    lambda environment: not environment.success_at_limit,
    Annotated[int, Range(1, 2**30)],
)
