"""Behaviour cloning: a student learns from recorded episodes, without a world.

References:
    Pomerleau, ALVINN, 1989; Hui et al., BabyAI 1.1, 2020 (arXiv:2007.12770), section 3 (recurrent,
    in windows of time).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from didact.environments import ArraySpace, Discrete
from didact.environments.settings import checked
from didact.students import losses
from didact.students.base import Rollout, Student
from didact.students.config import DistillConfig
from didact.students.experts import of_function
from didact.students.kickstart import kickstart
from didact.students.learner import learner
from didact.students.windows import Window


class Cloner(NamedTuple):
    """A student that learns from windows of recorded episodes.

    Attributes:
        student: its network, and `init`.
        learn: `learn(state, carry, window, key) -> (state, carry, metrics)`, one pass over a
            window; the carry goes on to the next window of the same lanes.
    """

    student: Student
    learn: Any


def clone(
    observation_space: Mapping[str, ArraySpace],
    action_space: Discrete,
    config: DistillConfig | None = None,
    *,
    num_updates: int,
) -> Cloner:
    """A student that imitates what was done in recorded episodes.

    It learns the value of what was done, too. Lanes are its worlds: their number must be a multiple
    of `config.num_minibatches`.

    Args:
        observation_space, action_space: of the recording.
        config: settings.
        num_updates: windows over which the learning rate falls.

    Raises:
        SettingError: a setting has no meaning.
    """
    config = checked(config or DistillConfig(), "distill.")
    nobody = of_function(lambda seen: jnp.zeros((1, action_space.n)))
    # What is imitated stands in the window already: only the loss of the lesson is needed.
    lesson = kickstart(nobody, 1.0, name="clone")._replace(
        initial_carry=lambda n: (), note=lambda carry, observation: ({}, carry)
    )
    student = learner(
        observation_space,
        action_space,
        config,
        ((config.value_coefficient, losses.value_error()),),
        num_updates=num_updates,
        lessons=(lesson,),
    )

    read: Any = student.read

    def learn(state: Any, carry: Any, window: Window, key: PRNGKeyArray):
        observation = {name: jnp.asarray(x) for name, x in window.observation.items()}
        start, known = jnp.asarray(window.start), jnp.asarray(window.weight) > 0
        outputs, after = read(state, carry, observation, start)
        extras: dict[str, Array] = {
            "value": outputs.value,
            "clone_advice": jax.nn.one_hot(window.action, action_space.n)[..., None, :],
            "clone_known": known[..., None],
        }
        over = jnp.asarray(window.terminated) | jnp.asarray(window.truncated)
        rollout = Rollout(
            observation,
            start,
            jnp.asarray(window.action),
            jnp.asarray(window.reward),
            # The observation after a time limit is not recorded: what would have followed is
            # taken to be worth what the last one was.
            over & ~jnp.asarray(window.truncated),
            jnp.asarray(window.truncated),
            extras,
            outputs.value,
            outputs.value[-1],
            carry,
        )
        state, metrics = student.learn(state, rollout, key)
        return state, after, metrics

    return Cloner(student, learn)
