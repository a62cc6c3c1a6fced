"""Scores of levels: how much a student could learn in a level, from the outcomes of its episodes.

A score is computed from a running mean over the episodes of the level. Which outcomes exist depends
on the student. Students with a value function provide those of `Outcomes`; none of the built-in
students predicts transitions, so `traced` uses the prediction error only of students of your own
that provide it as `transition_error`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.common.errors import SettingError
from didact.teachers.base import Outcomes
from didact.teachers.replay.level_buffer import LevelBuffer

TRANSITION_ERROR = "transition_error"


class LevelScore(NamedTuple):
    """A score of levels.

    Attributes:
        quantity: `quantity(outcomes) -> [n]`, which is averaged over the episodes of a level.
        value: `value(estimate, attempts, highest) -> [c]`, the score of each level from that
            average, the number of episodes (up to 1 / rate), and the highest return.
        rate: the default weight of the latest episode in the average; 1 keeps only the latest.
        extras: the names of further numbers per level that `bonus` uses.
        bonus: None, or `bonus(before, after, updated) -> (extras, [c])`: the new extras and a
            number to add to each score, given the buffer before and after the averages were
            updated, and which levels had episodes.
    """

    quantity: Callable[[Outcomes], Float[Array, " n"]]
    value: Callable[..., Float[Array, " c"]]
    rate: float = 1.0
    extras: tuple[str, ...] = ()
    bonus: Callable[..., tuple[dict[str, Array], Float[Array, " c"]]] | None = None


def outcome_score(name: str) -> LevelScore:
    """Return the score that is the mean of one of the outcomes' scores, such as the value loss."""
    return LevelScore(lambda outcomes: outcome_of(outcomes, name), lambda mean, *_: mean)


def max_mc() -> LevelScore:
    """Return the maximum Monte Carlo regret estimate: the highest return so far minus mean value.

    References:
        Jiang et al., Replay-guided adversarial environment design, NeurIPS 2021, section 4.
    """
    return LevelScore(
        lambda outcomes: outcome_of(outcomes, "value"),
        lambda value, attempts, highest: highest - value,
    )


def learnability(rate: float = 0.1) -> LevelScore:
    """Return p (1 - p), where p is the success probability, estimated by the rule of succession.

    With s successes in m episodes, p is (s + 1) / (m + 2). After a single episode, p (1 - p) would
    otherwise be 0 whatever the outcome, and no new level would be replayed.

    References:
        Rutherford et al., No regrets: investigating and improving regret approximations for
        curriculum discovery, NeurIPS 2024.
    """

    def value(success, attempts, highest):
        p = (success * attempts + 1) / (attempts + 2)
        return p * (1 - p)

    return LevelScore(lambda outcomes: outcomes.success, value, rate)


def traced(transition_weight: float = 1.0, co_learnability: float = 1.0) -> LevelScore:
    """Return the value loss plus the error of predicted transitions, plus co-learnability.

    The difficulty of a level is the mean positive value loss of its latest episodes, plus
    `transition_weight` times the mean error of the student's predictions of the next observation if
    the student provides it (as `transition_error`). When episodes end, the mean decrease of the
    difficulty of their levels is credited to the levels of the preceding call, times
    `co_learnability`: training there may have caused it. Levels that were new in that call get no
    credit, since `plr_robust` and `accel` do not train on these. The credit lasts until the level
    itself is played again.

    References:
        Cho et al., TRACED: transition-aware regret approximation with co-learnability for
        environment design, ICLR 2026 (arXiv:2506.19997); the weights are those for mazes.
    """

    def quantity(outcomes: Outcomes):
        error = outcomes.scores.get(TRANSITION_ERROR, 0.0)
        return outcome_of(outcomes, "positive_value_loss") + transition_weight * error

    def bonus(before: LevelBuffer, after: LevelBuffer, updated: Bool[Array, " c"]):
        # A level without earlier episodes has no decrease.
        again = updated & (before.attempts > 0)
        decrease = jnp.where(again, before.estimate - after.estimate, 0)
        mean = jnp.sum(decrease) / jnp.maximum(jnp.sum(again), 1)
        recent, credit = before.extras["recent"] > 0, before.extras["credit"]
        credit = jnp.where(updated, 0, credit + jnp.where(recent, co_learnability * mean, 0))
        return {"recent": updated.astype(jnp.float32), "credit": credit}, credit

    return LevelScore(quantity, lambda mean, *_: mean, extras=("recent", "credit"), bonus=bonus)


# The scores that are more than a mean of one outcome. Add your own to use them by name.
SCORES: dict[str, Callable[[], LevelScore]] = {
    "max_mc": max_mc,
    "learnability": learnability,
    "traced": traced,
}


def score_called(name: str) -> LevelScore:
    """Return a score by name: one of `SCORES`, or the name of one of the outcomes' scores."""
    return SCORES[name]() if name in SCORES else outcome_score(name)


def outcome_of(outcomes: Outcomes, name: str) -> Float[Array, " n"]:
    """Return one of the outcomes' scores.

    Raises:
        SettingError: the student does not provide it.
    """
    if name not in outcomes.scores:
        known = ", ".join([*SCORES, *sorted(outcomes.scores)])
        raise SettingError("score", name, f"one of {known}, as far as the student provides them")
    return outcomes.scores[name]
