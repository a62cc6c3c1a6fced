"""The same world made by others: how to try a policy of ours there."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Observation = dict[str, np.ndarray]


def _as_it_is(observations: np.ndarray) -> Observation:
    return {"observation": np.asarray(observations, np.float32)}


def _unchanged(actions: np.ndarray) -> np.ndarray:
    return actions


class Counterpart(NamedTuple):
    """A gymnasium environment that corresponds to one of ours, and how its numbers become ours.

    `didact.environments.adapters.OfficialGymnasium` plays it.

    Attributes:
        name: gymnasium's id, such as "Pendulum-v1".
        task: the evaluation task of our environment that has the same settings.
        observation: from m official observations, stacked, to ours, each [m, ...].
        action: from m of our actions, [m, ...], to the official ones.
        extra: of `pip install 'didact[EXTRA]'`, for what the official environment needs, or "".
    """

    name: str
    task: str
    observation: Callable[[np.ndarray], Observation] = _as_it_is
    action: Callable[[Float[np.ndarray, "m k"]], np.ndarray] = _unchanged
    extra: str = ""
