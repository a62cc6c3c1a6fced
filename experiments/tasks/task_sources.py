"""Sources of tasks: how environments that have finished an episode get their next one.

Each function returns a `rollout.Take` and its initial queue.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments import TaskSpace, map_in_groups
from didact.experiments.rollout import Next, Take, zeros_like_shape
from didact.teachers import Proposals


def by_step(proposals: Proposals) -> tuple[Take, Int[Array, ""]]:
    """Take tasks from proposals that are indexed by step and environment.

    Args:
        proposals: arrays [T, n, ...] for the next T steps. An environment that begins an episode at
            step t uses proposal [t, i], so each proposal is used at most once.
    """

    def take(step, key, over):
        now = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, step, 0, False), proposals)
        keys = jax.random.split(key, over.shape[0])
        return Next(now.tasks, now.learn, now.tag, keys), step + 1

    return take, jnp.int32(0)


def random_tasks(space: TaskSpace) -> tuple[Take, tuple[()]]:
    """Draw tasks uniformly, without limit."""

    def take(queue, key, over):
        n = over.shape[0]
        task_key, level_key = jax.random.split(key)
        keys = jax.random.split(level_key, n)
        marks = jnp.ones(n), jnp.zeros(n, jnp.int32)
        return Next(space.sample(task_key, n), *marks, keys), queue

    return take, ()


class Numbered(NamedTuple):
    """A queue of episodes 0 to `total` - 1, each of which is played once."""

    following: Int[Array, ""]  # the next episode that has not begun
    total: Int[Array, ""]

    def left(self) -> Bool[Array, ""]:
        """Return whether there are episodes that have not begun."""
        return self.following < self.total


# Maps the numbers of g episodes to their tasks [g, d] and the keys [g] of their levels.
Draw = Callable[[Int[Array, " g"]], tuple[Float[Array, "g d"], PRNGKeyArray]]


def numbered(draw: Draw, group_size: int) -> Take:
    """Play numbered episodes in order; the tag of an episode is its number.

    An environment that has finished takes the next episode that has not begun, or waits if none is
    left. Every episode is played to its end, so that long episodes are not underrepresented. The
    queue is a `Numbered`.

    Args:
        draw: maps episode numbers to tasks and level keys.
        group_size: number of episodes for which tasks and keys are computed at once on a CPU.
    """

    def take(queue: Numbered, key, over):
        number = queue.following + jnp.cumsum(over, dtype=jnp.int32) - 1
        there = number < queue.total
        begins = over & there
        blank = jax.tree.map(zeros_like_shape, jax.eval_shape(draw, number))
        tasks, keys = map_in_groups(lambda rows: draw(number[rows]), begins, blank, group_size)
        queue = queue._replace(following=queue.following + jnp.sum(begins, dtype=jnp.int32))
        return Next(tasks, jnp.ones(over.shape), number, keys, there), queue

    return take


def once(tasks: Float[Array, "m d"], key: PRNGKeyArray, group_size: int) -> tuple[Take, Numbered]:
    """Play one episode of each task, numbered like the tasks."""
    m = tasks.shape[0]
    keys = jax.random.split(key, m)
    take = numbered(lambda number: (tasks[number], keys[number]), group_size)
    return take, Numbered(jnp.int32(0), jnp.int32(m))


def level_keys(key: PRNGKeyArray, episodes: Int[Array, " n"]) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """Return the keys [n] of the tasks and of the levels of numbered episodes."""
    root = jax.random.fold_in(key, 0)
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(root, i)))(episodes)
    return keys[:, 0], keys[:, 1]


def tasks_of(space: TaskSpace, keys: PRNGKeyArray) -> Float[Array, "n d"]:
    """Sample one task per key."""
    return jax.vmap(lambda key: space.sample(key, 1)[0])(keys)
