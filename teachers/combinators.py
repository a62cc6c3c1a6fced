"""Teachers made of teachers."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments.errors import SettingError
from didact.environments.spaces import TaskSpace
from didact.teachers.base import Teacher
from didact.teachers.uniform import uniform


def mixture(parts: Sequence[tuple[float, Teacher]]) -> Teacher:
    """Each task is drawn by one of several teachers: `mixture([(0.8, a), (0.2, b)])`.

    Every teacher observes every episode, whoever proposed its task: a teacher that maps where
    progress is made learns from all of them.

    Args:
        parts: pairs of a weight and a teacher, all of the same task space.

    Returns:
        A teacher whose state is a tuple of theirs, and whose picture is the first that is not
        empty.

    Raises:
        SettingError: no parts, a weight that is negative or not finite, or a sum other than 1;
            when it proposes, task spaces that differ.
    """
    parts = list(parts)
    weights = [float(weight) for weight, _ in parts]
    teachers = [teacher for _, teacher in parts]
    if not parts:
        raise SettingError("parts", parts, "at least one pair of a weight and a teacher")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or abs(sum(weights) - 1) > 1e-6:
        raise SettingError("weights", weights, "numbers of at least 0 that sum to 1")
    edges = np.cumsum(weights)[:-1].astype(np.float32)

    def init(key):
        keys = jax.random.split(key, len(teachers))
        return tuple(teacher.init(k) for teacher, k in zip(teachers, keys, strict=True))

    def propose(state, key, n):
        key, *keys = jax.random.split(key, len(teachers) + 1)
        drawn = [
            teacher.propose(s, k, n) for teacher, s, k in zip(teachers, state, keys, strict=True)
        ]
        tasks = [proposed for proposed, _ in drawn]
        who = jnp.sum(jax.random.uniform(key, (n, 1)) >= edges, axis=1)
        chosen = tasks[0]
        for i, proposed in enumerate(tasks[1:], 1):
            if proposed.shape != chosen.shape:
                raise SettingError(
                    "parts",
                    [rows.shape[1] for rows in tasks],
                    "teachers of one task space, with as many dimensions each",
                )
            chosen = jnp.where(who[:, None] == i, proposed, chosen)
        return chosen, tuple(s for _, s in drawn)

    def observe(state, tasks, outcomes):
        return tuple(
            teacher.observe(s, tasks, outcomes) for teacher, s in zip(teachers, state, strict=True)
        )

    def picture(state):
        pictures = [teacher.picture(s) for teacher, s in zip(teachers, state, strict=True)]
        return next((drawn for drawn in pictures if drawn), {})

    return Teacher(init, propose, observe, picture)


class WarmStartedState(NamedTuple):
    """The warm-up, and the states of both teachers."""

    warm: Bool[Array, ""]  # whether the easy tasks are mastered; then it stays so
    success: Float[Array, ""]  # running success rate, not yet corrected for its start at 0
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
    """Easy tasks until they are mastered, and from then on the teacher's.

    The teacher observes every episode all along.

    Args:
        teacher: proposes after the warm-up.
        easy: proposes before it; a task space is sampled uniformly.
        until: the success rate that ends the warm-up.
        horizon: over how many episodes the success rate is averaged, exponentially.
        minimum: the fewest episodes before the warm-up can end.
        remaining: the fraction of easy tasks after the warm-up.

    Raises:
        SettingError: a setting is out of its range.
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
        """The weight that an average keeps after so many episodes."""
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

    def propose(state, key, n):
        who_key, easy_key, inner_key = jax.random.split(key, 3)
        easy_tasks, easy_state = beginner.propose(state.easy, easy_key, n)
        tasks, inner_state = teacher.propose(state.inner, inner_key, n)
        hard = state.warm & (jax.random.uniform(who_key, (n, 1)) >= remaining)
        chosen = jnp.where(hard, tasks, easy_tasks)
        return chosen, state._replace(easy=easy_state, inner=inner_state)

    def observe(state, tasks, outcomes):
        counts = outcomes.weights > 0
        total = jnp.sum(counts, dtype=jnp.int32)
        later = total - jnp.cumsum(counts)  # finished episodes after each row
        gain = jnp.where(counts, outcomes.success * kept(later) / horizon, 0)
        success = state.success * kept(total) + jnp.sum(gain)
        count = state.count + total
        rate = success / jnp.maximum(1 - kept(count), 1e-6)
        mastered = (count >= minimum) & (rate >= until)
        # After the warm-up the rows no longer tell of the easy tasks alone.
        return WarmStartedState(
            warm=state.warm | mastered,
            success=jnp.where(state.warm, state.success, success),
            count=jnp.where(state.warm, state.count, count),
            easy=beginner.observe(state.easy, tasks, outcomes),
            inner=teacher.observe(state.inner, tasks, outcomes),
        )

    return Teacher(init, propose, observe, lambda state: teacher.picture(state.inner))


def restricted(teacher: Teacher, space: TaskSpace) -> Teacher:
    """The teacher with every proposal moved to the nearest task of a smaller space.

    To let a teacher know nothing but the smaller space, make it with
    `space.restricted(...)` instead.
    """

    def propose(state, key, n):
        tasks, state = teacher.propose(state, key, n)
        return space.clip(tasks), state

    return teacher._replace(propose=propose)
