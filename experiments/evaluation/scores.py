"""The scores of an evaluation, by evaluation task."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from didact.experiments import finite
from didact.experiments.config import TrainConfig
from didact.experiments.evaluation.achievements import reported
from didact.experiments.evaluation.evaluate import Results


def scores_of(results: Results, names: Iterable[str], config: TrainConfig) -> dict[str, Any]:
    """Return success, return and length by evaluation task, also by seed if there are several.

    Args:
        results: arrays [tasks, episodes], with a leading axis of seeds if there are several.
        names: the names of the tasks.
        config: the training settings, for errors.

    Raises:
        SettingError: a mean is NaN or infinite.
    """
    scores: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(names):
        scores[name] = {}
        for measure, values in (
            ("success", results.success),
            ("return", results.returns),
            ("length", results.lengths),
        ):
            mean = np.asarray(values)[..., number, :].mean(-1)
            scores[name][measure] = float(mean.mean())
            if mean.ndim:
                scores[name][f"{measure}_by_seed"] = mean.tolist()
        rates = {
            achievement: np.asarray(x)[..., number, :].mean(-1)
            for achievement, x in results.achieved.items()
        }
        scores[name] |= reported(rates)
    finite.require_finite_scores(scores, config)
    return scores
