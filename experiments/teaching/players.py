"""Teachers as agents of the environment `Teaching`."""

import jax
import jax.numpy as jnp

from didact.environments import SettingError
from didact.experiments.teaching.env import Teaching
from didact.students import Student
from didact.teachers import Outcomes, Proposals, Teacher, propose


def teacher_as_student(environment: Teaching, teacher: Teacher) -> Student:
    """Wrap a teacher as an agent that teaches the pupils of an environment.

    Its carry is the teacher's state, so a teacher starts anew with each pupil. It observes the
    results of the last lesson and proposes the tasks of the next. It is not trained, and only acts:
    evaluate it with `evaluator`, like any policy.

    Args:
        environment: the environment, with `actions="points"`.
        teacher: a teacher for `environment.taught_space`, which observes returns and success. Its
            marks for episodes that should not be learned from are ignored.

    Raises:
        SettingError: the actions are regions, the teacher compares several students, or it proposes
            tasks of another space.
    """
    if environment.by_region:
        raise SettingError("actions", "region", '"points", so that a teacher can choose all tasks')
    if teacher.students > 1:
        raise SettingError("students", teacher.students, "1: each pupil is taught alone")
    m, d = environment.lesson_size, environment.taught_space.size

    def first(key):
        state = teacher.init(key)
        return state, propose(teacher, state, key, m)[0]

    shape = jax.eval_shape(first, jax.random.key(0))[1].tasks.shape
    if shape != (m, d):
        raise SettingError("teacher", shape[1], f"one that proposes tasks of {d} numbers")

    def initial_carry(n):
        # One state for all: each life draws its own tasks anyway, and networks are made only once.
        start = teacher.init(jax.random.key(0)), Proposals.of(jnp.zeros((m, d)))
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), start)

    def choose(carry, seen, key):
        state, proposals = carry
        returns, success, played = seen
        outcomes = Outcomes(returns, success, jnp.ones(m), played, {})
        state = teacher.observe(state, proposals, outcomes)
        proposals, state = propose(teacher, state, key, m)
        return proposals.tasks.reshape(-1), (state, proposals)

    def act(state, carry, observation, key):
        seen = tuple(observation[name] for name in ("returns", "success", "played"))
        keys = jax.random.split(key, len(seen[0]))
        actions, carry = jax.vmap(choose)(carry, seen, keys)
        return actions, carry, {}

    def apply(state, carry, observation):
        raise SettingError("student", "a teacher", "evaluated, not trained")

    return Student(
        init=lambda key: (),
        initial_carry=initial_carry,
        apply=apply,
        act=act,
        act_greedily=act,
        learn=lambda state, rollout, key: (state, {}),
    )
