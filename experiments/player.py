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

from didact.environments import Environment, SettingError, TaskSpace, for_groups
from didact.students import Student
from didact.students.shards import OBSERVATION, stored, stored_actions

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
    """The environment's own expert, which sees everything.

    Raises:
        SettingError: it has none.
    """
    expert = environment.expert()
    if expert is None:
        raise SettingError("--env", environment.name, "one with an expert of its own, for solver")
    choose = expert.act
    return Actor((), lambda n: (), lambda params, state, carry, seen, key: (choose(state), carry))


class Playing(NamedTuple):
    """n worlds in the middle of their episodes."""

    state: Any  # the environment's
    observation: dict[str, Array]  # each [n, ...]
    carry: Any  # the actor's memory, each [n, ...]
    tasks: Float[Array, "n d"]
    start: Bool[Array, " n"]  # the episode has yet to begin
    episode: Int[Array, " n"]  # its number; at least that of all episodes where there is none left
    following: Int[Array, ""]  # the next episode that nobody has
    time: Int[Array, ""]  # steps so far
    key: PRNGKeyArray


# From the parameters, the number of episodes and the worlds to the worlds T steps later, and rows.
GoOn = Callable[[Any, Any, Playing], tuple[Playing, dict[str, Array]]]


def level_keys(key: PRNGKeyArray, episodes: Int[Array, " n"]) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """What episodes are made from: the keys [n] of their tasks, and those of their levels."""
    root = jax.random.fold_in(key, 0)
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(root, i)))(episodes)
    return keys[:, 0], keys[:, 1]


def tasks_of(space: TaskSpace, keys: PRNGKeyArray) -> Float[Array, "n d"]:
    """One task for each key."""
    return jax.vmap(lambda key: space.sample(key, 1)[0])(keys)


def player(
    environment: Environment, space: TaskSpace, actor: Actor, num_worlds: int
) -> tuple[Callable[[PRNGKeyArray], Playing], GoOn]:
    """Where worlds begin, and a compiled function that goes on.

    Args:
        environment: where.
        space: where tasks are drawn from.
        actor: who acts.
        num_worlds: n, how many are played side by side; no more than there are episodes.

    Returns:
        `begin(key) -> Playing`, and `go_on(params, total, playing) -> (playing, rows)`, which
        takes T steps. `total` is the number of episodes. Rows are arrays [T, n, ...] with numbers
        as small as on disk; those of episodes from `total` on are nobody's.
    """
    stores = {name: stored(s) for name, s in environment.observation_space.items()}

    def fresh(key, episodes):
        task_keys, reset_keys = level_keys(key, episodes)
        tasks = tasks_of(space, task_keys)
        state, first = environment.reset(reset_keys, tasks)
        return state, first.observation, tasks

    def begin(key):
        # Their levels are made in the first step: so that is compiled only once.
        episodes = jnp.arange(num_worlds, dtype=jnp.int32)
        worlds = jax.tree.map(_nothing, jax.eval_shape(fresh, key, episodes))
        state, observation, tasks = worlds
        carry = actor.initial_carry(num_worlds)
        start, following = jnp.ones(num_worlds, bool), jnp.int32(num_worlds)
        time = jnp.int32(0)
        return Playing(state, observation, carry, tasks, start, episodes, following, time, key)

    def step(params, total, now: Playing):
        state, observation, tasks = for_groups(
            lambda worlds: fresh(now.key, now.episode[worlds]),
            now.start & (now.episode < total),
            (now.state, now.observation, now.tasks),
            environment.restart_group_size,
        )
        carry = jax.tree.map(
            lambda x, y: jnp.where(now.start.reshape(-1, *[1] * (x.ndim - 1)), y, x),
            now.carry,
            actor.initial_carry(num_worlds),
        )
        act_root = jax.random.fold_in(now.key, 1)
        act_key, step_key = jax.random.split(jax.random.fold_in(act_root, now.time))
        action, carry = actor.act(params, state, carry, observation, act_key)
        state, seen = environment.step(step_key, state, action)
        row = {
            **{OBSERVATION + k: v.astype(stores[k]) for k, v in observation.items()},
            "action": action.astype(stored_actions(environment.action_space)),
            "reward": seen.reward.astype(jnp.float32),
            "terminated": seen.terminated,
            "truncated": seen.truncated,
            "success": seen.success,
            "task": tasks,
            "start": now.start,
            "episode": now.episode,
        }
        over = seen.done & (now.episode < total)
        following = now.following + jnp.cumsum(over, dtype=jnp.int32)
        return now._replace(
            state=state,
            observation=seen.observation,
            carry=carry,
            tasks=tasks,
            start=over,
            episode=jnp.where(over, following - 1, now.episode),
            following=following[-1],
            time=now.time + 1,
        ), row

    @jax.jit
    def go_on(params, total, playing):
        def scan(playing):
            return jax.lax.scan(
                lambda now, _: step(params, total, now), playing, length=STEPS_PER_CHUNK
            )

        def rest(playing):
            return playing, jax.tree.map(_nothing, jax.eval_shape(scan, playing)[1])

        return jax.lax.cond(jnp.any(playing.episode < total), scan, rest, playing)

    return begin, go_on


def _nothing(like: Any) -> Array:
    """An array of a shape and type."""
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), like.shape)
    return jnp.zeros(like.shape, like.dtype)
