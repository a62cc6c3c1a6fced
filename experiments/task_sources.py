"""Which episode comes next: the ways in which environments that have finished get another task.

Each is a `rollout.Take` and the queue that it begins with.
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
    """One proposal for each step and environment: one that finishes takes that of its step.

    Args:
        proposals: arrays [T, n, ...] for the next T steps. Each is used at most once.
    """

    def take(step, key, over):
        now = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, step, 0, False), proposals)
        keys = jax.random.split(key, over.shape[0])
        return Next(now.tasks, now.learn, now.tag, keys), step + 1

    return take, jnp.int32(0)


def random_tasks(space: TaskSpace) -> tuple[Take, tuple[()]]:
    """Tasks drawn uniformly, without an end."""

    def take(queue, key, over):
        n = over.shape[0]
        task_key, level_key = jax.random.split(key)
        keys = jax.random.split(level_key, n)
        marks = jnp.ones(n), jnp.zeros(n, jnp.int32)
        return Next(space.sample(task_key, n), *marks, keys), queue

    return take, ()


class Numbered(NamedTuple):
    """Episodes 0 to `total` - 1, each of which is played once."""

    following: Int[Array, ""]  # the next episode that no environment has
    total: Int[Array, ""]

    def left(self) -> Bool[Array, ""]:
        """Whether there are episodes that have not begun."""
        return self.following < self.total


# From the numbers of g episodes to their tasks [g, d] and the keys [g] of their levels.
Draw = Callable[[Int[Array, " g"]], tuple[Float[Array, "g d"], PRNGKeyArray]]


def numbered(draw: Draw, group_size: int) -> Take:
    """Numbered episodes, in order; the tag of an episode is its number.

    An environment that has finished takes the next episode that no other has, and waits when there
    is none left. All that have begun are played to their end, so short and long ones count alike.
    The queue is a `Numbered`.

    Args:
        draw: task and level of episodes by their numbers.
        group_size: of how many episodes tasks and keys are made at once on a CPU.
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
    """One episode of each task, numbered as the tasks are."""
    m = tasks.shape[0]
    keys = jax.random.split(key, m)
    take = numbered(lambda number: (tasks[number], keys[number]), group_size)
    return take, Numbered(jnp.int32(0), jnp.int32(m))


def level_keys(key: PRNGKeyArray, episodes: Int[Array, " n"]) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """What numbered episodes of a seed are made from: the keys [n] of their tasks and levels."""
    root = jax.random.fold_in(key, 0)
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(root, i)))(episodes)
    return keys[:, 0], keys[:, 1]


def tasks_of(space: TaskSpace, keys: PRNGKeyArray) -> Float[Array, "n d"]:
    """One task for each key."""
    return jax.vmap(lambda key: space.sample(key, 1)[0])(keys)
