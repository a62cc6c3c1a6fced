"""The success rate in the worst levels: conditional value at risk (CVaR), without selection bias.

All levels are played twice. The first pass chooses the worst levels, and the second one scores
them. The rates of the first pass alone would be too low, because levels are also chosen for bad
luck.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.common.errors import require
from didact.environments.grid.mazes import Levels
from didact.experiments.evaluation.evaluate import Results

GROUP = 1000  # levels that are played by one call of a compiled program


def solvable_levels(space: Levels, count: int, seed: int = 0) -> Float[np.ndarray, "count d"]:
    """Sample levels from a space, and return the first `count` that are solvable."""
    found, total, number = [], 0, 0
    draw = jax.jit(lambda key: space.sample(key, GROUP))
    while total < count:
        tasks = draw(jax.random.fold_in(jax.random.key(seed), number))
        kept = np.asarray(tasks)[np.asarray(space.solvable(tasks))]
        found.append(kept)
        total, number = total + len(kept), number + 1
        require("space", space, number < 100 or total, "a space with solvable levels")
    return np.concatenate(found)[:count]


def success_rates(
    play: Callable[[Any, Any, Any], Results],
    state: Any,
    tasks: Float[np.ndarray, "m d"],
    episodes: int,
    seed: int,
) -> Float[np.ndarray, " m"]:
    """Return the success rate in each level.

    Args:
        play: a compiled `evaluator`.
        state: the state of the student.
        tasks: the levels.
        episodes: the number of episodes in each level.
        seed: random seed of the actions.
    """
    rates = []
    for start in range(0, len(tasks), GROUP):
        part = tasks[start : start + GROUP]
        padded = np.resize(part, (min(GROUP, len(tasks)), part.shape[1]))
        key = jax.random.fold_in(jax.random.key(seed), start)
        results = play(state, key, jnp.asarray(np.repeat(padded, episodes, axis=0)))
        success = np.asarray(results.success).reshape(len(padded), episodes)
        rates.append(success.mean(axis=1)[: len(part)])
    return np.concatenate(rates)


def worst_success(
    first: Float[np.ndarray, " m"], second: Float[np.ndarray, " m"], shares: Sequence[float]
) -> list[float]:
    """Return the mean success rate in the worst levels, for several shares of all levels.

    Args:
        first: success rates of the pass that chooses the levels. Levels of equal rates are chosen
            in their given order.
        second: success rates of the pass that scores them.
        shares: shares of the levels, from 0 to 1; at least one level is chosen.
    """
    order = np.argsort(first, kind="stable")
    counts = [max(1, int(share * len(first) + 1e-9)) for share in shares]
    return [float(second[order[:count]].mean()) for count in counts]
