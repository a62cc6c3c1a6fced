"""Train PPO in the original game of Crafter and report its score by the protocol of the paper.

The score is that of the success rates over all training episodes; there is no separate evaluation.
Scores of published methods are those after a million steps, from pictures instead of symbols. The
human experts and the random policy were not trained.
"""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.crafting import published
from didact.benchmarks.crafting.settings import CrafterTrainingConfig
from didact.benchmarks.registry import Benchmark
from didact.common.errors import SettingError
from didact.environments.crafting.layout import ACHIEVEMENTS
from didact.experiments.config import TrainConfig
from didact.experiments.evaluation.achievements import score
from didact.experiments.evaluation.measure import evaluate
from didact.experiments.runs.logs import METRICS, read
from didact.experiments.training import train_or_resume

ENVIRONMENT = "Crafter-original"
MEASURED = ("score", "return", "length")


def compare(config: CrafterTrainingConfig) -> dict[str, Any]:
    """Train, and evaluate the policies here and, optionally, in the original package.

    Returns:
        `machine`, `settings`, and `seeds`: for each seed `training` (over all training episodes),
        `last` (over those of the last tenth), `here`, the trained policy, and `original`, the same
        in the original package. Each has `score`, `return`, `length` and `achievements`. `last`
        is missing if no episode ended in that time.

    Raises:
        SettingError: no episode ended during a training.
    """
    rows = {}
    for seed in range(config.seed, config.seed + config.seeds):
        run = config.out / f"seed{seed}"
        train_or_resume(_settings(config, run, seed))
        metrics = read(run / METRICS)
        last = metrics[-max(1, len(metrics) // 10) :]
        row = {"training": protocol(metrics), "last": protocol(last)}
        if row["training"] is None:
            raise SettingError("--steps", config.steps, "more steps, until episodes end")
        row = {name: found for name, found in row.items() if found}
        tests = {"here": config.test_episodes, "original": config.official_episodes}
        for name, episodes in tests.items():
            if episodes:
                row[name] = evaluate(str(run), episodes=episodes, official=name == "original")
        rows[str(seed)] = row
    return {
        "machine": hardware.describe(("crafter",)),
        "settings": {
            "steps": config.steps,
            "num_envs": config.num_envs,
            "experts": list(config.experts),
        },
        "seeds": rows,
    }


def _settings(config: CrafterTrainingConfig, run: Path, seed: int) -> TrainConfig:
    return TrainConfig(
        env=ENVIRONMENT,
        teacher="uniform",
        steps=config.steps,
        seed=seed,
        run=run,
        num_envs=config.num_envs,
        rollout_length=config.rollout_length,
        warm_up=0.0,
        experts=config.experts,
        evaluate_every=0.5,
        video=False,
        ppo=config.ppo,
    )


def protocol(metrics: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return score, return, length and achievement rates over all episodes of rows of metrics.

    The result is None if no episode ended.
    """
    rows = [row for row in metrics if row.get("achievements")]
    if not rows:
        return None
    weights = np.array([row["episodes"] for row in rows], np.float64)

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=weights))

    rates = {name: mean([row["achievements"][name] for row in rows]) for name in ACHIEVEMENTS}
    means = {name: mean([row[name] for row in rows]) for name in ("return", "length")}
    return {"score": score(rates), **means, "achievements": rates}


def table(result: dict[str, Any]) -> Group:
    """Return the scores beside published ones, and the achievements."""
    seeds = list(result["seeds"].values())
    every = ("training", "last", "here", "original")
    parts = [name for name in every if all(name in row for row in seeds)]
    titles = {
        "training": "all training episodes",
        "last": "last tenth of the training",
        "here": "trained policy",
        "original": "trained policy, original package",
    }
    scores = Table("", "score", "return", "length", title=f"seeds: {len(seeds)}")
    for part in parts:
        numbers = np.array([[row[part][name] for name in MEASURED] for row in seeds])
        shown = [f"{a:.1f} ± {b:.1f}" for a, b in zip(numbers.mean(0), numbers.std(0), strict=True)]
        scores.add_row(titles[part], *shown)
    scores.add_section()
    for name, (value, returns) in published.SCORES.items():
        scores.add_row(name, value, returns)
    rates = Table("achievement", *(titles[part] for part in parts), title="Percent of episodes")
    for name in ACHIEVEMENTS:
        means = [np.mean([row[part]["achievements"][name] for row in seeds]) for part in parts]
        rates.add_row(name.replace("_", " "), *(f"{100 * mean:.1f}" for mean in means))
    return Group(scores, rates)


BENCHMARK = Benchmark(CrafterTrainingConfig, compare, table)
