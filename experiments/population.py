"""Population-based training: of several seeds, the worst go on from the best.

References:
    Jaderberg et al., Population Based Training of Neural Networks, 2017 (arXiv:1711.09846);
    Schmitt et al., Kickstarting Deep Reinforcement Learning, 2018, section 4.1 (of lambda).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.experiments.loop import TrainState

PERTURBATION = 1.25  # a weight that is passed on is multiplied or divided by that
SPREAD = 4.0  # weights start between 1 / SPREAD and SPREAD
PART = 4  # one in so many is replaced, at least one


def spread(state: TrainState, key: PRNGKeyArray) -> TrainState:
    """The state of a population with the weights of its lessons spread out, log-uniformly."""
    weights = state.student.weights
    keys = jax.random.split(key, len(weights))
    drawn = {
        name: weights[name] * SPREAD ** jax.random.uniform(k, weights[name].shape, minval=-1)
        for name, k in zip(weights, keys, strict=True)
    }
    return state._replace(student=state.student._replace(weights=drawn))


def exploit(
    state: TrainState, scores: Float[Array, " s"], key: PRNGKeyArray
) -> tuple[TrainState, Int[Array, " s"]]:
    """The worst quarter become one of the best quarter each, with other weights of their lessons.

    Args:
        state: of a training with s seeds.
        scores: of each seed; higher is better.
        key: decides who becomes whom, and how weights change.

    Returns:
        The state, and from which seed each has its student.
    """
    count = scores.shape[0]
    few = max(1, count // PART)
    order = jnp.argsort(scores)
    which_key, *keys = jax.random.split(key, 1 + len(state.student.weights))
    best = order[count - few + jax.random.randint(which_key, (few,), 0, few)]
    source = jnp.arange(count).at[order[:few]].set(best)
    student = jax.tree.map(lambda x: x[source], state.student)
    moved = source != jnp.arange(count)
    weights = {}
    for (name, weight), k in zip(student.weights.items(), keys, strict=True):
        factor = jnp.where(jax.random.bernoulli(k, shape=(count,)), PERTURBATION, 1 / PERTURBATION)
        weights[name] = jnp.where(moved, weight * factor, weight)
    return state._replace(student=student._replace(weights=weights)), source
