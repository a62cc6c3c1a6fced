"""Kickstarting: a student imitates experts in the states it visits while it learns from rewards.

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
from didact.students.algorithms import losses
from didact.students.algorithms.learner import AuxiliaryLoss
from didact.students.imitation.experts import Expert, ask_all
from didact.students.networks.distributions import agreement

DISTANCES = ("cross_entropy", "kl")


def kickstart(
    experts: Expert | Sequence[Expert],
    schedule: float | Callable[[Array], Any],
    *,
    distance: str = "cross_entropy",
    expert_action_probability: Callable[[Array], Any] | None = None,
    name: str = "kickstart",
) -> AuxiliaryLoss:
    """Make the auxiliary loss that pulls a student towards experts.

    Use it as `ppo(..., auxiliary_losses=[kickstart(...)])`. In each state of the student's rollout,
    the distance between an expert's distribution over actions and the student's is summed over the
    experts that know the task, and its mean over all states is multiplied by lambda. Experts are
    evaluated while the student acts, so recurrent experts follow the student's episodes; they
    receive no gradients.

    Args:
        experts: one or several experts.
        schedule: lambda, a number or a function of the number of updates so far, such as a schedule
            of `optax`. It is multiplied by the weight `name` in the student's state, which a
            population can tune.
        distance: "cross_entropy" for H(expert || student), or "kl" for KL(expert || student), which
            has the same gradient, but is 0 where both agree.
        expert_action_probability: the probability that an expert that knows the task acts in the
            student's place, as a function of the number of updates so far (beta of DAgger, Ross et
            al., 2011), so that the student visits the states that experts would. PPO uses the
            mixture as the behaviour policy.
        name: the name of the loss in the metrics.

    Raises:
        SettingError: there are no experts, or the distance is unknown.
    """
    experts = [experts] if isinstance(experts, Expert) else list(experts)
    if not experts:
        raise SettingError("experts", experts, "at least one expert")
    if distance not in DISTANCES:
        raise SettingError("distance", distance, "one of " + ", ".join(DISTANCES))
    initial_carry, ask = ask_all(experts)
    advice_name, known_name = f"{name}_advice", f"{name}_known"

    def note(carry, observation):
        advice, known, carry = ask(carry, observation)
        noted = {advice_name: advice, known_name: known}
        return jax.lax.stop_gradient(noted), carry

    def leads(noted, updates):
        known = noted[known_name]
        share = expert_action_probability(updates) if expert_action_probability else 0.0
        return noted[advice_name], share * known / jnp.maximum(jnp.sum(known, -1, keepdims=True), 1)

    def term(outputs, batch, now):
        advice = batch.extras[advice_name]  # distributions [T, n, experts]
        known = batch.extras[known_name] & (batch.weight > 0)[..., None]  # [T, n, experts]
        student = jax.tree.map(lambda x: x[:, :, None], outputs.distribution)
        advice = _valid(advice, known, student, name)
        apart = advice.kl(student)
        if distance == "cross_entropy":
            apart += advice.entropy()
        loss = losses.mean(jnp.sum(jnp.where(known, apart, 0), -1), batch)
        strength = schedule(now.updates) if callable(schedule) else schedule
        strength = strength * now.weights[name]
        share = jnp.sum(agreement(advice, student) * known) / jnp.maximum(jnp.sum(known), 1)
        return strength * loss, {
            f"{name}_loss": loss,
            f"{name}_lambda": jnp.asarray(strength, jnp.float32),
            f"{name}_agreement": share.astype(jnp.float32),
            f"{name}_known": losses.mean(jnp.any(known, -1).astype(jnp.float32), batch),
        }

    return AuxiliaryLoss(
        name, term, initial_carry, note, leads if expert_action_probability else None
    )


def _valid(advice: Any, known: Array, student: Any, name: str) -> Any:
    """Replace invalid advice by the student's own distribution.

    Invalid advice may contain NaN, which would reach the gradient even through a mask.
    """
    if type(advice) is not type(student):
        allowed = f"a {type(student).__name__}, like the student's"
        raise SettingError(f"distribution of experts ({name})", type(advice).__name__, allowed)

    def where_known(x, own):
        mask = known.reshape(*known.shape, *[1] * (x.ndim - known.ndim))
        return jnp.where(mask, x, jax.lax.stop_gradient(own))

    own = jax.tree.leaves(student)
    leaves, tree = jax.tree.flatten(advice)
    return jax.tree.unflatten(tree, map(where_known, leaves, own))
