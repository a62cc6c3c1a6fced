"""Several students of one design, each with its own state and an equal share of the environments.

With k students and n environments, student j acts in and learns from the environments j n / k to
(j + 1) n / k - 1.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from didact.students.base import Rollout, Student


def side_by_side(student: Student, count: int) -> Student:
    """Combine `count` copies of a student, which are initialized and trained independently.

    Args:
        student: the design of all students.
        count: the number of students, k. All functions that act and learn require a multiple of k
            environments; `apply` takes any.

    Returns:
        A student whose state is a tuple of k states. Each carry also holds the number of the
        student, so that `apply` can be called for any subset of the environments. The metrics are
        those of the first student, and the means of all others, prefixed by `antagonist_`.
    """

    def init(key):
        return tuple(student.init(k) for k in jax.random.split(key, count))

    def initial_carry(n):
        return student.initial_carry(n), jnp.arange(n, dtype=jnp.int32) * count // n

    def apply(state, carry, observation):
        memory, who = carry
        outputs = [student.apply(s, memory, observation) for s in state]
        selected = outputs[0]
        for j, output in enumerate(outputs[1:], 1):
            selected = _where(who == j, output, selected)
        distribution, value, memory = selected
        return distribution, value, (memory, who)

    def act_by(choose):
        def act(state, carry, observation, key):
            memory, who = carry
            keys = jax.random.split(key, count)
            outputs = [
                choose(s, part(memory, j), part(observation, j), keys[j])
                for j, s in enumerate(state)
            ]
            action, memory, extras = jax.tree.map(lambda *x: jnp.concatenate(x), *outputs)
            return action, (memory, who), extras

        return act

    def part(tree: Any, j: int, axis: int = 0) -> Any:
        """Return the rows of the environments of student j."""

        def rows(x):
            size = x.shape[axis] // count
            return jax.lax.slice_in_dim(x, j * size, (j + 1) * size, axis=axis)

        return jax.tree.map(rows, tree)

    def learn(state, rollout: Rollout, key):
        memory, _ = rollout.carry
        over_time = rollout._replace(carry=(), last_value=())  # type: ignore[arg-type]
        after, metrics = [], []
        for j, (s, k) in enumerate(zip(state, jax.random.split(key, count), strict=True)):
            mine = part(over_time, j, 1)._replace(
                carry=part(memory, j), last_value=part(rollout.last_value, j)
            )
            s, found = student.learn(s, mine, k)
            after.append(s)
            metrics.append(found)
        others = jax.tree.map(lambda *x: sum(x) / len(x), *metrics[1:])
        return tuple(after), metrics[0] | {f"antagonist_{name}": x for name, x in others.items()}

    def step_scores(rollout):
        return student.step_scores(rollout._replace(carry=rollout.carry[0]))

    return Student(
        init,
        initial_carry,
        apply,
        act_by(student.act),
        act_by(student.act_greedily),
        learn,
        step_scores,
        bootstraps=student.bootstraps,
    )


def _where(chosen: Int[Array, " n"], yes: Any, no: Any) -> Any:
    """Select rows of trees of arrays [n, ...]."""

    def select(x, y):
        return jnp.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return jax.tree.map(select, yes, no)
