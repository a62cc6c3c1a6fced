"""Draw kinds of episodes such that each kind has a given share of the environment steps.

The literature plays every level for a fixed number of steps. Here, an environment plays one episode
of a level and then asks for the next, and episodes differ in length: a new random level may not be
solvable and last until the step limit, while a replayed one is solved quickly. If one in five
episodes were in a new level, these could take most of the steps. So kinds are drawn in proportion
to their share divided by their mean length.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

HORIZON = 500  # episodes of each kind over which its mean length is estimated
PRIOR = 10  # episodes of the overall mean length that are added to those of each kind


class StepShares(NamedTuple):
    """The lengths of finished episodes of k kinds, with exponentially decaying weights."""

    steps: Float[Array, " k"]
    episodes: Float[Array, " k"]


def no_shares(kinds: int) -> StepShares:
    """Return the state before the first episode."""
    return StepShares(jnp.zeros(kinds), jnp.zeros(kinds))


def update(state: StepShares, kinds: Int[Array, " n"], lengths: Float[Array, " n"]) -> StepShares:
    """Add the lengths of finished episodes.

    Args:
        state: the state.
        kinds: the kind of each episode; rows of other numbers than 0 to k - 1 are ignored.
        lengths: the number of steps of each episode.
    """
    k = state.steps.shape[0]
    counts = (kinds >= 0) & (kinds < k)
    at = jnp.where(counts, kinds, k)
    steps = jnp.zeros(k).at[at].add(jnp.where(counts, lengths, 0), mode="drop")
    episodes = jnp.zeros(k).at[at].add(1.0, mode="drop")
    kept = (1 - 1 / HORIZON) ** episodes
    return StepShares(state.steps * kept + steps, state.episodes * kept + episodes)


def probabilities(state: StepShares, shares: Float[Array, " k"]) -> Float[Array, " k"]:
    """Return the probabilities of drawing each kind, such that the steps have the given shares."""
    overall = jnp.sum(state.steps) / jnp.maximum(jnp.sum(state.episodes), 1)
    overall = jnp.where(overall > 0, overall, 1)
    mean = (state.steps + PRIOR * overall) / (state.episodes + PRIOR)
    weights = shares / jnp.maximum(mean, 1e-6)
    return weights / jnp.maximum(jnp.sum(weights), 1e-30)


def draw(
    key: PRNGKeyArray, state: StepShares, shares: Float[Array, " k"], n: int
) -> Int[Array, " n"]:
    """Draw the kinds of n episodes; a kind without a share is never drawn."""
    cumulative = jnp.cumsum(probabilities(state, shares))
    at = jax.random.uniform(key, (n, 1)) * cumulative[-1]
    last = jnp.max(jnp.where(shares > 0, jnp.arange(shares.shape[0]), 0))
    return jnp.minimum(jnp.sum(at >= cumulative, axis=1), last)
