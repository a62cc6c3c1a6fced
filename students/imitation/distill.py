"""Distillation: a student learns from experts only, increasingly in the states that it visits.

References:
    Rusu et al., Policy Distillation, 2016 (arXiv:1511.06295); Ross et al., A Reduction of Imitation
    Learning to No-Regret Online Learning, 2011 (DAgger); Czarnecki et al., Distilling Policy
    Distillation, 2019 (arXiv:1902.02186), on whose states to learn from.
"""

from collections.abc import Mapping, Sequence

import optax

from didact.common.settings import checked
from didact.environments import ActionSpace, ArraySpace
from didact.students.algorithms import losses
from didact.students.algorithms.learner import learner
from didact.students.base import Student
from didact.students.config import DistillConfig
from didact.students.imitation.experts import Expert
from didact.students.imitation.kickstart import kickstart


def distill(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    experts: Expert | Sequence[Expert],
    config: DistillConfig | None = None,
    *,
    num_updates: int,
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """Make a student that is distilled from experts while it acts.

    At the start, experts act in its place with some probability, so that it visits the states that
    they would visit; the probability is annealed to zero (beta of DAgger). The student also learns
    the value function of the behaviour, so that PPO can continue from its parameters. States
    without expert advice do not contribute to the distillation loss.

    Args:
        observation_space, action_space: the spaces of the environment.
        experts: an expert, or several that each know some of the tasks.
        config: settings.
        num_updates: number of rollouts over which the learning rate is annealed.
        axes: names of the mapped device axes; gradients are averaged over them.
        seeds_axis: name of the mapped axis of seeds, or None.

    Raises:
        SettingError: a setting is invalid, or there are no experts.
    """
    config = checked(config or DistillConfig(), "distill.")
    steps = max(1, round(config.expert_actions_until * num_updates))
    lead = (
        optax.linear_schedule(config.expert_action_probability, 0.0, steps)
        if config.expert_action_probability
        else None
    )
    return learner(
        observation_space,
        action_space,
        config,
        ((config.value_coefficient, losses.value_loss()),),
        num_updates=num_updates,
        auxiliary_losses=(
            kickstart(
                experts,
                1.0,
                distance=config.distance,
                expert_action_probability=lead,
                name="distill",
            ),
        ),
        axes=axes,
        seeds_axis=seeds_axis,
    )
