"""Compare teachers on mazes, by the protocol of unsupervised environment design."""

import dataclasses
import functools
import re
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.table import Table

from didact.benchmarks import hardware, resumed_results
from didact.benchmarks.curricula.settings import MazesConfig
from didact.benchmarks.curricula.worst_levels import solvable_levels, success_rates, worst_success
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import interquartile_mean, welch_test
from didact.common import display
from didact.common.files import writable
from didact.common.intervals import t_interval
from didact.common.settings import checked as settings_checked
from didact.environments import SettingError
from didact.environments.grid.mazes import EVALUATION, Levels, RepeatedBlocks
from didact.experiments import setup
from didact.experiments.callbacks import Callback
from didact.experiments.config import TrainConfig, checked
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.runs import logs
from didact.experiments.training import train_or_resume
from didact.students import load_policy

FILE = "mazes.json"
MAZES = tuple(f"Maze-{name}" for name in EVALUATION)
SHARES = (0.001, 0.01, 0.05, 0.1, 0.5, 1.0)  # of the worst levels
LEVEL_SEED = 0x7E57
SHORT = ("16R", "16R2", "Lab", "LabF", "Lab2", "Std", "Std2", "Std3")  # their names in tables
# Mean success in the eight mazes after 245.76 million steps, as reproduced with JaxUED, with one
# seed of `uniform` and of `plr_robust` and up to three of the others. `sfl` knows true successes.
PUBLISHED = {"uniform": 0.261, "plr_robust": 0.434, "accel": 0.665, "sfl": 0.874}


class OutOfTime(Exception):
    """The time of a call is over; the training is saved."""


class TimeLimit(Callback):
    """Raises `OutOfTime` after a point in time."""

    def __init__(self, end: float):
        self.end = end

    def on_row(self, row: dict[str, Any]) -> None:
        if time.monotonic() > self.end:
            raise OutOfTime


def compare(config: MazesConfig) -> dict[str, Any]:
    """Train students with each teacher and seed, and test them.

    Each training has its own run folder in `config.out`, and is resumed if it was interrupted.
    Results are written to `mazes.json` training by training; complete ones are not repeated.

    Returns:
        `machine`, `settings`, `unfinished` (the number of trainings that remain), `trainings` (by
        "TEACHER/SEED": the learning curve `steps` and `curve`, `mazes` with the final success rate
        in each maze, their `mean`, the success rate in the worst levels `worst` for each of
        `shares`, and `seconds`), and `teachers`: for those with at least one training the mean over
        seeds of `mean` and of each `worst`, with 95 % intervals if there are several seeds, the
        interquartile mean over all mazes and seeds, and the p-value of Welch's test against the
        baseline, which is `uniform` or else the last teacher, not corrected for the number of
        teachers.

    Raises:
        SettingError: a setting is invalid, or the folder holds results for other settings.
    """
    config = settings_checked(config, "--")
    if len(set(config.teachers)) != len(config.teachers) or not config.teachers:
        raise SettingError("--teachers", config.teachers, "different teachers, at least one")
    folder = writable("--out", config.out)
    last = config.seed + config.seeds - 1
    for name in config.teachers:
        settings = _settings(name, last, config)
        setup.loop_of(settings, setup.environment_of(settings), jax.devices())
    values = dataclasses.asdict(config)
    varies = ("out", "teachers", "seed", "seeds", "minutes")
    settings = {k: v for k, v in values.items() if k not in varies}
    path = folder / FILE
    results = resumed_results.Results(path, "trainings", settings, _is_row)
    rows = results.rows
    seeds = range(config.seed, config.seed + config.seeds)
    end = time.monotonic() + 60 * config.minutes if config.minutes else float("inf")
    # Seed by seed, so that an interrupted comparison is one of fewer seeds.
    wanted = [(name, seed) for seed in seeds for name in config.teachers]
    try:
        for name, seed in wanted:
            if f"{name}/{seed}" not in rows:
                if time.monotonic() > end:
                    break
                train = functools.partial(learn, name, seed, config, end)
                results.row(f"{name}/{seed}", train)
    except OutOfTime:
        pass
    unfinished = sum(f"{name}/{seed}" not in rows for name, seed in wanted)
    chosen = {f"{n}/{s}": rows[f"{n}/{s}"] for n, s in wanted if f"{n}/{s}" in rows}
    shown = settings | {name: plain for name, plain in values.items() if name in varies[1:4]}
    return {
        "machine": hardware.describe(),
        "settings": resumed_results.plain(shown),
        "unfinished": unfinished,
        "shares": list(SHARES),
        "trainings": chosen,
        "teachers": summaries(config.teachers, chosen),
    }


def _is_row(row: Any) -> bool:
    """Whether a value read from a file is a result of `learn`."""
    scores = [row["mean"], *row["mazes"].values(), *row["worst"], *row["curve"], *row["steps"]]
    finite = np.isfinite(np.array(scores, float)).all()
    complete = set(row["mazes"]) == set(EVALUATION) and len(row["worst"]) == len(SHARES)
    return bool(finite) and complete and len(row["curve"]) == len(row["steps"]) > 0


def _settings(name: str, seed: int, config: MazesConfig) -> TrainConfig:
    """Return the training settings for a teacher: NAME, or "NAME SETTING=VALUE ..."."""
    teacher, *given = name.split() or [""]
    return checked(
        TrainConfig(
            env="Maze",
            env_settings=("view_size=5", f"draws={config.draws}"),
            teacher=teacher,
            teacher_settings=tuple(given),
            steps=config.steps,
            seed=seed,
            run=Path(config.out) / f"{re.sub(r'[^A-Za-z0-9_.=-]+', '-', name)}-{seed}",
            num_envs=config.num_envs,
            rollout_length=config.rollout_length,
            warm_up=0.0,
            evaluate_on=MAZES,
            evaluation_episodes=config.episodes,
            evaluate_every=1 / config.num_evaluations,
            checkpoint_every=min(0.05, 1 / config.num_evaluations),
            pictures=False,
            video=False,
            ppo=config.ppo,
        )
    )


def learn(name: str, seed: int, config: MazesConfig, end: float = float("inf")) -> dict[str, Any]:
    """Train one student, or resume its training, and test it.

    Raises:
        OutOfTime: the training did not end in time, and is saved.
    """
    settings = _settings(name, seed, config)
    assert settings.run is not None
    display.terminal().print(f"{name}, seed {seed}", highlight=False, markup=False)
    train_or_resume(settings, callbacks=[TimeLimit(end)])
    rows = logs.read(settings.run / logs.METRICS)
    tested = [row for row in rows if row.get("evaluation")]
    curve = [np.mean([x["success"] for x in row["evaluation"].values()]) for row in tested]
    policy = load_policy(settings.run / "policy")
    environment = policy.make_environment()
    play, state = jax.jit(evaluator(environment, policy.student)), policy.state
    named = environment.evaluation_tasks
    tasks = np.stack([named[maze] for maze in MAZES])
    rates = success_rates(play, state, tasks, 4 * config.episodes, seed)
    space = Levels(sampler=RepeatedBlocks(config.level_draws))
    levels = solvable_levels(space, config.levels, LEVEL_SEED)
    first, second = (
        success_rates(play, state, levels, config.level_episodes, 2 * seed + i) for i in (0, 1)
    )
    return {
        "steps": [row["steps"] for row in tested],
        "curve": [float(x) for x in curve],
        "mazes": dict(zip(EVALUATION, map(float, rates), strict=True)),
        "mean": float(rates.mean()),
        "worst": worst_success(first, second, SHARES),
        "seconds": float(rows[-1]["seconds"]),
        "machine": hardware.describe(),
    }


def summaries(teachers: tuple[str, ...], rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the statistics of each teacher over its seeds; see `compare`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in teachers:
        if of := [row for key, row in rows.items() if key.rpartition("/")[0] == name]:
            found[name] = of
    baseline = found.get("uniform" if "uniform" in found else teachers[-1], [])
    result = {}
    for name, of in found.items():
        means = [row["mean"] for row in of]
        worst = np.array([row["worst"] for row in of])
        made = {
            "seeds": len(of),
            "mean": float(np.mean(means)),
            "iqm": interquartile_mean([list(row["mazes"].values()) for row in of]),
            "mazes": {m: float(np.mean([row["mazes"][m] for row in of])) for m in EVALUATION},
            "worst": worst.mean(axis=0).tolist(),
            "seconds": float(np.mean([row["seconds"] for row in of])),
        }
        if len(of) > 1:
            made["mean_interval"] = [float(x) for x in t_interval(means)]
            made["worst_intervals"] = [[float(x) for x in t_interval(w)] for w in worst.T]
            if len(baseline) > 1 and baseline is not of:
                others = [row["mean"] for row in baseline]
                made["p"] = float(welch_test(means, others).p_value)
        result[name] = made
    return result


def table(result: dict[str, Any]) -> Table:
    """Return the comparison as a table."""
    settings, shares = result["settings"], result["shares"]
    left = result["unfinished"]
    unfinished = f"; {left} trainings left, run again to continue" if left else ""
    made = Table(
        title=f"Success in % after {settings['steps']:,} steps{unfinished}",
        caption="Published: mean of 1 to 3 seeds after 246 million steps. 16R to Std3: "
        "SixteenRooms to StandardMaze3. 0.1 % to 100 %: in this part of "
        f"{settings['levels']:,} solvable levels, the worst ones.",
        title_style="bold",
    )
    worst = [f"{100 * share:g} %" for share in shares]
    names = ("teacher", "seeds", "mean (95 %)", "p", "IQM", "published", *SHORT, *worst)
    for name in names:
        made.add_column(name, justify="left" if name == "teacher" else "right")
    percent = functools.partial("{:.0f}".format)
    for name, row in result["teachers"].items():
        mean = percent(100 * row["mean"])
        if "mean_interval" in row:
            low, high = row["mean_interval"]
            mean += f" [{percent(100 * low)}, {percent(100 * high)}]"
        published = PUBLISHED.get(name)
        made.add_row(
            name,
            str(row["seeds"]),
            mean,
            f"{row['p']:.3g}" if "p" in row else "-",
            percent(100 * row["iqm"]),
            "-" if published is None else percent(100 * published),
            *(percent(100 * row["mazes"][maze]) for maze in EVALUATION),
            *(percent(100 * x) for x in row["worst"]),
        )
    return made


BENCHMARK = Benchmark(MazesConfig, compare, table)
