"""Kickstarting: a student imitates experts in its own states, beside learning from rewards.

References:
    Schmitt et al., Kickstarting Deep Reinforcement Learning, 2018 (arXiv:1803.03835), sections 3
    and 4: L_RL + lambda_k E[H(expert || student)], for several experts a sum over those that know
    the task.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from didact.environments import SettingError
from didact.students.experts import Expert, panel
from didact.students.learner import Lesson

DISTANCES = ("cross_entropy", "kl")


def kickstart(
    experts: Expert | Sequence[Expert],
    schedule: float | Callable[[Array], Any],
    *,
    distance: str = "cross_entropy",
    lead: Callable[[Array], Any] | None = None,
    name: str = "kickstart",
) -> Lesson:
    """The loss that draws a student towards experts, for `ppo(..., lessons=[kickstart(...)])`.

    In each state of the student's rollout, the distance between an expert's distribution over
    actions and the student's is summed over the experts that know this task, and its mean over all
    states is multiplied by lambda. Experts are asked while the student acts, so those with a memory
    follow the student's episodes; no gradient reaches them.

    Args:
        experts: one or several.
        schedule: lambda, a number or a function of the updates made so far, such as one of
            `optax`'s schedules. It is multiplied by the weight `name` of the student's state, which
            a population can tune.
        distance: "cross_entropy", H(expert || student), or "kl", KL(expert || student): the same
            gradient, but 0 where both agree.
        lead: how often those who know the task act in the student's place, a function of the
            updates made so far (beta of DAgger, Ross et al., 2011); so that the student comes to
            see what they would. PPO takes the mixture of both for the policy that acted.
        name: of the loss among the metrics.

    Raises:
        SettingError: there is no expert, or the distance is unknown.
    """
    experts = [experts] if isinstance(experts, Expert) else list(experts)
    if not experts:
        raise SettingError("experts", experts, "at least one expert")
    if distance not in DISTANCES:
        raise SettingError("distance", distance, "one of " + ", ".join(DISTANCES))
    initial_carry, ask = panel(experts)
    advice_name, known_name = f"{name}_advice", f"{name}_known"

    def note(carry, observation):
        advice, known, carry = ask(carry, observation)
        noted = {advice_name: advice, known_name: known}
        return jax.lax.stop_gradient(noted), carry

    def leads(noted, updates):
        advice, known = noted[advice_name], noted[known_name]
        summed = jnp.sum(jnp.where(known[..., None], advice, 0), 1)
        count = jnp.sum(known, -1)
        share = jnp.where(count > 0, lead(updates) if lead else 0.0, 0.0)
        return summed / jnp.maximum(count, 1)[:, None], share

    def term(outputs, batch, now):
        advice = batch.extras[advice_name]  # [T, n, experts, actions]
        known = batch.extras[known_name]  # [T, n, experts]
        log_probs = jax.nn.log_softmax(outputs.logits)[..., None, :]
        apart = -jnp.sum(advice * log_probs, -1)
        if distance == "kl":
            apart += jnp.sum(advice * jnp.log(jnp.where(advice > 0, advice, 1)), -1)
        loss = jnp.mean(jnp.sum(jnp.where(known, apart, 0), -1))
        strength = schedule(now.updates) if callable(schedule) else schedule
        strength = strength * now.weights[name]
        agrees = jnp.argmax(outputs.logits, -1)[..., None] == jnp.argmax(advice, -1)
        share = jnp.sum(agrees & known) / jnp.maximum(jnp.sum(known), 1)
        return strength * loss, {
            f"{name}_loss": loss,
            f"{name}_lambda": jnp.asarray(strength, jnp.float32),
            f"{name}_agreement": share.astype(jnp.float32),
            f"{name}_known": jnp.mean(jnp.any(known, -1).astype(jnp.float32)),
        }

    return Lesson(name, term, initial_carry, note, leads if lead else None)
