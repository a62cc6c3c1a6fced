"""A bandit over teachers: which of them helps the student most now?"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import TaskSpace
from didact.teachers import ring_buffer
from didact.teachers.base import Teacher, propose
from didact.teachers.combinators.tags import chosen, largest_batch, most_students, shown_to
from didact.teachers.progress.alp_gmm import Episodes, nearest_value

FEWEST = 1.99  # effective episodes: two, apart from rounding and from the time between them


class BanditState(NamedTuple):
    """K teachers; a ring buffer of the latest h episodes of all of them."""

    parts: tuple[Any, ...]  # the states of the teachers
    tasks: Float[Array, "h f"]  # features of the tasks, in the unit cube; inf in unused rows
    outcomes: Float[Array, " h"]
    count: Int[Array, ""]  # episodes in the buffer so far
    # Discounted sums over the episodes of each teacher: of the weights, the squared weights, the
    # progress and the squared progress.
    weight: Float[Array, " K"]
    square_weight: Float[Array, " K"]
    progress: Float[Array, " K"]
    square_progress: Float[Array, " K"]


def bandit_over(
    teachers: Sequence[Teacher],
    space: TaskSpace,
    *,
    horizon: int = 2000,
    exploration: float = 0.1,
    temperature: float = 0.25,
    history: int = 1024,
    outcome: str = "return",
) -> Teacher:
    """Draw each task from the teacher whose tasks the student makes most progress on.

    The progress of an episode with the outcome r is r - r', where r' is the outcome of the nearest
    of the latest `history` earlier episodes, whichever teacher proposed it (nearest in the features
    of the space, which are the task itself in a `Box`). The progress of a teacher is the absolute
    value of the mean progress of its episodes, in which an episode that ended n episodes ago (of
    any teacher) has the weight w = (1 - 1 / `horizon`)^n; one standard error is subtracted, and
    negative values become 0. It is also 0 below two effective episodes, (sum w)^2 / sum w^2. With
    q_i the progress of teacher i of K, a task comes from it with the probability

        exploration / K + (1 - exploration) softmax(q / (temperature max q))_i,

    so only the ratios of progress matter. Where no progress is significant, all teachers are
    equally likely.

    Differences are averaged before their absolute value is taken. The absolute progress of single
    episodes, as in `alp_gmm`, would be mostly the noise 2 p (1 - p) where an outcome is success or
    failure. All teachers observe all episodes.

    The bandit of the paper, EXP3.S, plays one arm at a time and weights its reward by the inverse
    of its probability. Here every batch has episodes of all teachers, so discounted averages
    estimate the progress of each directly; the exploration keeps them up to date.

    Args:
        teachers: at least two teachers of the same space.
        space: the task space.
        horizon: the number of episodes after which the weight of an episode has fallen to 1 / e.
        exploration: the fraction of tasks that come from a uniformly drawn teacher.
        temperature: how evenly the rest is distributed: a teacher without progress is exp(-1 /
            temperature) times as likely as the best, about 1/55 by default.
        history: the number of latest episodes that are searched for the nearest task.
        outcome: "return" or "success".

    Returns:
        A teacher whose picture has the probabilities of the teachers (`arms`) and the picture of
        the first teacher that draws one. Proposing costs as much as all teachers together.

    Raises:
        SettingError: there are fewer than two teachers, or a setting is out of range.

    References:
        Graves, Bellemare, Menick, Munos and Kavukcuoglu, Automated curriculum learning for neural
        networks, ICML 2017, section 2: bandits over tasks, rewarded by learning progress.
        Matiisen, Oliver, Cohen and Schulman, Teacher-student curriculum learning, 2017
        (arXiv:1707.00183): the absolute value of progress, so that forgetting counts.
    """
    teachers = tuple(teachers)
    k = len(teachers)
    if k < 2:
        raise SettingError("teachers", k, "at least two teachers")
    require("horizon", horizon, horizon >= 2, "at least 2")
    require("exploration", exploration, 0 < exploration <= 1, "above 0 and at most 1")
    require("temperature", temperature, 0 < temperature < float("inf"), "above 0")
    require("history", history, history >= 1, "at least 1")
    require("outcome", outcome, outcome in ("return", "success"), '"return" or "success"')
    log_keep = math.log1p(-1 / horizon)
    features = space.feature_space

    def init(key):
        keys = jax.random.split(key, k)
        return BanditState(
            parts=tuple(part.init(key) for part, key in zip(teachers, keys, strict=True)),
            tasks=jnp.full((history, features.size), jnp.inf),
            outcomes=jnp.zeros(history),
            count=jnp.int32(0),
            weight=jnp.zeros(k),
            square_weight=jnp.zeros(k),
            progress=jnp.zeros(k),
            square_progress=jnp.zeros(k),
        )

    def probabilities(state: BanditState) -> Float[Array, " K"]:
        weight = jnp.maximum(state.weight, 1e-6)
        mean = state.progress / weight
        variance = jnp.maximum(state.square_progress / weight - mean**2, 0)
        # The weighted mean of values of this variance has the variance times sum w^2 / (sum w)^2.
        error = jnp.sqrt(variance * state.square_weight) / weight
        value = jnp.maximum(jnp.abs(mean) - error, 0)
        # A single episode has no variance, and would count as certain.
        value = jnp.where(state.weight**2 < FEWEST * state.square_weight, 0, value)
        best = jnp.max(value)
        share = jax.nn.softmax(value / (temperature * jnp.where(best > 0, best, 1)))
        return exploration / k + (1 - exploration) * share

    def proposed(state, key, n):
        key, *keys = jax.random.split(key, k + 1)
        drawn = [propose(*each, n) for each in zip(teachers, state.parts, keys, strict=True)]
        edges = jnp.cumsum(probabilities(state))[:-1]
        who = jnp.sum(jax.random.uniform(key, (n, 1)) >= edges, axis=1)
        parts = tuple(part for _, part in drawn)
        return chosen([tasks for tasks, _ in drawn], who), state._replace(parts=parts)

    def observe(state, proposals, outcomes):
        values = outcomes.success if outcome == "success" else outcomes.returns
        counts = outcomes.valid & jnp.isfinite(values)
        tasks = jnp.where(counts[:, None], proposals.tasks, space.low)
        points = features.normalise(space.features(tasks))
        ring = Episodes(state.tasks, state.outcomes, state.count)
        # Each by itself: between episodes of one call there is no progress, which would count as 0.
        first = jnp.zeros(1, jnp.int32)
        earlier, known = jax.vmap(lambda x: nearest_value(ring, x[None], jnp.zeros(1), first))(
            points
        )
        earlier, known = earlier[:, 0], known[:, 0]
        own = (proposals.tag % k)[None] == jnp.arange(k)[:, None]
        own &= (counts & known & (proposals.tag >= 0))[None]
        progress = jnp.where(counts, values - earlier, 0)
        order, at, total = ring_buffer.slots(counts, state.count, history)
        keep = jnp.exp(total * log_keep)

        def added(old, new, keep=keep):
            return keep * old + jnp.sum(jnp.where(own, new, 0), axis=1)

        return BanditState(
            parts=tuple(
                part.observe(s, shown_to(i, k, proposals), outcomes)
                for i, (part, s) in enumerate(zip(teachers, state.parts, strict=True))
            ),
            tasks=state.tasks.at[at].set(points[order], mode="drop"),
            outcomes=state.outcomes.at[at].set(jnp.where(counts, values, 0)[order], mode="drop"),
            count=state.count + total - ring_buffer.surplus(state.count, history),
            weight=added(state.weight, 1.0),
            square_weight=added(state.square_weight, 1.0, keep**2),
            progress=added(state.progress, progress),
            square_progress=added(state.square_progress, progress**2),
        )

    def picture(state):
        pictures = [part.picture(s) for part, s in zip(teachers, state.parts, strict=True)]
        return next((drawn for drawn in pictures if drawn), {}) | {"arms": probabilities(state)}

    sizes = largest_batch(*teachers), most_students(*teachers)
    return Teacher(init, proposed, observe, picture, *sizes)
