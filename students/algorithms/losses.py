"""Composable loss terms.

A term is `term(outputs, batch, now) -> (loss, metrics)`: the network's outputs for a batch of
sequences, the batch itself, and the progress of training. A student minimises the weighted sum of
its terms, so auxiliary losses are further terms.

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
    """Sequences of T steps of n environments, with the data that losses need."""

    observation: Mapping[str, Array]  # each [T, n, ...]
    start: Bool[Array, "T n"]
    carry: Any  # each [n, ...]
    action: Array  # int32[T, n] if discrete, float32[T, n, k] if continuous
    extras: Mapping[str, Any]  # recorded when acting: log_prob, value, ... each [T, n, ...]
    advantage: Float[Array, "T n"]
    target: Float[Array, "T n"]  # target of the value function
    weight: Float[Array, "T n"]  # mean 1 over the rollout; 0 for rows not to learn from


class TrainingProgress(NamedTuple):
    """The progress of training, passed to all loss terms."""

    updates: Int[Array, ""]  # number of rollouts learned from
    progress: Float[Array, ""]  # fraction of the training that is done, 0 to 1
    weights: Mapping[str, Float[Array, ""]]  # weights of the auxiliary losses, by name
    key: PRNGKeyArray | None = None  # random key of this minibatch
    # Returns the outputs for the batch with other observations of the same shapes.
    read: Callable[[Mapping[str, Array]], Outputs] | None = None


Term = Callable[[Outputs, Batch, TrainingProgress], tuple[Array, dict[str, Array]]]


def linear(start: float, end: float) -> Schedule:
    """Return a linear schedule over progress in [0, 1]."""
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

    The next value is 0 after a terminated step and `final_value`, the value of the final
    observation, after a truncated one. Advantages are not propagated across episode boundaries.
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
    """Weighted mean over the rows that may be learned from; other rows are ignored."""
    return jnp.mean(jnp.where(batch.weight > 0, batch.weight * x, 0))


def clipped_policy_loss(clip: float, axes: Sequence[str] = ()) -> Term:
    """PPO's clipped surrogate objective (Schulman et al., 2017, eq. 7) on scaled advantages.

    Args:
        clip: clipping range of the probability ratio around 1.
        axes: names of the mapped device axes over which advantages are scaled together.
    """

    def everywhere(x):
        return jax.lax.pmean(x, tuple(axes)) if axes else x

    def term(outputs, batch, now):
        # Scaled, not centred: a zero advantage must stay zero. Centring would reinforce or
        # discourage the actions of steps without any learning signal, and an agent that is stuck
        # takes thousands of them.
        square = everywhere(mean(jnp.square(batch.advantage), batch))
        # In a minibatch, the mean weight differs from 1 if some environments are not learned from.
        square /= jnp.maximum(everywhere(jnp.mean(batch.weight)), 1e-8)
        advantage = batch.advantage / jnp.sqrt(square + 1e-8)
        log_ratio = outputs.distribution.log_prob(batch.action) - batch.extras["log_prob"]
        # An infinite ratio in a row of weight 0 would enter the gradient as 0 * inf.
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
    """Half the mean squared error of the value function."""

    def term(outputs, batch, now):
        loss = 0.5 * mean(jnp.square(outputs.value - batch.target), batch)
        left = _variance(batch.target - batch.extras["value"], batch)
        explained = 1 - left / jnp.maximum(_variance(batch.target, batch), 1e-8)
        return loss, {"value_loss": loss, "explained_variance": explained}

    return term


def _variance(x: Array, batch: Batch) -> Array:
    """Weighted variance over the rows that may be learned from."""
    share = batch.weight / jnp.maximum(jnp.sum(batch.weight), 1e-8)
    x = jnp.where(share > 0, x, 0)
    return jnp.sum(share * jnp.square(x - jnp.sum(share * x)))


def entropy_loss(coefficient: Schedule) -> Term:
    """The policy's negative mean entropy, scaled by a schedule over progress."""

    def term(outputs, batch, now):
        entropy = mean(outputs.distribution.entropy(), batch)
        return -coefficient(now.progress) * entropy, {"entropy": entropy}

    return term


def weighted_sum(terms: Sequence[tuple[float, Term]]) -> Term:
    """Return the weighted sum of terms, with the metrics of all of them."""

    def term(outputs, batch, now):
        loss, metrics = jnp.zeros(()), {}
        for weight, part in terms:
            value, more = part(outputs, batch, now)
            loss += weight * value
            metrics |= more
        return loss, metrics

    return term
