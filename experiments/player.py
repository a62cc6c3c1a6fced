"""Plays numbered episodes: many worlds in one compiled program, each level by its number.

Episode i of a seed is the same level and instruction whoever acts, and however many worlds are
played side by side. A world that is done takes the next episode that nobody has begun, and all that
are begun are played to their end: so short and long ones count alike.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments import Environment, Restart, SettingError, TaskSpace, for_groups
from didact.environments.grid import GridWorld, solver
from didact.students import Student
from didact.students.shards import OBSERVATION, small, stored

STEPS_PER_CHUNK = 64


class Actor(NamedTuple):
    """Who acts in n worlds.

    Attributes:
        params: what it was trained to, or ().
        initial_carry: `initial_carry(n)`, what is remembered at an episode's start, each [n, ...].
        act: `act(params, state, carry, observation, key) -> (actions [n], carry)`; `state` is the
            environment's, for those who see everything.
    """

    params: Any
    initial_carry: Callable[[int], Any]
    act: Callable[[Any, Any, Any, dict[str, Array], PRNGKeyArray], tuple[Array, Any]]


def student_actor(student: Student, state: Any, greedy: bool = False) -> Actor:
    """A student that has learned `state`."""
    choose = student.act_greedily if greedy else student.act

    def act(params, worlds, carry, observation, key):
        return choose(params, carry, observation, key)[:2]

    return Actor(state, student.initial_carry, act)


def solver_actor(environment: Environment) -> Actor:
    """The expert that sees everything.

    Raises:
        SettingError: it is no grid world.
    """
    if not isinstance(environment, GridWorld):
        raise SettingError("--env", environment.name, "a grid world, for the solver")
    expert = solver.expert(environment)
    return Actor((), lambda n: (), lambda params, state, carry, seen, key: (expert(state), carry))


class Playing(NamedTuple):
    """n worlds in the middle of their episodes."""

    state: Any  # the environment's
    observation: dict[str, Array]  # each [n, ...]
    carry: Any  # the actor's memory, each [n, ...]
    tasks: Float[Array, "n d"]
    start: Bool[Array, " n"]  # the observation is the first of its episode
    episode: Int[Array, " n"]  # its number; at least that of all episodes where there is none left
    following: Int[Array, ""]  # the next episode that nobody has begun
    time: Int[Array, ""]  # steps so far


# From the parameters, the number of episodes and the worlds to the worlds T steps later, and rows.
GoOn = Callable[[Any, Any, Playing], tuple[Playing, dict[str, Array]]]


def level_keys(seed: int, episodes: Int[Array, " n"]) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """What episodes are made from: the keys [n] of their tasks, and those of their levels."""
    root = jax.random.fold_in(jax.random.key(seed), 0)
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(root, i)))(episodes)
    return keys[:, 0], keys[:, 1]


def tasks_of(space: TaskSpace, keys: PRNGKeyArray) -> Float[Array, "n d"]:
    """One task for each key."""
    return jax.vmap(lambda key: space.sample(key, 1)[0])(keys)


def player(
    environment: Environment, space: TaskSpace, actor: Actor, seed: int, num_worlds: int
) -> tuple[Callable[[Any], Playing], GoOn]:
    """Compiled functions that begin and go on.

    Args:
        environment: where.
        space: where tasks are drawn from.
        actor: who acts.
        seed: of levels and actions.
        num_worlds: n, how many are played side by side.

    Returns:
        `begin(total) -> Playing`, and `go_on(params, total, playing) -> (playing, rows)`, which
        takes T steps. `total` is the number of episodes. Rows are arrays [T, n, ...] with numbers
        as small as on disk; those of episodes from `total` on are nobody's.
    """
    act_root = jax.random.fold_in(jax.random.key(seed), 1)
    stores = {name: stored(s) for name, s in environment.observation_space.items()}
    group_size = Restart.default_group_size

    def fresh(episodes):
        task_keys, reset_keys = level_keys(seed, episodes)
        tasks = tasks_of(space, task_keys)
        state, first = environment.reset(reset_keys, tasks)
        return state, first.observation, tasks

    @jax.jit
    def begin(total):
        episodes = jnp.arange(num_worlds)
        state, observation, tasks = fresh(episodes)
        carry = actor.initial_carry(num_worlds)
        start = jnp.ones(num_worlds, bool)
        following = jnp.int32(num_worlds)
        return Playing(state, observation, carry, tasks, start, episodes, following, jnp.int32(0))

    def step(params, total, now: Playing):
        act_key, step_key = jax.random.split(jax.random.fold_in(act_root, now.time))
        action, carry = actor.act(params, now.state, now.carry, now.observation, act_key)
        state, seen = environment.step(step_key, now.state, action)
        row = {
            **{OBSERVATION + k: v.astype(stores[k]) for k, v in now.observation.items()},
            "action": action.astype(small(environment.action_space.n - 1)),
            "reward": seen.reward.astype(jnp.float32),
            "terminated": seen.terminated,
            "truncated": seen.truncated,
            "success": seen.success,
            "task": now.tasks,
            "start": now.start,
            "episode": now.episode,
        }
        over = seen.done & (now.episode < total)
        after = now.following + jnp.cumsum(over) - 1
        episode = jnp.where(over, after.astype(now.episode.dtype), now.episode)
        values = state, seen.observation, now.tasks
        state, observation, tasks = for_groups(
            lambda worlds: fresh(episode[worlds]), over & (episode < total), values, group_size
        )
        blank = actor.initial_carry(num_worlds)
        carry = jax.tree.map(
            lambda x, y: jnp.where(over.reshape(-1, *[1] * (x.ndim - 1)), y, x), carry, blank
        )
        following = now.following + jnp.sum(over, dtype=jnp.int32)
        playing = Playing(state, observation, carry, tasks, over, episode, following, now.time + 1)
        return playing, row

    @jax.jit
    def go_on(params, total, playing):
        def scan(playing):
            return jax.lax.scan(
                lambda now, _: step(params, total, now), playing, length=STEPS_PER_CHUNK
            )

        def nothing(playing):
            shapes = jax.eval_shape(scan, playing)[1]
            return playing, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

        return jax.lax.cond(jnp.any(playing.episode < total), scan, nothing, playing)

    return begin, go_on
