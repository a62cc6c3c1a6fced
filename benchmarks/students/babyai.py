"""Train with a short budget on each of the 19 levels of the BabyAI paper.

References:
    Chevalier-Boisvert et al., BabyAI: a platform to study the sample efficiency of grounded
    language learning, ICLR 2019, table 1 (the levels).
"""

import functools
from typing import Any

import jax
import numpy as np
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import BabyAIConfig
from didact.benchmarks.evaluated_training import evenly_spaced, train_with_evaluations
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.resumed_results import Results
from didact.common.files import writable
from didact.common.settings import checked as settings_checked
from didact.environments import make
from didact.experiments import setup
from didact.experiments.config import TrainConfig, checked
from didact.experiments.evaluation.evaluate import evaluator

SOLVED = 0.99

# Published episodes, in thousands, that PPO needed to reach 99 % in BabyAI 1.0.
PUBLISHED = {
    "BabyAI-GoToRedBallGrey-v0": "17",
    "BabyAI-GoToRedBall-v0": "261-334",
    "BabyAI-GoToLocal-v0": "903-1,114",
    "BabyAI-PickupLoc-v0": "about 1,500",
    "BabyAI-PutNextLocal-v0": "2,186-2,727",
}


def learn_levels(config: BabyAIConfig) -> dict[str, Any]:
    """Train a student from scratch on each level and test it there.

    Results are written to `babyai.json` in the folder `config.out` after every level; levels with
    results for the same settings are not trained again.

    Returns:
        `machine`, `settings` and `levels`: for each level the result of `learn`.

    Raises:
        SettingError: a setting is invalid.
    """
    config = settings_checked(config, "--")
    for name in config.levels:
        make(name)  # fails for unknown names before the first training
    folder = writable("--out", config.out)
    settings = {
        k: getattr(config, k) for k in ("steps", "seed", "num_envs", "num_evaluations", "episodes")
    }
    results = Results(folder / "babyai.json", "levels", settings, is_row)
    levels = {
        name: results.row(name, functools.partial(learn, name, config)) for name in config.levels
    }
    machine = hardware.describe()
    results.add({}, machine=machine)
    return {"machine": machine, "settings": settings, "levels": levels}


def is_row(row: Any) -> bool:
    """Whether a value read from a file is a result of `learn`."""
    rates = [row["sampled"], row["greedy"], *row["success"]]
    numbers = [row[name] for name in ("episodes", "seconds", "compile_seconds")]
    numbers += row["steps"] + ([] if row["solved_at"] is None else [row["solved_at"]])
    whole = np.isfinite(np.array([*rates, *numbers], float)).all()
    return bool(whole) and all(0 <= x <= 1 for x in rates) and min(numbers) >= 0


def learn(name: str, config: BabyAIConfig) -> dict[str, Any]:
    """Train and test on one level.

    Returns:
        `steps` [p] and `success` [p] of the evaluations (sampled actions); the number of
        `episodes`; the final `sampled` and `greedy` success; `seconds` of training without
        compilation and evaluations, `compile_seconds`; and `solved_at`, the steps of the first
        evaluation that reached 99 %, if the final one did as well.
    """
    settings = checked(
        TrainConfig(
            env=name,
            teacher="uniform",
            steps=config.steps,
            seed=config.seed,
            num_envs=config.num_envs,
            warm_up=0.0,
        )
    )
    environment = setup.environment_of(settings)
    loop = setup.loop_of(settings, environment, jax.devices())
    student = setup.student_of(settings, environment, alone=True)
    tests = {
        greedy: jax.jit(evaluator(environment, student, greedy=greedy)) for greedy in (False, True)
    }

    def success(state, key, greedy=False):
        tasks = environment.task_space.sample(key, config.episodes)
        return float(np.mean(tests[greedy](state.student, key, tasks).success))

    done = train_with_evaluations(
        loop,
        settings,
        evenly_spaced(settings, config.num_evaluations),
        lambda state, number: success(state, jax.random.key(number)),
        name,
    )
    key = jax.random.key(config.seed + 10_000)
    sampled, greedy = (success(done.state, key, greedy=x) for x in (False, True))
    solved = [at for at, rate in zip(done.steps, done.tests, strict=True) if rate >= SOLVED]
    return {
        "steps": done.steps,
        "success": done.tests,
        "episodes": done.episodes,
        "sampled": sampled,
        "greedy": greedy,
        "seconds": round(done.seconds, 1),
        "compile_seconds": round(done.compile_seconds, 1),
        "solved_at": solved[0] if solved and sampled >= SOLVED else None,
    }


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each level."""
    settings = result["settings"]
    made = Table(
        title=f"{settings['steps']:,} steps per level, seed {settings['seed']}; "
        f"{settings['episodes']} episodes per evaluation",
        title_style="bold",
        caption="99 % at: steps of the first evaluation that reached it; published: thousands of "
        "episodes to 99 % in BabyAI 1.0 (PPO), if available",
    )
    for name in ("level", "sampled", "greedy", "99 % at", "episodes", "seconds", "published"):
        made.add_column(name, justify="left" if name == "level" else "right")
    for name, row in result["levels"].items():
        made.add_row(
            name.removeprefix("BabyAI-").removesuffix("-v0"),
            *(f"{row[kind]:.1%}" for kind in ("sampled", "greedy")),
            f"{row['solved_at'] / 1e6:.2f}M" if row["solved_at"] else "not yet",
            f"{row['episodes'] / 1e3:,.0f}k",
            f"{row['seconds']:.0f} + {row['compile_seconds']:.0f}",
            PUBLISHED.get(name, ""),
        )
    solved = sum(row["solved_at"] is not None for row in result["levels"].values())
    made.add_section()
    made.add_row(f"solved: {solved} of {len(result['levels'])}")
    return made


BENCHMARK = Benchmark(BabyAIConfig, learn_levels, table)
