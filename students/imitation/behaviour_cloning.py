"""Behaviour cloning: learning from recorded episodes, without an environment.

References:
    Pomerleau, ALVINN, 1989; Hui et al., BabyAI 1.1, 2020 (arXiv:2007.12770), section 3 (recurrent,
    in windows of time).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from didact.common.settings import checked
from didact.environments import ActionSpace, ArraySpace
from didact.students.algorithms import losses
from didact.students.algorithms.learner import learner
from didact.students.base import Rollout, Student
from didact.students.config import DistillConfig
from didact.students.data.sequences import SequenceBatch
from didact.students.networks.distributions import agreement_with


class BehaviourCloner(NamedTuple):
    """A student that learns from windows of recorded episodes.

    Attributes:
        student: the student; `student.init` makes the state.
        learn: `learn(state, carry, window, key) -> (state, carry, metrics)`, one update on a
            window; pass the carry on to the next window of the same lanes.
    """

    student: Student
    learn: Any


def behaviour_cloning(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    config: DistillConfig | None = None,
    *,
    num_updates: int,
) -> BehaviourCloner:
    """Make a student that imitates the actions in recorded episodes.

    It also learns the value function of the recorded behaviour. The number of lanes must be a
    multiple of `config.num_minibatches`.

    Args:
        observation_space, action_space: the spaces of the recording.
        config: settings.
        num_updates: number of windows over which the learning rate is annealed.

    Raises:
        SettingError: a setting is invalid.
    """
    config = checked(config or DistillConfig(), "distill.")
    student = learner(
        observation_space,
        action_space,
        config,
        ((1.0, imitation()), (config.value_coefficient, losses.value_loss())),
        num_updates=num_updates,
    )
    read: Any = student.read

    def learn(state: Any, carry: Any, window: SequenceBatch, key: PRNGKeyArray):
        observation = {name: jnp.asarray(x) for name, x in window.observation.items()}
        start, known = jnp.asarray(window.start), jnp.asarray(window.weight)
        _, value, after = read(state, carry, observation, start)
        rollout = Rollout(
            observation,
            start,
            jnp.asarray(window.action),
            jnp.asarray(window.reward),
            jnp.asarray(window.terminated),
            jnp.asarray(window.truncated),
            {"value": value},
            # The observation after a truncated step is not recorded: use the value of the one
            # before the step instead, also after the last step of every window.
            value,
            value[-1],
            carry,
            known,
            {},
        )
        state, metrics = student.learn(state, rollout, key)
        return state, after, metrics

    return BehaviourCloner(student, learn)


def imitation() -> losses.Term:
    """The negative mean log-probability of the recorded actions."""

    def term(outputs, batch, now):
        loss = -losses.mean(outputs.distribution.log_prob(batch.action), batch)
        near = agreement_with(outputs.distribution, batch.action)
        return loss, {"clone_loss": loss, "clone_agreement": losses.mean(near, batch)}

    return term
