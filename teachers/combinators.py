"""Combinators of teachers: mixtures, warm starts, and restrictions to smaller spaces.

Combinators of several teachers encode the proposing teacher in the tag: with k teachers, the tag t
of teacher i becomes k t + i. When the episode has ended, that teacher observes the tag t, and all
others observe `FOREIGN`. So tags must be below 2^31 / k.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.common.errors import SettingError
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import FOREIGN, Proposals, Teacher, propose
from didact.teachers.uniform import uniform


def mixture(parts: Sequence[tuple[float, Teacher]]) -> Teacher:
    """Draw each task from one of several teachers: `mixture([(0.8, a), (0.2, b)])`.

    All teachers observe all episodes, so that a teacher that estimates learning progress can use
    every one of them. Episodes proposed by another teacher have the tag `FOREIGN`.

    Args:
        parts: pairs of a weight and a teacher, all of the same task space.

    Returns:
        A teacher whose state is a tuple of the states of its parts, and whose picture is the first
        one that is not empty. Proposing costs as much as all parts together, because each part
        proposes all n tasks.

    Raises:
        SettingError: there are no parts, a weight is negative or not finite, or the weights do not
            sum to 1; when it proposes, if the task spaces differ.
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

    def proposed(state, key, n):
        key, *keys = jax.random.split(key, len(teachers) + 1)
        parts = zip(teachers, state, keys, strict=True)
        drawn = [propose(teacher, s, k, n) for teacher, s, k in parts]
        who = jnp.sum(jax.random.uniform(key, (n, 1)) >= edges, axis=1)
        return _chosen([each for each, _ in drawn], who), tuple(s for _, s in drawn)

    def observe(state, proposals, outcomes):
        return tuple(
            teacher.observe(s, _shown(proposals, i, len(teachers)), outcomes)
            for i, (teacher, s) in enumerate(zip(teachers, state, strict=True))
        )

    def picture(state):
        pictures = [teacher.picture(s) for teacher, s in zip(teachers, state, strict=True)]
        return next((drawn for drawn in pictures if drawn), {})

    return Teacher(init, proposed, observe, picture, _batch(*teachers))


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
        chosen = _chosen([easy_tasks, tasks], hard.astype(jnp.int32))
        return chosen, state._replace(easy=easy_state, inner=inner_state)

    def observe(state, proposals, outcomes):
        counts = outcomes.weights > 0
        total = jnp.sum(counts, dtype=jnp.int32)
        later = total - jnp.cumsum(counts)  # finished episodes after each row
        gain = jnp.where(counts, outcomes.success * kept(later) / horizon, 0)
        success = state.success * kept(total) + jnp.sum(gain)
        count = state.count + total
        rate = success / jnp.maximum(1 - kept(count), 1e-6)
        mastered = (count >= minimum) & (rate >= until)
        # After the warm-up, episodes are no longer those of easy tasks only.
        return WarmStartedState(
            warm=state.warm | mastered,
            success=jnp.where(state.warm, state.success, success),
            count=jnp.where(state.warm, state.count, count),
            easy=beginner.observe(state.easy, _shown(proposals, 0, 2), outcomes),
            inner=teacher.observe(state.inner, _shown(proposals, 1, 2), outcomes),
        )

    def picture(state):
        return teacher.picture(state.inner)

    return Teacher(init, proposed, observe, picture, _batch(beginner, teacher))


def restricted(teacher: Teacher, space: TaskSpace) -> Teacher:
    """Move every proposal of a teacher to the nearest task of a smaller space.

    The teacher itself still works on its own space. To restrict that, create the teacher with
    `space.restricted(...)` instead.

    Args:
        teacher: the teacher.
        space: the smaller task space.
    """

    def proposed(state, key, n):
        proposals, state = propose(teacher, state, key, n)
        return proposals._replace(tasks=space.clip(proposals.tasks)), state

    return teacher._replace(propose=proposed)


def _chosen(parts: Sequence[Proposals], who: Int[Array, " n"]) -> Proposals:
    """Select row i of the proposals of part who[i], with the part encoded in the tag."""
    sizes = [part.tasks.shape[1] for part in parts]
    if len(set(sizes)) > 1:
        raise SettingError("parts", sizes, "teachers of one task space, with equal dimensions")
    chosen = parts[0]
    for i, part in enumerate(parts[1:], 1):
        chosen = Proposals(
            jnp.where(who[:, None] == i, part.tasks, chosen.tasks),
            jnp.where(who == i, part.learn, chosen.learn),
            jnp.where(who == i, part.tag, chosen.tag),
        )
    return chosen._replace(tag=chosen.tag * len(parts) + who)


def _shown(proposals: Proposals, part: int, parts: int) -> Proposals:
    """Return the proposals as one part observes them: its own tags, and `FOREIGN` for others."""
    # In nested combinators the tag may be FOREIGN itself, which is kept: -1 // parts is -1.
    own = jnp.where(proposals.tag % parts == part, proposals.tag // parts, FOREIGN)
    return proposals._replace(tag=own)


def _batch(*teachers: Teacher) -> int | None:
    """Return the largest batch of the parts, or None if proposals of all parts are cheap."""
    return max((t.batch for t in teachers if t.batch is not None), default=None)
