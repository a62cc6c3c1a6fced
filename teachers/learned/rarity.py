"""Rare tasks of a given set, increasingly often while the student succeeds."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box
from didact.teachers.base import FOREIGN, Proposals, Teacher
from didact.teachers.learned.goal_sets import GoalSet, features_of
from didact.teachers.learned.success_models import drawn
from didact.teachers.pacing import success_rates


class RarityState(NamedTuple):
    """How much the distribution of the set is flattened, and the success in recent episodes."""

    level: Float[Array, ""]  # 0: the distribution of the set; 1: weights density^-power
    wins: Float[Array, ""]  # successes, with exponential forgetting
    seen: Float[Array, ""]  # episodes, forgotten likewise


def rarity(
    space: Box,
    *,
    goals: Any = None,
    groups: Any = None,
    tokens: Any = None,
    vectors: Any = None,
    power: float = 1.0,
    episodes: int = 1250,
    up: float = 0.7,
    down: float = 0.3,
    minimum: int = 50,
    horizon: int = 100,
) -> Teacher:
    """Goals of a given set, those in the tail of its distribution increasingly often.

    The difficulty of a goal is its rarity in the set, which is estimated once. Goals are drawn in
    proportion to density^(-level power). At level 0, they have the distribution of the set, in
    which common goals dominate; at level 1 and power 1, every kind of goal is equally likely, and
    higher powers prefer the tail. After every episode, the level rises by 1 / `episodes` if the
    recent success rate is above `up`, and falls by as much if it is below `down`. Each episode
    counts on its own, as in `paced`. If nothing succeeds, the level falls to 0.

    In the paper, goals are grouped by the first verb of the quest, and new worlds and quests are
    generated in which rare verbs are less rare; the student is trained on one such mixture after
    another. Here the goals are given, and success decides how fast the mixture changes.

    Args:
        space: the task space, see `goal_sets`.
        goals: float[m, d], m rows of task parameters, NaN where a parameter is free. By default,
            the values of the dimension "instruction", or samples of a space without it.
        groups: m labels, such as the verb of each instruction: the density is the frequency.
        tokens: int[m, l], token ids, 0 for padding: the density is the geometric mean of the
            frequencies of an instruction's tokens in the set.
        vectors: float[m, f], such as sentence vectors: a kernel density estimate. Without groups,
            tokens and vectors, the same is done with the parameters of the goals.
        power: the exponent of the density at level 1.
        episodes: the minimum number of episodes from level 0 to level 1.
        up, down: the success rates above and below which the level changes.
        minimum: the number of episodes before the level changes.
        horizon: the number of episodes of the exponential average of the success rate.

    Returns:
        A teacher whose `picture` has a task of each goal as `points` and its probability as
        `values`.

    Raises:
        SettingError: a setting is out of range, or the goals do not fit the space.

    References:
        Ammanabrolu, Jia and Riedl, Situated dialogue learning through procedural environment
        generation, ACL 2022, section 3.
    """
    require("power", power, 0 <= power < float("inf"), "at least 0")
    require("episodes", episodes, episodes >= 1, "at least 1")
    require("up", up, 0 <= up < 1, "at least 0 and below 1")
    require("down", down, 0 <= down <= up, f"from 0 to up, {up:g}")
    require("horizon", horizon, horizon >= 2, "at least 2")
    require("minimum", minimum, 1 <= minimum < horizon, f"from 1 to below the horizon, {horizon}")
    known = GoalSet(space, goals)
    logs = log_densities(known, groups=groups, tokens=tokens, vectors=vectors)
    m = len(known)

    def init(key):
        return RarityState(jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def chances(state):
        return jax.nn.softmax(-power * state.level * logs)

    def propose(state, key, n):
        goal_key, task_key = jax.random.split(key)
        index = drawn(goal_key, chances(state), n)
        return Proposals.of(known.tasks(task_key, index), tag=index), state

    def observe(state, proposals, outcomes):
        counts = outcomes.valid & (proposals.tag != FOREIGN)
        wins = success_rates.decayed_sums(outcomes.success, counts, state.wins, horizon)
        seen = success_rates.decayed_sums(jnp.ones_like(wins), counts, state.seen, horizon)
        rate = wins / jnp.maximum(seen, 1)
        direction = (rate > up).astype(jnp.float32) - (rate < down)
        steps = jnp.where(counts & (seen >= minimum), direction / episodes, 0)
        return RarityState(success_rates.bounded_walk(state.level, steps), wins[-1], seen[-1])

    def picture(state):
        return {
            "points": known.tasks(jax.random.key(0), jnp.arange(m)),
            "values": chances(state),
        }

    return Teacher(init, propose, observe, picture)


def log_densities(
    goals: GoalSet, *, groups: Any = None, tokens: Any = None, vectors: Any = None
) -> Float[np.ndarray, " m"]:
    """Return the log-density of each goal in the set, up to a constant; see `rarity`.

    Raises:
        SettingError: more than one description is given, or one does not fit the goals.
    """
    given = [x is not None for x in (groups, tokens, vectors)]
    if sum(given) > 1:
        raise SettingError("groups", "given", "omitted if tokens or vectors are given")
    m = len(goals)
    if groups is not None:
        require("groups", len(groups), len(groups) == m, f"one label for each of {m} goals")
        labels, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)[1:]
        return np.log(counts[labels] / m).astype(np.float32)
    rows = features_of(goals, vectors, tokens)
    if tokens is not None:
        counts = np.bincount(rows.reshape(-1)).astype(np.float64)
        counts[0] = 0
        logs = np.log(np.maximum(counts, 1) / counts.sum())
        said = rows > 0
        mean = np.where(said, logs[rows], 0).sum(1) / np.maximum(said.sum(1), 1)
        return mean.astype(np.float32)
    return kernel_log_densities(rows).astype(np.float32)


def kernel_log_densities(rows: Float[np.ndarray, "m f"]) -> Float[np.ndarray, " m"]:
    """Return the logs of a Gaussian kernel density estimate at its own points, up to a constant.

    The bandwidth is that of Scott's rule for the number of effective dimensions f' of the rows
    (their total variance, squared, by the sum of squared variances of all directions), because
    sentence vectors have hundreds of numbers that vary together.
    """
    rows = np.asarray(rows, np.float64)
    m = len(rows)
    if m < 2:
        return np.zeros(m)
    variances = np.clip(np.linalg.eigvalsh(np.atleast_2d(np.cov(rows.T))), 0, None)
    total = variances.sum()
    if total <= 0:
        return np.zeros(m)
    effective = total**2 / (variances**2).sum()
    bandwidth = m ** (-1 / (effective + 4)) * np.sqrt(total / effective)
    squares = (rows**2).sum(1)
    apart = np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0)
    return np.log(np.exp(-0.5 * apart / bandwidth**2).mean(1))
