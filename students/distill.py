"""Distillation: a student that learns from experts alone, more and more in its own states.

References:
    Rusu et al., Policy Distillation, 2016 (arXiv:1511.06295); Ross et al., A Reduction of Imitation
    Learning to No-Regret Online Learning, 2011 (DAgger); Czarnecki et al., Distilling Policy
    Distillation, 2019 (arXiv:1902.02186), on whose states to learn.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import optax

from didact.environments import ArraySpace, Discrete
from didact.students import losses
from didact.students.base import Student
from didact.students.config import DistillConfig
from didact.students.experts import Expert
from didact.students.kickstart import kickstart
from didact.students.learner import learner


def distill(
    observation_space: Mapping[str, ArraySpace],
    action_space: Discrete,
    experts: Expert | Sequence[Expert],
    config: DistillConfig | None = None,
    *,
    num_updates: int,
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """A student that is distilled from experts while it acts.

    At first experts often act in its place, so that it comes to see what they would see; that falls
    to never (beta of DAgger). It learns the value of what is done, too, so that PPO can go on from
    its parameters. States in which no expert knows anything teach nothing.

    Args:
        observation_space, action_space: of the environment.
        experts: one, or several that each know some of the tasks.
        config: settings.
        num_updates: rollouts over which the learning rate falls.
        axes: names of mapped device axes; gradients are averaged over them.
        seeds_axis: name of the axis over which seeds are mapped, if they are.

    Raises:
        SettingError: a setting has no meaning, or there is no expert.
    """
    config = config or DistillConfig()
    student = learner(
        observation_space,
        action_space,
        config,
        ((config.value_coefficient, losses.value_error()),),
        num_updates=num_updates,
        lessons=(kickstart(experts, 1.0, distance=config.distance, name="distill"),),
        axes=axes,
        seeds_axis=seeds_axis,
    )
    steps = max(1, round(config.lead_until * num_updates))
    leads = optax.linear_schedule(config.lead, 0.0, steps)

    def act(state, carry, observation, key):
        own_key, lead_key, choice_key = jax.random.split(key, 3)
        action, carry, extras = student.act(state, carry, observation, own_key)
        known = extras["distill_known"]
        likely = jnp.sum(jnp.where(known[..., None], extras["distill_advice"], 0), 1)
        advised = jax.random.categorical(choice_key, jnp.log(likely))
        led = jax.random.bernoulli(lead_key, leads(state.updates), action.shape)
        action = jnp.where(led & jnp.any(known, -1), advised, action)
        return action, carry, extras

    return student._replace(act=act) if config.lead else student
