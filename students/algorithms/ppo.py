"""Proximal policy optimisation (Schulman et al., 2017) with the recurrent actor-critic."""

from collections.abc import Mapping, Sequence

from didact.common.settings import checked
from didact.environments import ActionSpace, ArraySpace
from didact.students.algorithms import losses
from didact.students.algorithms.learner import AuxiliaryLoss, learner
from didact.students.base import Student
from didact.students.config import PPOConfig


def ppo(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    config: PPOConfig | None = None,
    *,
    num_updates: int,
    auxiliary_losses: Sequence[AuxiliaryLoss] = (),
    extra_terms: Sequence[tuple[float, losses.Term]] = (),
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """Make a student that learns by PPO.

    Args:
        observation_space, action_space: the spaces of the environment.
        config: settings; the defaults learn BabyAI's one-room levels in seconds.
        num_updates: number of rollouts over which the learning rate and the entropy coefficient
            are annealed.
        auxiliary_losses: auxiliary losses, such as `kickstart(expert, schedule)`.
        extra_terms: further losses with their weights, which need no data beyond the batch.
        axes: names of the mapped device axes; gradients are averaged over them.
        seeds_axis: name of the mapped axis of seeds, or None.

    Raises:
        SettingError: a setting is invalid.
    """
    config = checked(config or PPOConfig(), "ppo.")
    first, last = config.entropy_coefficient, config.final_entropy_coefficient
    entropy = losses.linear(first, min(first, last))
    terms = (
        (1.0, losses.clipped_policy_loss(config.clip, axes)),
        (config.value_coefficient, losses.value_loss()),
        (1.0, losses.entropy_loss(entropy)),
        *extra_terms,
    )
    return learner(
        observation_space,
        action_space,
        config,
        terms,
        num_updates=num_updates,
        auxiliary_losses=auxiliary_losses,
        axes=axes,
        seeds_axis=seeds_axis,
    )
