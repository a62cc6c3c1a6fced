"""Levels that several students play, for teachers that compare students.

With k students and n environments there are g = n / k groups. Environment j g + i is that of
student j in group i. All environments of a group play the same level (the same task and level key)
over and over again. Between rollouts, a group in which every student has finished at least one
episode of its level is reported to the teacher and gets another level; an episode that has already
begun is played to its end, but does not count any more. So no environment ever waits.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.experiments.rollout import MAX, Episodes, Next, Take, no_total
from didact.teachers import Proposals
from didact.teachers.adversary.regrets import REGRETS

BEST = MAX + "return"


class SharedLevels(NamedTuple):
    """The levels of g groups of k students, and the totals of the episodes in them so far."""

    proposals: Proposals  # each [g, ...]
    keys: PRNGKeyArray  # keys of the levels, [g]
    number: Int[Array, " g"]  # 1 for a group's first level; 0 before it
    episodes: Float[Array, "g k"]  # finished episodes of each student
    totals: dict[str, Float[Array, "g k"]]  # sums over these episodes, or maxima


def empty(size: int, groups: int, students: int, names: Any) -> SharedLevels:
    """Return the state before the first level.

    Args:
        size: number of parameters of a task.
        groups: number of groups g.
        students: number of students k.
        names: names of `Episodes.totals`.
    """
    names = (*names, "success", BEST)
    return SharedLevels(
        Proposals.of(jnp.zeros((groups, size))),
        jax.random.split(jax.random.key(0), groups),
        jnp.zeros(groups, jnp.int32),
        jnp.zeros((groups, students)),
        {name: jnp.full((groups, students), no_total(name)) for name in names},
    )


def begin(
    levels: SharedLevels, take: Take, queue: Any, key: PRNGKeyArray
) -> tuple[Take, tuple[Any, SharedLevels]]:
    """Give each group that has finished its level another one, and return the source for a rollout.

    Args:
        levels: the levels so far.
        take, queue: the source of the proposals for the groups.
        key: key for the new levels.

    Returns:
        A source of episodes for all environments, and its queue: the new queue of the proposals,
        and the levels.
    """
    groups, students = levels.episodes.shape
    begins = _finished(levels)
    following, queue = take(queue, jax.random.fold_in(key, 0), begins)
    if following.there is not None:
        begins = begins & following.there
    fresh = SharedLevels(
        Proposals(following.tasks, following.learn, following.tag),
        following.keys,
        levels.number + 1,
        jnp.zeros_like(levels.episodes),
        {name: jnp.full_like(x, no_total(name)) for name, x in levels.totals.items()},
    )

    def renewed(new, old):
        return jnp.where(begins.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    levels = jax.tree.map(renewed, fresh, levels)
    group = jnp.arange(groups * students) % groups

    def again(queue, key, over):
        # The tag of an episode is the number of its level; the teacher's tag is kept here.
        tasks, learn, _ = jax.tree.map(lambda x: x[group], levels.proposals)
        return Next(tasks, learn, levels.number[group], levels.keys[group]), queue

    return again, (queue, levels)


def observe(levels: SharedLevels, episodes: Episodes) -> tuple[SharedLevels, Episodes]:
    """Add the episodes of a rollout of T steps.

    Args:
        levels: the levels of the rollout.
        episodes: the episodes of all environments, as from `rollout.collect`.

    Returns:
        The levels, and an `Episodes` with one step and one column for each group, which is done
        where the group has finished its level. It holds the means over the first student's episodes
        in the level (`success` is a share), and the regrets among its totals.
    """
    students = levels.episodes.shape[1]
    current = jnp.tile(levels.number, students)
    counts = _by_student(episodes.done & (episodes.tag == current), students)
    totals = episodes.totals | {
        "success": episodes.success.astype(jnp.float32),
        BEST: episodes.totals["return"],
    }

    def added(name, before):
        x = jnp.where(counts, _by_student(totals[name], students), no_total(name))
        if name.startswith(MAX):
            return jnp.maximum(before, jnp.max(x, axis=0).T)
        return before + jnp.sum(x, axis=0).T

    levels = levels._replace(
        episodes=levels.episodes + jnp.sum(counts, axis=0, dtype=jnp.float32).T,
        totals={name: added(name, x) for name, x in levels.totals.items()},
    )
    count = jnp.maximum(levels.episodes, 1)
    means = {n: x if n.startswith(MAX) else x / count for n, x in levels.totals.items()}
    done = _finished(levels)
    best = jnp.where(levels.episodes > 0, means.pop(BEST), 0)
    rows = {name: jnp.where(done, x[:, 0], 0)[None] for name, x in means.items()}
    for name, regret in REGRETS.items():
        rows[name] = regret(best, means["return"])[None]
    tasks, learn, tag = jax.tree.map(lambda x: x[None], levels.proposals)
    return levels, Episodes(done[None], tasks, learn, tag, rows.pop("success"), rows)


def _finished(levels: SharedLevels) -> Array:
    """Return which groups need another level."""
    return jnp.all(levels.episodes > 0, axis=1) | (levels.number == 0)


def _by_student(x: Array, students: int) -> Array:
    """Reshape [T, k g] to [T, k, g]."""
    return x.reshape(x.shape[0], students, -1)
