"""The scores of an evaluation, by evaluation task."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from didact.experiments import finite
from didact.experiments.config import TrainConfig
from didact.experiments.evaluation.achievements import reported
from didact.experiments.evaluation.evaluate import Results


def scores_of(results: Results, names: Iterable[str], config: TrainConfig) -> dict[str, Any]:
    """Return success, return and length by evaluation task, and success by seed if several.

    Args:
        results: arrays [tasks, episodes], with a leading axis of seeds if there are several.
        names: the names of the tasks.
        config: the training settings, for errors.

    Raises:
        SettingError: a mean is NaN or infinite.
    """
    scores: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(names):
        success = np.asarray(results.success)[..., number, :].mean(-1)
        scores[name] = {
            "success": float(success.mean()),
            "return": float(np.asarray(results.returns)[..., number, :].mean()),
            "length": float(np.asarray(results.lengths)[..., number, :].mean()),
        }
        rates = {
            achievement: float(np.asarray(x)[..., number, :].mean())
            for achievement, x in results.achieved.items()
        }
        scores[name] |= reported(rates)
        if success.ndim:
            scores[name]["success_by_seed"] = success.tolist()
    finite.require_finite_scores(scores, config)
    return scores
