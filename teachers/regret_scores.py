"""Regret estimates that need a memory of each level."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from didact.teachers.base import Outcomes, Proposals


def no_returns(levels: int) -> Float[Array, " k"]:
    """The highest return of each of k levels before any was played: minus infinity."""
    return jnp.full(levels, -jnp.inf)


def max_mc(
    highest: Float[Array, " k"], proposals: Proposals, outcomes: Outcomes
) -> tuple[Float[Array, " n"], Float[Array, " k"]]:
    """The maximum Monte Carlo regret estimate of each episode, and the new highest returns.

    It is the mean over the steps of the episode of R - V, with R the highest return (undiscounted)
    of any episode in the level so far, those of this call included, and V the student's value. An
    episode whose tag is no level's (such as `FOREIGN`) is its level's only one.

    A teacher keeps `highest` in its state, indexed by the tags it proposes, and sets an entry
    back to -inf (as `no_returns` does) when another level takes its place:

        score, highest = max_mc(state.highest, proposals, outcomes)

    Args:
        highest: the highest return so far in the level of each tag.
        proposals: the finished episodes'.
        outcomes: with the score `value`; rows of weight 0 and returns that are not finite leave
            `highest` as it is.

    References:
        Jiang et al., Replay-guided adversarial environment design, NeurIPS 2021, section 4.
    """
    levels = highest.shape[0]
    known = (proposals.tag >= 0) & (proposals.tag < levels)
    counts = known & (outcomes.weights > 0) & jnp.isfinite(outcomes.returns)
    highest = highest.at[jnp.where(counts, proposals.tag, levels)].max(
        outcomes.returns, mode="drop"
    )
    best = jnp.where(known, highest[jnp.clip(proposals.tag, 0, levels - 1)], outcomes.returns)
    return jnp.maximum(best, outcomes.returns) - outcomes.scores["value"], highest
