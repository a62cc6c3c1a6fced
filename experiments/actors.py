"""Actors for rollouts: students, and the privileged experts of environments."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from didact.environments import Environment, SettingError
from didact.experiments.rollout import Actor
from didact.students import Student

# Maps the states and tasks of n environments to privileged observations [n, ...], by name.
PrivilegedObservations = Callable[[Any, Array], dict[str, Array]]


def student_actor(
    student: Student,
    state: Any = (),
    greedy: bool = False,
    reveal: PrivilegedObservations | None = None,
) -> Actor:
    """Wrap a student as an actor whose parameters are the student's state.

    The values of a student without a value function are 0.

    Args:
        student: the student.
        state: its state, stored in `Actor.params`.
        greedy: take the most probable actions instead of sampling.
        reveal: privileged observations to add while acting, for the student's experts.
    """
    choose = student.act_greedily if greedy else student.act

    def act(params, worlds, key):
        shown = worlds.observation
        if reveal is not None:
            shown = shown | reveal(worlds.state, worlds.tasks)
        return choose(params, worlds.carry, shown, key)

    def value(params, carry, observation):
        found = student.apply(params, carry, observation)[1]
        return jnp.zeros(len(jax.tree.leaves(observation)[0])) if found is None else found

    # Students that bootstrap from the final observation compute its value while learning.
    return Actor(student.initial_carry, act, None if student.bootstraps else value, state)


def solver_actor(environment: Environment) -> Actor:
    """Return the environment's privileged expert as an actor.

    Raises:
        SettingError: the environment has no expert.
    """
    expert = environment.expert()
    if expert is None:
        allowed = "an environment with a privileged expert, to use `solver`"
        raise SettingError("--env", environment.name, allowed)
    choose = expert.act
    return Actor(lambda n: (), lambda params, worlds, key: (choose(worlds.state), (), {}))
