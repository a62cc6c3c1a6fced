"""Warm starts: easy tasks until they are mastered."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from didact.common.errors import SettingError
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher, propose
from didact.teachers.combinators.tags import chosen, largest_batch, most_students, shown_to
from didact.teachers.ring_buffer import LARGE
from didact.teachers.uniform import uniform


class WarmStartedState(NamedTuple):
    """The progress of the warm-up, and the states of both teachers."""

    warm: Bool[Array, ""]  # whether the warm-up has ended
    success: Float[Array, ""]  # the running success rate, before bias correction
    count: Int[Array, ""]  # episodes of the warm-up
    easy: Any
    inner: Any


def warm_started(
    teacher: Teacher,
    easy: Teacher | TaskSpace,
    *,
    until: float = 0.95,
    horizon: int = 500,
    minimum: int = 500,
    remaining: float = 0.0,
) -> Teacher:
    """Propose easy tasks until they are mastered, and then the tasks of a teacher.

    The teacher also observes the episodes of the warm-up, with the tag `FOREIGN`.

    Args:
        teacher: proposes tasks after the warm-up.
        easy: proposes tasks during the warm-up; a task space is sampled uniformly.
        until: the success rate that ends the warm-up.
        horizon: the number of episodes of the exponential average of the success rate.
        minimum: the minimum number of episodes of the warm-up.
        remaining: the fraction of easy tasks after the warm-up.

    Returns:
        The combined teacher.

    Raises:
        SettingError: a setting is out of range.
    """
    if not 0 < until <= 1:
        raise SettingError("until", until, "above 0 and at most 1")
    if horizon < 1:
        raise SettingError("horizon", horizon, "at least 1")
    if minimum < 1:
        raise SettingError("minimum", minimum, "at least 1")
    if not 0 <= remaining <= 1:
        raise SettingError("remaining", remaining, "from 0 to 1")
    beginner = easy if isinstance(easy, Teacher) else uniform(easy)
    log_keep = math.log1p(-1 / horizon) if horizon > 1 else -math.inf

    def kept(episodes):
        """Return the weight of the old average after this number of episodes."""
        return jnp.where(episodes == 0, 1.0, jnp.exp(jnp.maximum(episodes, 1) * log_keep))

    def init(key):
        easy_key, inner_key = jax.random.split(key)
        return WarmStartedState(
            warm=jnp.bool_(False),
            success=jnp.float32(0),
            count=jnp.int32(0),
            easy=beginner.init(easy_key),
            inner=teacher.init(inner_key),
        )

    def proposed(state, key, n):
        who_key, easy_key, inner_key = jax.random.split(key, 3)
        easy_tasks, easy_state = propose(beginner, state.easy, easy_key, n)
        tasks, inner_state = propose(teacher, state.inner, inner_key, n)
        hard = state.warm & (jax.random.uniform(who_key, (n,)) >= remaining)
        tasks = chosen([easy_tasks, tasks], hard.astype(jnp.int32))
        return tasks, state._replace(easy=easy_state, inner=inner_state)

    def observe(state, proposals, outcomes):
        counts = outcomes.valid
        total = jnp.sum(counts, dtype=jnp.int32)
        later = total - jnp.cumsum(counts)  # finished episodes after each row
        gain = jnp.where(counts, outcomes.success * kept(later) / horizon, 0)
        success = state.success * kept(total) + jnp.sum(gain)
        count = jnp.minimum(state.count + total, LARGE)
        rate = success / jnp.maximum(1 - kept(count), 1e-6)
        mastered = (count >= minimum) & (rate >= until)
        # After the warm-up, episodes are no longer those of easy tasks only.
        return WarmStartedState(
            warm=state.warm | mastered,
            success=jnp.where(state.warm, state.success, success),
            count=jnp.where(state.warm, state.count, count),
            easy=beginner.observe(state.easy, shown_to(0, 2, proposals), outcomes),
            inner=teacher.observe(state.inner, shown_to(1, 2, proposals), outcomes),
        )

    def picture(state):
        return teacher.picture(state.inner)

    both = beginner, teacher
    return Teacher(init, proposed, observe, picture, largest_batch(*both), most_students(*both))
