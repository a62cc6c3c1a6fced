"""Losses as terms that compose.

A term is `term(outputs, batch, now) -> (loss, metrics)`: the network's outputs for a batch of
sequences, the batch itself, and the progress of the training. A student minimises the sum of its
terms, so everything else that teaches is one more term.

Means over rows are weighted by `Batch.weight`, which is 0 for rows that must not be learned from.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.students.networks.distributions import Distribution

Schedule = Callable[[Array], Array]


class Outputs(NamedTuple):
    """The network's outputs for a batch of sequences."""

    distribution: Distribution  # over actions, batch shape [T, n]
    value: Float[Array, "T n"]


class Batch(NamedTuple):
    """Sequences of T steps of n environments, with what the losses need."""

    observation: Mapping[str, Array]  # each [T, n, ...]
    start: Bool[Array, "T n"]
    carry: Any  # each [n, ...]
    action: Array  # int32[T, n] if discrete, float32[T, n, k] if continuous
    extras: Mapping[str, Any]  # noted when it was taken: log_prob, value, ... each [T, n, ...]
    advantage: Float[Array, "T n"]
    target: Float[Array, "T n"]  # for the value
    weight: Float[Array, "T n"]  # of each row; 1 on average over the rollout, 0 where not to learn


class TrainingProgress(NamedTuple):
    """How far a training has come."""

    updates: Int[Array, ""]  # rollouts learned from
    progress: Float[Array, ""]  # how much of the training is over, 0 to 1
    weights: Mapping[str, Float[Array, ""]]  # of what teaches beside the reward, by name
    key: PRNGKeyArray | None = None  # for what is drawn at random in this update
    # The outputs for the batch with other observations of the same shapes.
    read: Callable[[Mapping[str, Array]], Outputs] | None = None


Term = Callable[[Outputs, Batch, TrainingProgress], tuple[Array, dict[str, Array]]]


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
    continues = 1 - (terminated | truncated).astype(value.dtype)

    def back(later, now):
        delta, continues = now
        later = delta + discount * gae_lambda * continues * later
        return later, later

    _, result = jax.lax.scan(back, jnp.zeros_like(last_value), (delta, continues), reverse=True)
    return result


def mean(x: Float[Array, "T n"], batch: Batch) -> Float[Array, ""]:
    """The mean over the rows that may be learned from; what stands in others does not matter."""
    return jnp.mean(jnp.where(batch.weight > 0, batch.weight * x, 0))


def clipped_policy_loss(clip: float, axes: Sequence[str] = ()) -> Term:
    """PPO's clipped surrogate (Schulman et al., 2017, eq. 7) on scaled advantages.

    Args:
        clip: how far the ratio may leave 1.
        axes: names of mapped device axes over which advantages are scaled together.
    """

    def everywhere(x):
        return jax.lax.pmean(x, tuple(axes)) if axes else x

    def term(outputs, batch, now):
        # Scaled, not centred: where nothing can be told apart the advantage is 0 and has to stay
        # so. Centring pushes such steps, and an agent that is stuck makes thousands of them,
        # towards whatever it did.
        square = everywhere(mean(jnp.square(batch.advantage), batch))
        advantage = batch.advantage / jnp.sqrt(square + 1e-8)
        log_ratio = outputs.distribution.log_prob(batch.action) - batch.extras["log_prob"]
        # So that no infinite ratio of a row without weight reaches the gradient as 0 * inf.
        log_ratio = jnp.where(batch.weight > 0, log_ratio, 0)
        ratio = jnp.exp(log_ratio)
        clipped = jnp.clip(ratio, 1 - clip, 1 + clip)
        loss = -mean(jnp.minimum(ratio * advantage, clipped * advantage), batch)
        return loss, {
            "policy_loss": loss,
            "approximate_kl": mean(ratio - 1 - log_ratio, batch),
            "clip_fraction": mean((jnp.abs(ratio - 1) > clip).astype(jnp.float32), batch),
        }

    return term


def value_loss() -> Term:
    """Half the squared error of the value."""

    def term(outputs, batch, now):
        loss = 0.5 * mean(jnp.square(outputs.value - batch.target), batch)
        left = _variance(batch.target - batch.extras["value"], batch)
        explained = 1 - left / jnp.maximum(_variance(batch.target, batch), 1e-8)
        return loss, {"value_loss": loss, "explained_variance": explained}

    return term


def _variance(x: Array, batch: Batch) -> Array:
    """The variance over the rows that may be learned from."""
    share = batch.weight / jnp.maximum(jnp.sum(batch.weight), 1e-8)
    x = jnp.where(share > 0, x, 0)
    return jnp.sum(share * jnp.square(x - jnp.sum(share * x)))


def entropy_loss(coefficient: Schedule) -> Term:
    """Minus the policy's mean entropy, times a schedule over progress."""

    def term(outputs, batch, now):
        entropy = mean(outputs.distribution.entropy(), batch)
        return -coefficient(now.progress) * entropy, {"entropy": entropy}

    return term


def weighted_sum(terms: Sequence[tuple[float, Term]]) -> Term:
    """The weighted sum of terms; metrics are joined."""

    def term(outputs, batch, now):
        loss, metrics = jnp.zeros(()), {}
        for weight, part in terms:
            value, more = part(outputs, batch, now)
            loss += weight * value
            metrics |= more
        return loss, metrics

    return term
