"""A model of the student: how likely it succeeds in a task, or what regret is expected there.

One success or failure says nothing about p(1 - p), and tasks of real numbers are never met again.
So outcomes are not grouped by task: a small network pools them over neighbouring tasks, and what
a task is worth is read from the network, also for tasks that nobody has tried yet.

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
    """A perceptron over tasks in the unit cube; its output is a logit."""

    width: int

    @nn.compact
    def __call__(self, points: Float[Array, "n d"]) -> Float[Array, " n"]:
        # Waves of a few lengths let it tell a sharp border from a slope after few steps.
        angles = np.pi * points[..., None] * np.array([1.0, 2.0, 4.0], np.float32)
        waves = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        x = jnp.concatenate([2 * points - 1, waves.reshape(*points.shape[:-1], -1)], axis=-1)
        for _ in range(2):
            x = nn.relu(nn.Dense(self.width)(x))
        return nn.Dense(1, kernel_init=nn.initializers.zeros)(x)[..., 0]


def critic_loss(logits: Float[Array, " n"], targets: Float[Array, " n"]) -> Float[Array, ""]:
    """Cross-entropy; least where each logit gives the mean target, also between 0 and 1."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets))


def uncertainty(logits: Float[Array, " n"]) -> Float[Array, " n"]:
    """4 p (1 - p): 1 where success is as likely as failure, 0 where the outcome is sure."""
    return 4 * jax.nn.sigmoid(logits) * jax.nn.sigmoid(-logits)
