"""Measures what a student can do: every world plays one episode, and all of them count."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments import Environment
from didact.students import Student

Numbers = Float[Array, " n"] | Float[np.ndarray, " n"]


class Results(NamedTuple):
    """n whole episodes."""

    success: Numbers
    returns: Numbers  # undiscounted
    lengths: Numbers  # steps


def evaluator(
    environment: Environment, student: Student, *, greedy: bool = False
) -> Callable[[Any, PRNGKeyArray, Float[Array, "n d"]], Results]:
    """A pure function `(student state, key, tasks) -> Results` of one episode for each task.

    Worlds that have finished wait for the last one, so easy and hard levels count alike.
    """
    choose = student.act_greedily if greedy else student.act

    def run(student_state, key, tasks):
        n = tasks.shape[0]
        reset_key, key = jax.random.split(key)
        state, first = environment.reset(reset_key, tasks)
        zero = jnp.zeros(n)

        def step(carry):
            t, key, state, observation, memory, alive, results = carry
            key, act_key, step_key = jax.random.split(key, 3)
            action, memory, _ = choose(student_state, memory, observation, act_key)
            state, seen = environment.step(step_key, state, action)
            results = Results(
                jnp.maximum(results.success, alive * seen.success),
                results.returns + alive * seen.reward,
                results.lengths + alive,
            )
            return t + 1, key, state, seen.observation, memory, alive & ~seen.done, results

        start = (
            jnp.zeros((), jnp.int32),
            key,
            state,
            first.observation,
            student.initial_carry(n),
            jnp.ones(n, bool),
            Results(zero, zero, zero),
        )
        return jax.lax.while_loop(
            lambda carry: (carry[0] < environment.max_steps) & jnp.any(carry[5]), step, start
        )[-1]

    return run


def summary(results: Results) -> dict[str, float]:
    """Means over episodes, and the standard error of the success rate."""
    success = np.asarray(results.success, np.float64)
    return {
        "episodes": int(success.size),
        "success": float(success.mean()),
        "success_standard_error": float(success.std() / np.sqrt(success.size)),
        "return": float(np.mean(results.returns)),
        "length": float(np.mean(results.lengths)),
    }
