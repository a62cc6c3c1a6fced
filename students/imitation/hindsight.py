"""Hindsight relabelling: a student imitates its own behaviour under the instructions it fulfilled.

References:
    Andrychowicz et al., Hindsight Experience Replay, 2017 (arXiv:1707.01495); Chan et al., ACTRCE,
    2019 (arXiv:1902.04546), where goals are instructions; Ghosh et al., Learning to Reach Goals via
    Iterated Supervised Learning, 2021 (arXiv:1912.06088), from which the imitation loss is taken.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from didact.environments import SettingError
from didact.environments.capabilities import AchievedInstructions
from didact.students.algorithms.learner import AuxiliaryLoss

SCENE = "scene"  # name of the privileged observation with the data that describers need


def hindsight(
    describer: AchievedInstructions,
    schedule: float | Callable[[Array], Any],
    *,
    discount: float = 0.9,
    nearest: float = 0.5,
    name: str = "hindsight",
) -> AuxiliaryLoss:
    """Make the auxiliary loss of instructions that were fulfilled in hindsight.

    Use it as `ppo(..., auxiliary_losses=[hindsight(...)])`. Each step of the student's rollout that
    is followed by a fulfilled instruction, in the same episode and rollout, is evaluated again
    under that instruction, and its action is imitated: the loss is
    -discount^k log pi(action | observation, instruction) for the k-th step before the one that
    fulfilled the instruction, averaged over all steps. If several instructions were fulfilled
    later, one is drawn at random in each update (the strategy "future" of HER).

    Args:
        describer: describes the fulfilled instructions, and returns the observations that depend on
            the instruction. It needs the privileged observation "scene".
        schedule: the weight of the loss, a number or a function of the number of updates so far.
        discount: factor by which the weight falls with each earlier step.
        nearest: the probability of drawing the instruction that is fulfilled next; otherwise one of
            the later ones is drawn in the same way.
        name: the name of the loss in the metrics.

    Raises:
        SettingError: the discount is not in (0, 1], or `nearest` is not in [0, 1].
    """
    if not 0 <= nearest <= 1:
        raise SettingError("hindsight nearest", nearest, "between 0 and 1")
    if not 0 < discount <= 1:
        raise SettingError("hindsight discount", discount, "above 0 and at most 1")
    achieved_name, fulfilled_name = f"{name}_told", f"{name}_fulfilled"

    def note(before, observation):
        now = observation[SCENE]
        achieved, fulfilled = describer.describe(before, now)
        return {achieved_name: achieved, fulfilled_name: fulfilled}, now

    def term(outputs, batch, now):
        fulfilled = batch.extras[fulfilled_name]
        accepts = jax.random.bernoulli(now.key, nearest, fulfilled.shape)
        achieved, weight = relabel(
            batch.extras[achieved_name], fulfilled, batch.start, discount, accepts
        )
        # Rows of weight 0 keep their instruction, which adds no distinct instructions to encode.
        instruction = jnp.where(weight[..., None] > 0, achieved, batch.observation["instruction"])
        again = now.read({**batch.observation, **describer.observations(instruction)})
        weight = weight * batch.weight
        log_prob = jnp.where(weight > 0, again.distribution.log_prob(batch.action), 0)
        loss = -jnp.mean(weight * log_prob)
        strength = schedule(now.updates) if callable(schedule) else schedule
        strength = strength * now.weights[name]
        likely = jnp.sum(weight * jnp.exp(log_prob)) / jnp.maximum(jnp.sum(weight), 1e-8)
        return strength * loss, {
            f"{name}_loss": loss,
            f"{name}_probability": likely,
            f"{name}_share": jnp.mean((weight > 0).astype(jnp.float32)),
        }

    return AuxiliaryLoss(name, term, describer.initial, note)


def relabel(
    achieved: Array, fulfilled: Array, start: Array, discount: float, accepts: Array
) -> tuple[Array, Array]:
    """Choose an instruction for each step that the step or a later one fulfilled.

    Args:
        achieved: `[T, n, l]`, the instruction fulfilled by the previous step.
        fulfilled: `[T, n]`, whether the previous step fulfilled any instruction.
        start: `[T, n]`, whether a step is the first of its episode.
        discount: factor of the weight per step up to the one that fulfilled the instruction.
        accepts: `[T, n]`, whether `achieved` is assigned to the previous steps even if an
            instruction was also fulfilled later.

    Returns:
        Instructions `[T, n, l]`, and weights `[T, n]`: 1 where the step itself fulfilled the
        instruction, 0 where no fulfilled instruction follows.
    """

    def back(later, now):
        text, weight = later
        said, here, first, take = now
        here = here & ~first & (take | (weight == 0))
        text_before = jnp.where(here[:, None], said, text)
        weight_before = jnp.where(here, 1.0, discount * weight)
        return (text_before, jnp.where(first, 0.0, weight_before)), (text, weight)

    nothing = jnp.zeros_like(achieved[0]), jnp.zeros(achieved.shape[1])
    return jax.lax.scan(back, nothing, (achieved, fulfilled, start, accepts), reverse=True)[1]
