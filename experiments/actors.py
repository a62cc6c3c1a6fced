"""Who acts: students, and experts that an environment has of its own."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from didact.environments import Environment, SettingError
from didact.experiments.rollout import Actor
from didact.students import Student

# From states and tasks of n environments to what experts may know of them, each [n, ...], by name.
PrivilegedObservations = Callable[[Any, Array], dict[str, Array]]


def student_actor(
    student: Student,
    state: Any = (),
    greedy: bool = False,
    reveal: PrivilegedObservations | None = None,
) -> Actor:
    """A student as an actor whose parameters are its state.

    Args:
        student: who acts.
        state: kept in the actor's `params`.
        greedy: whether it takes the most probable actions.
        reveal: what it is shown besides the observation while it acts, for its experts.
    """
    choose = student.act_greedily if greedy else student.act

    def act(params, worlds, key):
        shown = worlds.observation
        if reveal is not None:
            shown = shown | reveal(worlds.state, worlds.tasks)
        return choose(params, worlds.carry, shown, key)

    def value(params, carry, observation):
        return student.apply(params, carry, observation)[1]

    # Students that bootstrap from the final observation estimate its value themselves.
    return Actor(student.initial_carry, act, None if student.bootstraps else value, state)


def solver_actor(environment: Environment) -> Actor:
    """The environment's own expert, which sees everything.

    Raises:
        SettingError: it has none.
    """
    expert = environment.expert()
    if expert is None:
        raise SettingError("--env", environment.name, "one with an expert of its own, for solver")
    choose = expert.act
    return Actor(lambda n: (), lambda params, worlds, key: (choose(worlds.state), (), {}))
