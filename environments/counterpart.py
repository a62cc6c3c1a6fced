"""Counterparts of environments in gymnasium, for evaluating policies there."""

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
    """The gymnasium environment that corresponds to one of ours, and how to convert between them.

    `didact.environments.adapters.OfficialGymnasium` runs it.

    Attributes:
        name: the gymnasium id, such as "Pendulum-v1".
        task: the name of our evaluation task with the same settings.
        observation: converts m stacked official observations to ours, each [m, ...].
        action: converts m of our actions, [m, ...], to official ones.
        extra: the extra of didact that installs what the official environment needs, or "".
    """

    name: str
    task: str
    observation: Callable[[np.ndarray], Observation] = _as_it_is
    action: Callable[[Float[np.ndarray, "m k"]], np.ndarray] = _unchanged
    extra: str = ""
