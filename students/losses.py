"""Losses as terms that compose.

A term is `term(outputs, batch, now) -> (loss, metrics)`: what the network says of a batch of
sequences, the batch itself, and the moment of the training. A student minimises the sum of its
terms, so whatever teaches beside the reward is one more term.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.students.networks import Outputs

Schedule = Callable[[Array], Array]


class Batch(NamedTuple):
    """Sequences of T steps of n worlds, with what the losses need."""

    observation: Mapping[str, Array]  # each [T, n, ...]
    start: Bool[Array, "T n"]
    carry: Any  # each [n, ...]
    action: Int[Array, "T n"]
    extras: Mapping[str, Array]  # noted when it was taken: log_prob, value, ... each [T, n, ...]
    advantage: Float[Array, "T n"]
    target: Float[Array, "T n"]  # for the value


class Moment(NamedTuple):
    """How far a training has come."""

    updates: Int[Array, ""]  # rollouts learned from
    progress: Float[Array, ""]  # how much of the training is over, 0 to 1
    weights: Mapping[str, Float[Array, ""]]  # of what teaches beside the reward, by name
    key: PRNGKeyArray | None = None  # for what is drawn at random in this update
    # What the network says of the batch if it had observed something else, in the same shapes.
    read: Callable[[Mapping[str, Array]], Outputs] | None = None


Term = Callable[[Outputs, Batch, Moment], tuple[Array, dict[str, Array]]]


def linear(start: float, end: float) -> Schedule:
    """A schedule over progress 0..1."""
    return lambda progress: start + (end - start) * progress


def advantages(
    reward: Float[Array, "T n"],
    value: Float[Array, "T n"],
    terminated: Bool[Array, "T n"],
    truncated: Bool[Array, "T n"],
    final_value: Float[Array, "T n"],
    last_value: Float[Array, " n"],
    discount: float,
    gae_lambda: float,
) -> Float[Array, "T n"]:
    """Generalised advantage estimates (Schulman et al., 2016, eq. 16) over several episodes.

    A terminated step is followed by nothing; a truncated one by `final_value`, the value of the
    observation in which the time ran out. The sum never crosses from one episode to the next.
    """
    following = jnp.concatenate([value[1:], last_value[None]])
    following = jnp.where(truncated, final_value, following)
    following = jnp.where(terminated, 0, following)
    delta = reward + discount * following - value
    going_on = 1 - (terminated | truncated).astype(value.dtype)

    def back(later, now):
        delta, going_on = now
        later = delta + discount * gae_lambda * going_on * later
        return later, later

    _, result = jax.lax.scan(back, jnp.zeros_like(last_value), (delta, going_on), reverse=True)
    return result


def log_prob(logits: Float[Array, "*b a"], action: Int[Array, "*b"]) -> Float[Array, "*b"]:
    """Log-probability of `action` under a categorical distribution."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], axis=-1)[..., 0]


def clipped_policy(clip: float, axes: Sequence[str] = ()) -> Term:
    """PPO's clipped surrogate (Schulman et al., 2017, eq. 7) on scaled advantages.

    Args:
        clip: how far the ratio may leave 1.
        axes: names of mapped device axes over which advantages are scaled together.
    """

    def mean(x):
        x = jnp.mean(x)
        return jax.lax.pmean(x, tuple(axes)) if axes else x

    def term(outputs, batch, now):
        # Scaled, not centred: where nothing can be told apart the advantage is 0 and has to stay
        # so. Centring pushes such steps, and an agent that is stuck makes thousands of them,
        # towards whatever it did.
        advantage = batch.advantage / jnp.sqrt(mean(jnp.square(batch.advantage)) + 1e-8)
        log_ratio = log_prob(outputs.logits, batch.action) - batch.extras["log_prob"]
        ratio = jnp.exp(log_ratio)
        clipped = jnp.clip(ratio, 1 - clip, 1 + clip)
        loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
        return loss, {
            "policy_loss": loss,
            "approximate_kl": jnp.mean(ratio - 1 - log_ratio),
            "clip_fraction": jnp.mean(jnp.abs(ratio - 1) > clip),
        }

    return term


def value_error() -> Term:
    """Half the squared error of the value."""

    def term(outputs, batch, now):
        loss = 0.5 * jnp.mean(jnp.square(outputs.value - batch.target))
        variance = jnp.var(batch.target)
        explained = 1 - jnp.var(batch.target - batch.extras["value"]) / jnp.maximum(variance, 1e-8)
        return loss, {"value_loss": loss, "explained_variance": explained}

    return term


def negative_entropy(coefficient: Schedule) -> Term:
    """Minus the policy's mean entropy, times a schedule over progress."""

    def term(outputs, batch, now):
        log_probs = jax.nn.log_softmax(outputs.logits)
        entropy = -jnp.mean(jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1))
        return -coefficient(now.progress) * entropy, {"entropy": entropy}

    return term


def total(terms: Sequence[tuple[float, Term]]) -> Term:
    """The weighted sum of terms; metrics are joined."""

    def term(outputs, batch, now):
        loss, metrics = jnp.zeros(()), {}
        for weight, part in terms:
            value, told = part(outputs, batch, now)
            loss += weight * value
            metrics |= told
        return loss, metrics

    return term
