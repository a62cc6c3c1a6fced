"""Anneals one task parameter to its minimum during training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from didact.environments import Box, SettingError
from didact.teachers.base import Teacher, propose

MOST = 2**30  # of a count


class AnnealedState(NamedTuple):
    """The inner teacher's state, and the progress of annealing."""

    inner: Any
    count: Int[Array, ""]  # proposals so far, in units such that counts fit into 32 bits
    rest: Int[Array, ""]  # proposals that are not a whole unit yet


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
    unit = -(-proposals // MOST)

    def init(key):
        return AnnealedState(teacher.init(key), jnp.int32(0), jnp.int32(0))

    def proposed(state, key, n):
        inner_key, number_key = jax.random.split(key)
        drawn, inner = propose(teacher, state.inner, inner_key, n)
        done = jnp.minimum(state.count * (unit / proposals), 1)
        part = jax.random.uniform(number_key, (n, 1)) * (1 - done)
        tasks = space.clip(jnp.where(here, least + (most - least) * part, drawn.tasks))
        rest = state.rest + n
        count = jnp.minimum(state.count + rest // unit, MOST)
        return drawn._replace(tasks=tasks), AnnealedState(inner, count, rest % unit)

    def observe(state, proposals, outcomes):
        shown = proposals._replace(tasks=jnp.where(here, most, proposals.tasks))
        return state._replace(inner=teacher.observe(state.inner, shown, outcomes))

    def picture(state):
        return teacher.picture(state.inner)

    return Teacher(init, proposed, observe, picture, teacher.batch, teacher.students)
