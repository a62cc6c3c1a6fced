"""Regrets of a level that several students have played, from the returns of their episodes.

The first student is the protagonist, which a training is about; all others are antagonists.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def relative_regret(best: Float[Array, "n k"], mean: Float[Array, "n k"]) -> Float[Array, " n"]:
    """Return the best antagonist return minus the protagonist's mean return, clipped at 0.

    Args:
        best: the highest return of each of k students over its episodes in a level.
        mean: their mean returns over these episodes.

    References:
        Dennis et al., Emergent complexity and zero-shot transfer via unsupervised environment
        design, NeurIPS 2020, section 4 (PAIRED).
    """
    return jnp.maximum(jnp.max(best[:, 1:], axis=1) - mean[:, 0], 0)


def population_regret(best: Float[Array, "n k"], mean: Float[Array, "n k"]) -> Float[Array, " n"]:
    """Return the best return of any student minus the mean return of all students.

    No student has a special role, so this is at least 0. With two students, either of them may be
    the better one.

    Args:
        best, mean: as in `relative_regret`.

    References:
        Du, Abbeel and Grover, It takes four to tango: multiagent self play for automatic curriculum
        generation, ICLR 2022; Jiang et al., minimax: efficient baselines for autocurricula in JAX,
        2023 (population PAIRED).
    """
    return jnp.maximum(jnp.max(best, axis=1) - jnp.mean(mean, axis=1), 0)


# The scores of outcomes that a teacher with several students observes, by name.
REGRETS = {"regret": relative_regret, "population_regret": population_regret}
