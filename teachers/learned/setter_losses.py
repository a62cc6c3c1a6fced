"""The judge and the losses of Setter-Solver.

References:
    Racaniere, Lampinen, Santoro, Reichert, Firoiu and Lillicrap, Automated curricula through
    setter-solver interactions, ICLR 2020, section 3.3.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

GRADES = 1024  # a feasibility f is proposed as the tag k with f = (k + 1/2) / GRADES


class Judge(nn.Module):
    """A perceptron with three hidden layers; its output is the logit of success."""

    width: int

    @nn.compact
    def __call__(self, points: Float[Array, "n d"]) -> Float[Array, " n"]:
        x = 2 * points - 1
        for _ in range(3):
            x = nn.relu(nn.Dense(self.width)(x))
        return nn.Dense(1)(x)[..., 0]


def feasibility(grades: Int[Array, " n"]) -> Float[Array, " n"]:
    """Return the feasibilities of tags; those of other teachers have an arbitrary one."""
    return (jnp.maximum(grades, 0) + 0.5) / GRADES


def judge_loss(logits: Any, success: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the mean cross-entropy of the judge."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, success))


def setter_loss(
    logits: Any,
    feasibilities: Float[Array, " n"],
    densities: Float[Array, " n"],
    likelihoods: Float[Array, " m"],
    solved: Bool[Array, " m"],
) -> Float[Array, ""]:
    """Return the sum of the three losses of the setter: feasibility, validity and coverage.

    Args:
        logits: the judge's output for n generated tasks.
        feasibilities: the feasibilities that were requested.
        densities: the log-densities of the generated tasks.
        likelihoods: the log-densities of m played tasks.
        solved: which of these the student solved; the others do not matter.
    """
    wanted = jnp.log(feasibilities) - jnp.log1p(-feasibilities)
    feasible = jnp.mean((logits - wanted) ** 2)
    valid = -jnp.sum(jnp.where(solved, likelihoods, 0)) / jnp.maximum(jnp.sum(solved), 1)
    return feasible + valid + jnp.mean(densities)
