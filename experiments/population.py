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
TUNED = "kickstart"  # the lesson whose weight is tuned; those of others stay as they are
PART = 4  # one in so many is replaced, at least one


def randomise_weights(state: TrainState, key: PRNGKeyArray) -> TrainState:
    """The state of a population with the experts' weights spread out, log-uniformly."""
    weight = state.student.weights[TUNED]
    drawn = weight * SPREAD ** jax.random.uniform(key, weight.shape, minval=-1)
    return _with_weight(state, drawn)


def exploit(
    state: TrainState, scores: Float[Array, " s"], key: PRNGKeyArray
) -> tuple[TrainState, Int[Array, " s"]]:
    """The worst quarter become one of the best quarter each, with another weight of the experts.

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
    which_key, weight_key = jax.random.split(key)
    best = order[count - few + jax.random.randint(which_key, (few,), 0, few)]
    source = jnp.arange(count).at[order[:few]].set(best)
    state = state._replace(student=jax.tree.map(lambda x: x[source], state.student))
    up = jax.random.bernoulli(weight_key, shape=(count,))
    factor = jnp.where(up, PERTURBATION, 1 / PERTURBATION)
    weight = state.student.weights[TUNED]
    moved = source != jnp.arange(count)
    return _with_weight(state, jnp.where(moved, weight * factor, weight)), source


def _with_weight(state: TrainState, weight: Float[Array, " s"]) -> TrainState:
    weights = state.student.weights | {TUNED: weight}
    return state._replace(student=state.student._replace(weights=weights))
