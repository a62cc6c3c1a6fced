"""How often episodes achieve what an environment lists as achievements.

References:
    Hafner, Benchmarking the spectrum of agent capabilities, ICLR 2022 (arXiv:2109.06780): the
    score.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Bool
from numpy.typing import ArrayLike

from didact.environments import Environment

ACHIEVED = "max_achieved/"  # prefix of the totals of episodes; 1 once it was achieved


def achieved_now(
    environment: Environment, labels: Bool[Array, "*n p"]
) -> dict[str, Bool[Array, "*n"]]:
    """Return which achievements the labels of steps contain, by name."""
    columns = {name: environment.propositions.index(name) for name in environment.achievements}
    return {name: labels[..., column] for name, column in columns.items()}


def score(rates: Mapping[str, ArrayLike]) -> float:
    """Return Crafter's score of success rates: `exp(mean(log(1 + percent))) - 1`.

    This is a geometric mean, so rare achievements count more than in an arithmetic one.

    Args:
        rates: the share of episodes with each achievement, from 0 to 1; or one for each seed, and
            the score is the mean of those of the seeds.
    """
    percent = 100 * np.array(list(rates.values()), np.float64)
    return float(np.mean(np.expm1(np.mean(np.log1p(percent), axis=0))))


def reported(rates: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Return rates and their score for reports; nothing if there are no achievements."""
    if not rates:
        return {}
    means = {name: float(np.mean(np.asarray(rate))) for name, rate in rates.items()}
    return {"score": score(rates), "achievements": means}
