"""Evaluate students: one whole episode per task."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments import Environment, Restart, backends
from didact.experiments.actors import student_actor
from didact.experiments.evaluation.achievements import achieved_now, reported
from didact.experiments.rollout import Runner, advance, new_worlds
from didact.experiments.tasks.task_sources import once
from didact.students import Student

SIDE_BY_SIDE = 512  # parallel environments on a CPU
MOST = 4096  # on an accelerator, so that memory does not limit the number of tasks
Numbers = Float[Array, " n"] | Float[np.ndarray, " n"]


class Results(NamedTuple):
    """The results of n whole episodes."""

    success: Numbers
    returns: Numbers  # undiscounted
    lengths: Numbers  # steps
    achieved: dict[str, Numbers] = {}  # noqa: RUF012  (1 where it was achieved, by name)


def evaluator(
    environment: Environment,
    student: Student,
    *,
    greedy: bool = False,
    num_envs: int | None = None,
) -> Callable[[Any, PRNGKeyArray, Float[Array, "m d"]], Results]:
    """Return a pure function `(student state, key, tasks) -> Results` that plays one episode each.

    An environment whose episode has ended takes the next task that has not begun, and every episode
    is played to its end. Short and long episodes therefore have equal weight, and few steps are
    wasted. The level of a task does not depend on the number of parallel environments.

    Args:
        environment: environment to evaluate in.
        student: student to evaluate.
        greedy: take the most probable actions instead of sampling.
        num_envs: number of parallel environments; if None, 512 on a CPU, and on an accelerator
            the number of tasks up to 4096.
    """
    actor = student_actor(student, greedy=greedy)._replace(value=None)
    restart = Restart(environment)

    def run(student_state, key, tasks):
        m = tasks.shape[0]
        n = min(m, num_envs or backends.group_size(MOST, SIDE_BY_SIDE))
        level_key, act_key = jax.random.split(key)
        take, queue = once(tasks, level_key, environment.restart_group_size)
        runner = Runner(environment, restart, actor, take)
        # Upper bound, reached if every episode has the maximum length.
        most = (-(-m // n) + 1) * environment.max_steps

        def step(carry):
            t, worlds, queue, results = carry
            now_key = jax.random.fold_in(act_key, t)
            worlds, queue, now = advance(runner, student_state, worlds, queue, now_key)
            row = jnp.where(now.playing, now.worlds.tag, m)
            results = Results(
                results.success.at[row].max(now.seen.success.astype(jnp.float32), mode="drop"),
                results.returns.at[row].add(now.seen.reward, mode="drop"),
                results.lengths.at[row].add(1, mode="drop"),
                {
                    name: results.achieved[name].at[row].max(held.astype(jnp.float32), mode="drop")
                    for name, held in achieved_now(environment, now.seen.labels).items()
                },
            )
            return t + 1, worlds, queue, results

        def goes_on(carry):
            t, worlds, queue, _ = carry
            return (t < most) & (queue.left() | jnp.any(~worlds.over))

        zero = jnp.zeros(m)
        nothing = Results(zero, zero, zero, dict.fromkeys(environment.achievements, zero))
        start = jnp.int32(0), new_worlds(environment, actor, n), queue, nothing
        return jax.lax.while_loop(goes_on, step, start)[-1]

    return run


def summary(results: Results) -> dict[str, Any]:
    """Return means over episodes, and the standard error of the success rate.

    With achievements, also the share of episodes with each of them, and their `score`.
    """
    success = np.asarray(results.success, np.float64)
    return {
        "episodes": int(success.size),
        "success": float(success.mean()),
        "success_standard_error": float(success.std() / np.sqrt(success.size)),
        "return": float(np.mean(results.returns)),
        "length": float(np.mean(results.lengths)),
        **reported({name: float(np.mean(x)) for name, x in results.achieved.items()}),
    }
