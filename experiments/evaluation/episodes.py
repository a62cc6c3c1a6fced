"""Play numbered episodes in many parallel environments, as one compiled program.

Episode i of a seed has the same level and instruction for every actor and for any number of
parallel environments.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from didact.environments import Environment, Restart, TaskSpace
from didact.experiments.rollout import (
    Actor,
    RolloutState,
    Runner,
    Step,
    new_worlds,
    play,
    zeros_like_shape,
)
from didact.experiments.tasks.task_sources import Numbered, level_keys, numbered, tasks_of
from didact.students.data.shards import OBSERVATION, stored_actions, stored_dtype

STEPS_PER_CHUNK = 64


class EpisodesState(NamedTuple):
    """The state of n environments that play numbered episodes."""

    worlds: RolloutState
    queue: Numbered
    chunks: Int[Array, ""]  # number of chunks played
    key: PRNGKeyArray

    def frontier(self) -> Int[Array, ""]:
        """Return the first episode that has not ended; all episodes before it have."""
        running = jnp.where(self.worlds.over, self.queue.following, self.worlds.tag)
        return jnp.minimum(jnp.min(running), self.queue.following)


# `advance(params, total, state) -> (state, rows)`: the state T steps later, and the recorded rows.
Advance = Callable[[Any, Any, EpisodesState], tuple[EpisodesState, dict[str, Array]]]


def player(
    environment: Environment, space: TaskSpace, actor: Actor, num_envs: int
) -> tuple[Callable[[PRNGKeyArray], EpisodesState], Advance]:
    """Return functions that start and advance numbered episodes.

    Args:
        environment: environment to play.
        space: task space to sample tasks from.
        actor: selects the actions.
        num_envs: number of parallel environments n.

    Returns:
        `begin(key) -> EpisodesState`, and the compiled function
        `go_on(params, total, playing) -> (playing, rows)`, which takes T steps. `total` is the
        number of episodes. Rows are arrays [T, n, ...] with the dtypes used on disk; where an
        environment waits, `episode` is `total`.
    """
    stores = {name: stored_dtype(s) for name, s in environment.observation_space.items()}
    actor = actor._replace(value=None)
    restart, group = Restart(environment), environment.restart_group_size

    def begin(key):
        worlds = new_worlds(environment, actor, num_envs)
        return EpisodesState(worlds, Numbered(jnp.int32(0), jnp.int32(0)), jnp.int32(0), key)

    def record(total, step: Step):
        seen = step.seen
        observation = step.worlds.observation
        return {
            **{OBSERVATION + k: v.astype(stores[k]) for k, v in observation.items()},
            "action": step.action.astype(stored_actions(environment.action_space)),
            "reward": seen.reward.astype(jnp.float32),
            "terminated": seen.terminated,
            "truncated": seen.truncated,
            "success": seen.success,
            "task": step.worlds.tasks,
            "start": step.start,
            "episode": jnp.where(step.playing, step.worlds.tag, total),
        }

    @jax.jit
    def go_on(params, total, playing):
        def draw(numbers):
            task_keys, reset_keys = level_keys(playing.key, numbers)
            return tasks_of(space, task_keys), reset_keys

        def scan(now: EpisodesState):
            runner = Runner(environment, restart, actor, numbered(draw, group))
            key = jax.random.fold_in(jax.random.fold_in(now.key, 1), now.chunks)
            worlds, queue, rows = play(
                runner, params, now.worlds, now.queue, key, STEPS_PER_CHUNK,
                lambda step: record(total, step),
            )  # fmt: skip
            return EpisodesState(worlds, queue, now.chunks + 1, now.key), rows

        def rest(now: EpisodesState):
            return now, jax.tree.map(zeros_like_shape, jax.eval_shape(scan, now)[1])

        playing = playing._replace(queue=Numbered(playing.queue.following, jnp.int32(total)))
        goes_on = playing.queue.left() | jnp.any(~playing.worlds.over)
        return jax.lax.cond(goes_on, scan, rest, playing)

    return begin, go_on
