"""The hand-made curriculum: a window that slides from the easiest corner to the hardest."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers import outcome_values, ring_buffer
from didact.teachers.base import Proposals, Teacher
from didact.teachers.pacing import unit_boxes


class OracleState(NamedTuple):
    """The place of the window, and the outcomes since it was last judged."""

    shifts: Int[Array, ""]  # how often the window has been shifted
    total: Float[Array, ""]  # the sum of the outcomes since the latest decision
    count: Int[Array, ""]  # their number, below `every`


def oracle(
    space: Box,
    easy: Box,
    *,
    window: float = 1 / 6,
    step: float = 1 / 30,
    every: int = 50,
    threshold: float = 0.8,
    outcome: str = "success",
) -> Teacher:
    """A window of tasks that is shifted towards harder ones whenever they are mastered.

    Tasks are uniform in a window of a fraction of each range, initially at the easy corner. After
    every `every` episodes, the window moves on if their mean outcome is above the threshold; it
    never returns. This is the upper bound that teachers are compared with: it knows where tasks are
    easy, that difficulty increases along every dimension, and which outcome means mastery.

    Only episodes of the present window count, so a batch of episodes has the effect of the same
    episodes one by one. The original also counts those that were still running when it moved.

    Args:
        space: the task space.
        easy: a part of the space that touches it where tasks are easiest. Dimensions in which it
            covers the whole range are uniform.
        window: the size of the window, as a fraction of each range.
        step: the distance of each shift, as a fraction of each range.
        every: the number of episodes between decisions.
        threshold: the mean outcome above which the window is shifted.
        outcome: "return" or "success".

    Returns:
        A teacher whose `picture` contains the window.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Portelas et al., CoRL 2019, section 5 ("Oracle").
    """
    unit_boxes.check_space(space)
    unit_boxes.check_easy(space, easy)
    require("window", window, 0 < window <= 1, "above 0 and at most 1")
    require("step", step, 0 < step <= 1, "above 0 and at most 1")
    require("every", every, every >= 1, "at least 1")
    require("threshold", threshold, np.isfinite(threshold), "a finite number")
    outcome_values.check(outcome, (0.0, 1.0))
    corner, unknown = unit_boxes.corner_of(space, easy)
    # A corner inside a range has no direction, so the window grows around it.
    towards = np.where(corner <= 0, 1.0, np.where(corner >= 1, -1.0, 0.0)) * ~unknown
    inside = (towards == 0) & ~unknown

    def init(key):
        return OracleState(jnp.int32(0), jnp.float32(0), jnp.int32(0))

    def bounds_of(state):
        shift = jnp.minimum(state.shifts * step, 1 - window)
        near = corner + towards * shift
        far = near + towards * window
        around = window / 2 + shift
        low = jnp.where(inside, jnp.maximum(corner - around, 0), jnp.minimum(near, far))
        high = jnp.where(inside, jnp.minimum(corner + around, 1), jnp.maximum(near, far))
        return jnp.where(unknown, 0, low), jnp.where(unknown, 1, high)  # in the unit cube

    def propose(state, key, n):
        low, high = (jnp.broadcast_to(x, (n, space.size)) for x in bounds_of(state))
        return Proposals.of(unit_boxes.sample(space, key, low, high), tag=state.shifts), state

    def observe(state, proposals, outcomes):
        counts, values = outcome_values.values_of(outcomes, outcome)
        counts &= proposals.tag == state.shifts
        n = counts.shape[0]
        order, _, total = ring_buffer.slots(counts, jnp.int32(0), n)
        number = jnp.arange(n)
        values = jnp.where(number < total, values[order], 0)
        group = (state.count + number) // every  # group 0 began in an earlier call
        groups = 1 + n // every
        sums = jnp.zeros(groups + 1).at[group].add(values, mode="drop").at[0].add(state.total)
        complete = (jnp.arange(groups + 1) + 1) * every <= state.count + total
        moves = jnp.any(complete & (sums > threshold * every))
        left = state.count + total
        return OracleState(
            shifts=state.shifts + moves * (state.shifts * step < 1 - window),
            total=jnp.where(moves, 0, sums[left // every]),
            count=jnp.where(moves, 0, left % every),
        )

    def picture(state):
        low, high = bounds_of(state)
        return unit_boxes.picture(space, low[None], high[None])

    return Teacher(init, propose, observe, picture)
