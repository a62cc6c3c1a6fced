"""Teachers made of teachers.

Those that choose between parts write down in the tag of a proposal which part made it: with k
parts, the tag t of part i becomes k t + i. When the episode has ended, the part finds t again and
every other part finds `FOREIGN`. So tags must stay below 2^31 / k.
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
    """Each task is drawn by one of several teachers: `mixture([(0.8, a), (0.2, b)])`.

    Every teacher observes every episode, whichever proposed its task: a teacher that maps where
    progress is made learns from all of them. The tags of episodes that another part proposed are
    `FOREIGN`.

    Args:
        parts: pairs of a weight and a teacher, all of the same task space.

    Returns:
        A teacher whose state is a tuple of theirs, and whose picture is the first that is not
        empty. Its proposals cost what those of all parts cost: each is asked for as many.

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

    The teacher observes every episode all along; the tags of easy tasks are `FOREIGN` to it.

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
        # After the warm-up the rows no longer tell of the easy tasks alone.
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
    """The teacher with every proposal moved to the nearest task of a smaller space.

    To let a teacher know nothing but the smaller space, make it with
    `space.restricted(...)` instead.
    """

    def proposed(state, key, n):
        proposals, state = propose(teacher, state, key, n)
        return proposals._replace(tasks=space.clip(proposals.tasks)), state

    return teacher._replace(propose=proposed)


def _chosen(parts: Sequence[Proposals], who: Int[Array, " n"]) -> Proposals:
    """Row i of the proposals of part who[i], with the part in its tag."""
    sizes = [part.tasks.shape[1] for part in parts]
    if len(set(sizes)) > 1:
        raise SettingError("parts", sizes, "teachers of one task space, with as many dimensions")
    chosen = parts[0]
    for i, part in enumerate(parts[1:], 1):
        chosen = Proposals(
            jnp.where(who[:, None] == i, part.tasks, chosen.tasks),
            jnp.where(who == i, part.learn, chosen.learn),
            jnp.where(who == i, part.tag, chosen.tag),
        )
    return chosen._replace(tag=chosen.tag * len(parts) + who)


def _shown(proposals: Proposals, part: int, parts: int) -> Proposals:
    """The proposals as one part sees them: its own tags, and `FOREIGN` for all others."""
    # FOREIGN itself, where this is a part of something, stays what it is: -1 // parts is -1.
    own = jnp.where(proposals.tag % parts == part, proposals.tag // parts, FOREIGN)
    return proposals._replace(tag=own)


def _batch(*teachers: Teacher) -> int | None:
    """Proposals are costly where those of one part are; then as many as it likes best at once."""
    return max((t.batch for t in teachers if t.batch is not None), default=None)
