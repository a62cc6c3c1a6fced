"""The baseline: tasks drawn uniformly."""

from typing import NamedTuple

from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher


class UniformState(NamedTuple):
    """Nothing to remember."""


def uniform(space: TaskSpace) -> Teacher:
    """Tasks drawn uniformly from the space, whatever the outcomes of earlier ones.

    Known as domain randomisation; the baseline that every curriculum has to beat.

    Args:
        space: where tasks are drawn from.

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
