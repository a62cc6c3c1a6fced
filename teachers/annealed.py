"""Help that ends: one number of all tasks falls while the training goes on."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.environments import Box, SettingError
from didact.teachers.base import Teacher, propose


class AnnealedState(NamedTuple):
    """The inner teacher's state, and how much has been proposed."""

    inner: Any
    proposed: Float[Array, ""]  # as a part of the proposals after which the number is at its least


def annealed(teacher: Teacher, space: Box, name: str, proposals: int) -> Teacher:
    """The teacher with one number of every task drawn from a range that shrinks to its least value.

    The range is at first that of the space, and its upper end falls linearly. With
    `feedback_rate`, messages become rarer until the student stands alone.

    Args:
        teacher: proposes everything else. It is shown every task with the number at its greatest
            value, so that it meets again what it proposed; it is best made for
            `space.restricted(**{name: greatest})`.
        space: its tasks; the number falls to the least value there.
        name: of the dimension.
        proposals: tasks proposed until it has fallen. The training loop asks for one for each
            environment and step; of a teacher with a `batch`, only for as many as it plays.

    Raises:
        SettingError: there is no such dimension, or `proposals` is below 1.
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

    return Teacher(init, proposed, observe, picture, teacher.batch)
