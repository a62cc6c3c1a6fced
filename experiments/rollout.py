"""Lets many worlds act: one scan over steps, restarting worlds as they finish."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from didact.environments import Environment, Restart, for_groups
from didact.students import Rollout, Student

# From states and tasks of n worlds to what experts may know of them, each [n, ...], by name.
Reveal = Callable[[Any, Array], dict[str, Array]]


class Worlds(NamedTuple):
    """n worlds in the middle of their episodes."""

    state: Any  # the environment's
    observation: dict[str, Array]  # each [n, ...]
    carry: Any  # the student's memory, each [n, ...]
    start: Bool[Array, " n"]  # the observation is the first of its episode
    tasks: Float[Array, "n d"]  # the task of the running episode
    totals: dict[str, Float[Array, " n"]]  # sums over the running episode so far


class Episodes(NamedTuple):
    """Where episodes ended in a rollout of T steps of n worlds, and what became of them."""

    done: Bool[Array, "T n"]
    tasks: Float[Array, "T n d"]
    success: Bool[Array, "T n"]  # fulfilled in the episode up to this step, inclusive
    totals: dict[str, Float[Array, "T n"]]  # sums over the episode up to this step, inclusive


def start_worlds(
    environment: Environment, student: Student, key: PRNGKeyArray, tasks: Float[Array, "n d"]
) -> Worlds:
    """Fresh worlds, one for each task."""
    n = tasks.shape[0]
    state, first = environment.reset(key, tasks)
    return Worlds(state, first.observation, student.initial_carry(n), jnp.ones(n, bool), tasks, {})


def collect(
    environment: Environment,
    restart: Restart,
    student: Student,
    student_state: Any,
    worlds: Worlds,
    key: PRNGKeyArray,
    tasks: Float[Array, "T n d"],
    reveal: Reveal | None = None,
) -> tuple[Worlds, Rollout, Episodes]:
    """T steps of all worlds.

    Args:
        environment, restart, student, student_state: who acts where.
        worlds: where they stand.
        key: randomness of actions and levels.
        tasks: for each step the task that a world takes if it finishes in that step. Each is
            used at most once, so no world meets a level that was not proposed for it.
        reveal: what is shown beside the observation while the student acts, for its experts.
    """
    n = worlds.start.shape[0]
    first_carry = worlds.carry

    def step(worlds: Worlds, now):
        key, new_tasks = now
        act_key, step_key, reset_key = jax.random.split(key, 3)
        shown = worlds.observation
        if reveal is not None:
            shown = shown | reveal(worlds.state, worlds.tasks)
        action, carry, extras = student.act(student_state, worlds.carry, shown, act_key)
        state, seen = environment.step(step_key, worlds.state, action)
        done = seen.done

        def value_at_the_end(index):
            observation, remembered = jax.tree.map(lambda x: x[index], (seen.observation, carry))
            value = student.apply(student_state, remembered, observation)[1]
            return jnp.zeros(index.shape) if value is None else value

        final_value = for_groups(
            value_at_the_end, seen.truncated & ~seen.terminated, jnp.zeros(n), restart.group_size
        )
        state, after = restart(jax.random.split(reset_key, n), new_tasks, done, state, seen)
        blank = student.initial_carry(n)
        following = worlds._replace(
            state=state,
            observation=after.observation,
            carry=jax.tree.map(
                lambda x, y: jnp.where(done.reshape(-1, *[1] * (x.ndim - 1)), y, x), carry, blank
            ),
            start=done,
            tasks=jnp.where(done[:, None], new_tasks, worlds.tasks),
        )
        row = Rollout(
            worlds.observation,
            worlds.start,
            action,
            seen.reward,
            seen.terminated,
            seen.truncated,
            extras,
            final_value,
            (),  # type: ignore[arg-type]
            (),
            jnp.ones(n),
            seen.observation if student.bootstraps else {},
        )
        return following, (row, (done, worlds.tasks, seen.success))

    keys = jax.random.split(key, tasks.shape[0])
    worlds, (rollout, (done, episode_tasks, success)) = jax.lax.scan(step, worlds, (keys, tasks))
    last_value = student.apply(student_state, worlds.carry, worlds.observation)[1]
    last_value = jnp.zeros(n) if last_value is None else last_value
    rollout = rollout._replace(last_value=last_value, carry=first_carry)
    quantities = {
        "return": rollout.reward,
        "length": jnp.ones_like(rollout.reward),
        "success": success.astype(jnp.float32),
        **student.step_scores(rollout),
    }
    totals, running = {}, {}
    for name, x in quantities.items():
        before = worlds.totals.get(name, jnp.zeros(n))
        totals[name], running[name] = episode_sums(x, done, before)
    succeeded = totals.pop("success") > 0
    return (
        worlds._replace(totals=running),
        rollout,
        Episodes(done, episode_tasks, succeeded, totals),
    )


def episode_sums(
    x: Float[Array, "T n"], done: Bool[Array, "T n"], before: Float[Array, " n"]
) -> tuple[Float[Array, "T n"], Float[Array, " n"]]:
    """Sums of x over each episode up to and with every step; and what the next rollout carries.

    Args:
        x: a quantity of each step.
        done: whether the step was its episode's last.
        before: the sums of the running episodes when the rollout began.
    """

    def add(total, now):
        value, last = now
        total = total + value
        return jnp.where(last, 0, total), total

    running, totals = jax.lax.scan(add, before, (x, done))
    return totals, running
