"""Population-based training: the worst of several seeds are replaced by copies of the best.

References:
    Jaderberg et al., Population Based Training of Neural Networks, 2017 (arXiv:1711.09846);
    Schmitt et al., Kickstarting Deep Reinforcement Learning, 2018, section 4.1 (tunes lambda).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError
from didact.experiments.loop import TrainState

PERTURBATION = 1.25  # a copied weight is multiplied or divided by this factor
SPREAD = 4.0  # initial weights lie between 1 / SPREAD and SPREAD times the setting
TUNED = "kickstart"  # the auxiliary loss whose weight is tuned; other weights stay fixed
PART = 4  # one in PART seeds is replaced, but at least one
SUMS = "successes_by_seed", "returns_by_seed", "episodes_by_seed"  # of each chunk, in its row
METRICS = "success_sum", "return_sum", "episodes"  # the metrics of a chunk that are summed


class Population:
    """Several seeds, ranked by their training success since the worst were last replaced.

    Where no seed has any success, they are ranked by their mean return.

    Args:
        seeds: the number of seeds.
        initial_carry: the carry of a seed's environments at the start of an episode.
        rows: metrics of the training so far, from which a resumed one continues.
    """

    def __init__(self, seeds: int, initial_carry: Any, rows: Sequence[Mapping[str, Any]] = ()):
        self.initial_carry = initial_carry
        self.sums = np.zeros((len(SUMS), seeds))
        for row in rows:
            self.sums += np.stack([row.get(name, np.zeros(seeds)) for name in SUMS])
            if "exploited" in row:
                self.sums[:] = 0

    def after_chunk(
        self, state: TrainState, metrics: Mapping[str, Any], key: PRNGKeyArray | None
    ) -> tuple[TrainState, dict[str, Any]]:
        """Count the episodes of a chunk, and replace the worst seeds if a key is given.

        None is replaced while a seed has not finished an episode, or if all are equally good.

        Returns:
            The state, and what belongs into the row of metrics: the sums of this chunk and, after
            a replacement, `exploited`, the source of each seed.
        """
        parts = [np.asarray(metrics[name], float).sum(-1) for name in METRICS]
        row: dict[str, Any] = {name: part.tolist() for name, part in zip(SUMS, parts, strict=True)}
        self.sums += np.stack(parts)
        successes, returns, episodes = self.sums
        if key is None or not episodes.all():
            return state, row
        scores = (successes if successes.any() else returns) / episodes
        if np.ptp(scores) == 0:
            return state, row
        state, source = exploit(state, jnp.asarray(scores), key, self.initial_carry)
        self.sums[:] = 0
        return state, row | {"exploited": np.asarray(source).tolist()}


def randomise_weights(state: TrainState, key: PRNGKeyArray) -> TrainState:
    """Draw the population's initial expert weights log-uniformly around the current ones.

    Raises:
        SettingError: the student has no such weight.
    """
    weights = getattr(state.student, "weights", {})
    if TUNED not in weights:
        allowed = f"0 with a student that has no {TUNED} loss"
        raise SettingError("--exploit-every", "above 0", allowed)
    weight = weights[TUNED]
    drawn = weight * SPREAD ** jax.random.uniform(key, weight.shape, minval=-1)
    return _with_weight(state, drawn)


def exploit(
    state: TrainState, scores: Float[Array, " s"], key: PRNGKeyArray, initial_carry: Any
) -> tuple[TrainState, Int[Array, " s"]]:
    """Replace the worst quarter of seeds by random members of the best quarter.

    The expert weight of each replaced seed is perturbed. Its environments continue their episodes
    with the initial carry, since the old one is that of another network.

    Args:
        state: train state with s seeds.
        scores: score of each seed; higher is better.
        key: selects the sources and the perturbations.
        initial_carry: the carry of a seed's environments at the start of an episode, each [n, ...].

    Returns:
        The new state, and the source seed of each student.
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

    def restarted(initial, carry):
        return jnp.where(moved.reshape(-1, *[1] * initial.ndim), initial, carry)

    carry = jax.tree.map(restarted, initial_carry, state.worlds.carry)
    state = state._replace(worlds=state.worlds._replace(carry=carry))
    return _with_weight(state, jnp.where(moved, weight * factor, weight)), source


def _with_weight(state: TrainState, weight: Float[Array, " s"]) -> TrainState:
    weights = state.student.weights | {TUNED: weight}
    return state._replace(student=state.student._replace(weights=weights))
