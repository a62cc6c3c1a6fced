"""Regret estimates that require a memory of each level."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from didact.teachers.base import Outcomes, Proposals


def no_returns(levels: int) -> Float[Array, " k"]:
    """Return the initial highest returns of k levels: minus infinity."""
    return jnp.full(levels, -jnp.inf)


def max_mc(
    highest: Float[Array, " k"], proposals: Proposals, outcomes: Outcomes
) -> tuple[Float[Array, " n"], Float[Array, " k"]]:
    """Return the maximum Monte Carlo regret estimate of each episode, and new highest returns.

    The estimate is the mean of R - V over the steps of the episode, where R is the highest
    undiscounted return of all episodes in the level so far, including those of this call, and V is
    the student's value. An episode whose tag is not that of a level (such as `FOREIGN`) is treated
    as the only one of its level.

    A teacher stores `highest` in its state, indexed by the tags it proposes, and resets an entry to
    -inf (see `no_returns`) when it replaces a level:

        score, highest = max_mc(state.highest, proposals, outcomes)

    Args:
        highest: the highest return so far in the level of each tag.
        proposals: the proposals of the finished episodes.
        outcomes: must have the score `value`. Rows of weight 0 and returns that are not finite do
            not change `highest`.

    Returns:
        The regret estimates, and the updated `highest`.

    References:
        Jiang et al., Replay-guided adversarial environment design, NeurIPS 2021, section 4.
    """
    levels = highest.shape[0]
    known = (proposals.tag >= 0) & (proposals.tag < levels)
    counts = known & outcomes.valid
    highest = highest.at[jnp.where(counts, proposals.tag, levels)].max(
        outcomes.returns, mode="drop"
    )
    best = jnp.where(known, highest[jnp.clip(proposals.tag, 0, levels - 1)], outcomes.returns)
    return jnp.maximum(best, outcomes.returns) - outcomes.scores["value"], highest
