"""The baseline: uniform sampling of tasks."""

from typing import NamedTuple

from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher


class UniformState(NamedTuple):
    """The empty state."""


def uniform(space: TaskSpace) -> Teacher:
    """Sample tasks uniformly from the space, independently of outcomes.

    Also known as domain randomization. This is the baseline for all curricula.

    Args:
        space: the task space.

    Returns:
        A teacher without state.
    """

    def init(key):
        return UniformState()

    def propose(state, key, n):
        return space.sample(key, n), state

    def observe(state, proposals, outcomes):
        return state

    return Teacher(init, propose, observe)
