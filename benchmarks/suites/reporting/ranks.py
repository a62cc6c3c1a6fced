"""Ranks of teachers over one or several suites, with intervals.

References:
    Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS
    2021, section 4.3 (distributions of ranks by a stratified bootstrap over runs).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError

SAMPLES = 2000


class Ranks(NamedTuple):
    """Ranks from 1, the best."""

    names: tuple[str, ...]
    mean: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]  # bounds of the 95 % interval
    high: Float[np.ndarray, " n"]
    shares: Float[np.ndarray, "n n"]  # how often each teacher has each rank


def ranks_of(
    results: Sequence[Mapping[str, Any]], score: str = "area", samples: int = SAMPLES, seed: int = 0
) -> Ranks:
    """Return the ranks of the teachers that take part in all suites.

    The seeds of each teacher and suite are resampled with replacement; in every sample, teachers
    are ranked by their means in each suite (teachers with equal means share the mean of their
    ranks), and the ranks are averaged over suites.

    Args:
        results: results of `comparison.compare`.
        score: "area" or "final".
        samples: the number of bootstrap samples.
        seed: random seed.

    Raises:
        SettingError: no teacher takes part in all suites.
    """
    names = [
        name
        for name in results[0]["summary"]
        if all(name in result["summary"] for result in results)
    ]
    if not names:
        raise SettingError("RESULTS", [x["suite"] for x in results], "suites with common teachers")
    rng = np.random.default_rng(seed)
    total = np.zeros((samples, len(names)))
    shares = np.zeros((len(names), len(names)))
    for result in results:
        means = []
        for name in names:
            values = np.asarray(result["summary"][name][score], float)
            drawn = rng.integers(0, len(values), (samples, len(values)))
            means.append(values[drawn].mean(axis=1))
        ranks = ranked(np.stack(means, axis=1))
        total += ranks / len(results)
        for i, rank in enumerate(ranks.T):
            # A shared rank, such as 1.5, counts half for each of its neighbors.
            for whole, part in ((np.floor(rank), 0.5), (np.ceil(rank), 0.5)):
                count = np.bincount(whole.astype(int) - 1, minlength=len(names))
                shares[i] += part * count / (samples * len(results))
    low, high = np.quantile(total, [0.025, 0.975], axis=0)
    return Ranks(tuple(names), total.mean(axis=0), low, high, shares)


def ranked(scores: Float[np.ndarray, "samples n"]) -> Float[np.ndarray, "samples n"]:
    """Return ranks by descending score; equal scores share the mean of their ranks."""
    more = (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
    equal = (scores[:, None, :] == scores[:, :, None]).sum(axis=2)
    return more + (equal + 1) / 2
