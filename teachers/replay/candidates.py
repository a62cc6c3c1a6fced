"""Candidate levels whose success probability is estimated from several episodes each.

Candidates come in rounds of m levels. In its round, every candidate is proposed until it has had
about `tries` episodes, and then the next round begins. Parallel environments finish short episodes
first, and successful episodes are shorter than failed ones, so the episodes that have ended at any
moment succeed too often. Therefore a round is only evaluated at the end of the next one: until
then, the outcomes of its remaining episodes still count. Estimates are then unbiased as long as no
episode is longer than a round.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.teachers.recognition import recognized
from didact.teachers.replay.level_buffer import draw


class Candidates(NamedTuple):
    """The levels of two rounds: rows 0 to m - 1 and m to 2 m - 1 take turns."""

    tasks: Float[Array, "2m d"]
    attempts: Int[Array, " 2m"]  # finished episodes
    successes: Float[Array, " 2m"]
    rounds: Int[Array, ""]  # rounds before the current one


def first_round(tasks: Float[Array, "m d"]) -> Candidates:
    """Return the state in which these levels are the current round."""
    m = tasks.shape[0]
    both = jnp.concatenate([tasks, jnp.zeros_like(tasks)])
    return Candidates(both, jnp.zeros(2 * m, jnp.int32), jnp.zeros(2 * m), jnp.int32(0))


def current(state: Candidates) -> Bool[Array, " 2m"]:
    """Return which rows belong to the current round."""
    m = state.attempts.shape[0] // 2
    return jnp.arange(2 * m) // m == state.rounds % 2


def choose(state: Candidates, key: PRNGKeyArray, n: int, tries: int) -> Int[Array, " n"]:
    """Draw n rows of the current round, uniformly from those with too few episodes."""
    now = current(state)
    needy = now & (state.attempts < tries)
    rows = jnp.where(jnp.any(needy), needy, now)
    return draw(key, rows / jnp.maximum(jnp.sum(rows), 1), n)


def add_outcomes(
    state: Candidates,
    rows: Int[Array, " n"],
    tasks: Float[Array, "n d"],
    success: Float[Array, " n"],
    counts: Bool[Array, " n"],
    tolerance: Float[np.ndarray, " d"],
) -> Candidates:
    """Add the outcomes of finished episodes.

    Args:
        state: the state.
        rows: the row of each candidate.
        tasks: the task that was played. If the row holds another one, the round has been evaluated
            already, and the outcome is dropped.
        success: 1 for success, else 0.
        counts: False for rows to ignore.
        tolerance: see `tolerance_of`.
    """
    size = state.attempts.shape[0]
    counts = counts & (rows >= 0) & (rows < size)
    at = jnp.clip(rows, 0, size - 1)
    counts &= recognized(tasks, state.tasks[at], tolerance)
    at = jnp.where(counts, at, size)
    return state._replace(
        attempts=state.attempts.at[at].add(1, mode="drop"),
        successes=state.successes.at[at].add(jnp.where(counts, success, 0), mode="drop"),
    )


def is_over(state: Candidates, tries: int) -> Bool[Array, ""]:
    """Return whether the candidates of the current round had `tries` episodes on average."""
    played = jnp.sum(jnp.where(current(state), state.attempts, 0))
    return played >= tries * (state.attempts.shape[0] // 2)


def evaluated(
    state: Candidates,
) -> tuple[Float[Array, "m d"], Float[Array, " m"], Int[Array, " m"]]:
    """Return the levels of the preceding round, their success rates and numbers of episodes.

    In the first round, there is no preceding one, and all numbers of episodes are 0.
    """
    m = state.attempts.shape[0] // 2
    rows = (1 - state.rounds % 2) * m + jnp.arange(m)
    attempts = state.attempts[rows]
    return state.tasks[rows], state.successes[rows] / jnp.maximum(attempts, 1), attempts


def next_round(state: Candidates, tasks: Float[Array, "m d"]) -> Candidates:
    """Begin the next round with new levels; they replace those of the preceding round."""
    m = tasks.shape[0]
    rows = (1 - state.rounds % 2) * m + jnp.arange(m)
    return Candidates(
        tasks=state.tasks.at[rows].set(tasks),
        attempts=state.attempts.at[rows].set(0),
        successes=state.successes.at[rows].set(0),
        rounds=state.rounds + 1,
    )
