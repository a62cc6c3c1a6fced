"""Anneals one task parameter to its minimum during training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.environments import Box, SettingError
from didact.teachers.base import Teacher, propose


class AnnealedState(NamedTuple):
    """The inner teacher's state, and the progress of annealing."""

    inner: Any
    proposed: Float[Array, ""]  # the fraction of the proposals until the minimum is reached


def annealed(teacher: Teacher, space: Box, name: str, proposals: int) -> Teacher:
    """Anneal one parameter of all proposed tasks to its minimum.

    The parameter is sampled uniformly from a range that is initially that of the space and whose
    upper end decreases linearly. With `feedback_rate`, for example, messages become rarer until the
    student acts without them.

    Args:
        teacher: proposes all other parameters. It observes every task with the annealed parameter
            at its maximum, so that observed tasks equal its proposals. Create it for
            `space.restricted(**{name: maximum})`.
        space: the task space; the parameter is annealed to its lower bound there.
        name: the name of the parameter.
        proposals: the number of proposed tasks until the parameter is at its minimum. In each
            update, the training loop requests one task for each environment and step; from a
            teacher of several students, one for each level; from a teacher with a `batch`, only as
            many as it plays.

    Returns:
        The annealed teacher.

    Raises:
        SettingError: the dimension does not exist, or `proposals` is below 1.
    """
    if proposals < 1:
        raise SettingError("proposals", proposals, "at least 1")
    column = space.column(name)
    least, most = float(space.low[column]), float(space.high[column])
    here = np.arange(space.size) == column

    def init(key):
        return AnnealedState(teacher.init(key), jnp.float32(0))

    def proposed(state, key, n):
        inner_key, number_key = jax.random.split(key)
        drawn, inner = propose(teacher, state.inner, inner_key, n)
        part = jax.random.uniform(number_key, (n, 1)) * (1 - state.proposed)
        tasks = space.clip(jnp.where(here, least + (most - least) * part, drawn.tasks))
        count = jnp.minimum(state.proposed + n / proposals, 1)
        return drawn._replace(tasks=tasks), AnnealedState(inner, count)

    def observe(state, proposals, outcomes):
        shown = proposals._replace(tasks=jnp.where(here, most, proposals.tasks))
        return state._replace(inner=teacher.observe(state.inner, shown, outcomes))

    def picture(state):
        return teacher.picture(state.inner)

    return Teacher(init, proposed, observe, picture, teacher.batch, teacher.students)
