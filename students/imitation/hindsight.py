"""Hindsight: a student learns from what it did by chance, as if it had been asked for.

References:
    Andrychowicz et al., Hindsight Experience Replay, 2017 (arXiv:1707.01495); Chan et al., ACTRCE,
    2019 (arXiv:1902.04546), where goals are instructions; Ghosh et al., Learning to Reach Goals via
    Iterated Supervised Learning, 2021 (arXiv:1912.06088), whose imitation this is.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from didact.environments import SettingError
from didact.environments.capabilities import AchievedInstructions
from didact.students.algorithms.learner import AuxiliaryLoss

SCENE = "scene"  # how what a describer has to know is called among what is revealed


def hindsight(
    describer: AchievedInstructions,
    schedule: float | Callable[[Array], Any],
    *,
    discount: float = 0.9,
    nearest: float = 0.5,
    name: str = "hindsight",
) -> AuxiliaryLoss:
    """The loss of instructions that were fulfilled, for `ppo(...,
    auxiliary_losses=[hindsight(...)])`.

    Each step of the student's rollout that came before something was fulfilled, in the same episode
    and rollout, is read again with that as the instruction, and what was done is imitated:
    -discount^k log pi(action | observation, instruction) for the k-th step before the one that
    fulfilled it, averaged over all steps. Which of several later things it is, is drawn at random
    in each update (the strategy "future" of HER).

    Args:
        describer: describes what was fulfilled, and gives the observations that depend on the
            instruction; scenes are revealed under the name "scene".
        schedule: the weight, a number or a function of the updates made so far.
        discount: how much less each earlier step counts.
        nearest: how likely it is the next of the things that a step led to, rather than one of
            those after that, among which it is drawn in the same way.
        name: of the loss among the metrics.

    Raises:
        SettingError: the discount is not above 0 and at most 1, or `nearest` not from 0 to 1.
    """
    if not 0 <= nearest <= 1:
        raise SettingError("hindsight nearest", nearest, "from 0 to 1")
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
        # Where nothing was fulfilled the old instruction is as good as any, and costs least.
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
    """For each step something that it led to, and how much it counts.

    Args:
        told: `[T, n, l]`, what the step before each fulfilled.
        fulfilled: `[T, n]`, whether it fulfilled anything.
        start: `[T, n]`, whether a step is the first of its episode.
        discount: of each step between.
        takes: `[T, n]`, whether the steps before this one are given what it tells, even if they
            led to something later, too.

    Returns:
        Instructions `[T, n, l]`, and weights `[T, n]`: 0 where nothing followed, 1 where the step
        itself fulfilled it.
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
