"""A model of the student that predicts the success probability or the regret of a task.

A single outcome says nothing about p (1 - p), and continuous tasks never repeat exactly. So
outcomes are not grouped by task: a small network generalizes over neighboring tasks and predicts
the value of any task, including those that were never played.

References:
    Racaniere, Lampinen, Santoro, Reichert, Firoiu and Lillicrap, Automated curricula through
    setter-solver interactions, ICLR 2020: the judge.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float


class Critic(nn.Module):
    """A multilayer perceptron over tasks in the unit cube; its output is a logit."""

    width: int

    @nn.compact
    def __call__(self, points: Float[Array, "n d"]) -> Float[Array, " n"]:
        # Fourier features let the network represent a sharp boundary after few steps.
        angles = np.pi * points[..., None] * np.array([1.0, 2.0, 4.0], np.float32)
        waves = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        x = jnp.concatenate([2 * points - 1, waves.reshape(*points.shape[:-1], -1)], axis=-1)
        for _ in range(2):
            x = nn.relu(nn.Dense(self.width)(x))
        return nn.Dense(1, kernel_init=nn.initializers.zeros)(x)[..., 0]


def critic_loss(logits: Float[Array, " n"], targets: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the mean cross-entropy, minimal if logits match mean targets, also fractional ones."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets))


def uncertainty(logits: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return 4 p (1 - p): 1 if success and failure are equally likely, 0 if one is certain."""
    return 4 * jax.nn.sigmoid(logits) * jax.nn.sigmoid(-logits)
