"""The number that a teacher takes from each outcome: the return, scaled, or the success."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.common.errors import require
from didact.teachers.base import Outcomes

RETURN, SUCCESS = "return", "success"


def check(outcome: str, return_range: tuple[float, float]) -> None:
    """Raise a `SettingError` if the settings of `values_of` are invalid."""
    require("outcome", outcome, outcome in (RETURN, SUCCESS), '"return" or "success"')
    check_range(return_range)


def check_range(return_range: tuple[float, float]) -> None:
    """Raise a `SettingError` unless it is a range of finite numbers."""
    holds = len(return_range) == 2 and return_range[0] < return_range[1]
    holds = holds and bool(np.isfinite(return_range).all())
    require("return_range", return_range, holds, "finite (low, high) with low < high")


def values_of(
    outcomes: Outcomes, outcome: str, return_range: tuple[float, float] = (0.0, 1.0)
) -> tuple[Bool[Array, " n"], Float[Array, " n"]]:
    """Return which rows count, and their values.

    Args:
        outcomes: the outcomes of n episodes.
        outcome: "return" or "success".
        return_range: returns are scaled such that this range becomes 0 to 1 (without clipping).

    Returns:
        Whether each row is a finished episode with a finite value; and the values, which are
        arbitrary in all other rows.
    """
    values = outcomes.success if outcome == SUCCESS else outcomes.returns
    if outcome == RETURN:
        values = (values - return_range[0]) / (return_range[1] - return_range[0])
    return outcomes.valid & jnp.isfinite(values), values
