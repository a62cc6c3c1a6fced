"""Compare teachers by learning curves on a fixed test set, with Welch's test."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import CurriculumConfig
from didact.benchmarks.evaluated_training import evenly_spaced, train_with_evaluations
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import area_under_curve, bootstrap_interval, welch_test
from didact.common import strict_json
from didact.common.files import replacing, writable
from didact.environments import SettingError
from didact.experiments import proposers, setup
from didact.experiments.config import TrainConfig, checked, option
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.plotting import training_curves
from didact.experiments.runs.transcripts import TRANSCRIPT
from didact.teachers.language.transcript import DROPPED


def compare(config: CurriculumConfig) -> dict[str, Any]:
    """Train students with each teacher and test them on the same tasks.

    Returns:
        `machine`, `settings`, and `teachers`: for each its `steps` [p], `success` [seeds, p] on the
        test set, `seconds`, the final success and the average success over the curve of each seed
        with bootstrap intervals, and the p-values of Welch's tests of both against the last
        teacher.

    Raises:
        SettingError: a setting is invalid.
    """
    for name, least in {"seeds": 2, "num_evaluations": 1, "test_tasks": 1}.items():
        if getattr(config, name) < least:
            raise SettingError(option(name), getattr(config, name), f"at least {least}")
    if len(set(config.teachers)) != len(config.teachers) or len(config.teachers) < 2:
        raise SettingError("--teachers", config.teachers, "at least two different teachers")
    # Validate the settings of all teachers before the first long training.
    for name in config.teachers:
        settings = _settings(name, config)
        environment = setup.environment_of(settings)
        setup.loop_of(settings, environment, jax.devices())
        proposers.proposer_of(settings, environment)
    folder = writable("--out", config.out)
    rows = {}
    for name in config.teachers:
        rows[name] = learn(name, config)
    baseline = rows[config.teachers[-1]]
    for row in rows.values():
        for score in ("final", "average"):
            row[f"{score}_interval"] = [float(x) for x in bootstrap_interval(row[score])]
            row[f"{score}_p"] = float(welch_test(row[score], baseline[score]).p_value)
    result = {
        "machine": hardware.describe(),
        "settings": {
            k: v for k, v in dataclasses.asdict(config).items() if k not in ("out", "json")
        }
        | {"teachers": list(config.teachers)},
        "teachers": rows,
    }
    series = {
        name: (np.array(row["steps"]), np.array(row["success"])) for name, row in rows.items()
    }
    training_curves.learning_curves(
        folder / "curves.png", series, y_label="success on the test tasks", y_limits=(0, 1.02)
    )
    with replacing(folder / "curves.json") as draft:
        draft.write_text(strict_json.dumps(result, indent=1))
    return result


def _settings(name: str, config: CurriculumConfig) -> TrainConfig:
    teacher, _, proposer = name.partition(":")
    return checked(
        TrainConfig(
            env=config.env,
            teacher=teacher,
            proposer=proposer or "none",
            steps=config.steps,
            seed=config.seed,
            num_seeds=config.seeds,
            num_envs=config.num_envs,
            warm_up=config.warm_up,
            llm=config.llm,
        )
    )


def learn(teacher: str, config: CurriculumConfig) -> dict[str, Any]:
    """Train all seeds with one teacher; a proposer's transcript is written to `config.out`."""
    settings = _settings(teacher, config)
    environment = setup.environment_of(settings)
    loop = setup.loop_of(settings, environment, jax.devices())
    student = setup.student_of(settings, environment, alone=True)
    tasks = environment.task_space.sample(jax.random.key(10_000), config.test_tasks)
    test = jax.jit(lambda states, key: _each(evaluator(environment, student), states, key, tasks))
    folder = writable("--out", config.out)
    if settings.proposer != "none":
        folder = writable("--out", str(folder / teacher.replace(":", "-")))
        for name in (TRANSCRIPT, DROPPED):  # from an earlier comparison
            (folder / name).unlink(missing_ok=True)
    proposals = proposers.ProposerRunner(settings, environment, loop, folder)
    k = settings.updates_per_chunk

    def propose(state, metrics, number, tell):
        proposals.tell = tell
        return proposals(state, (number - 1) * k, number * k)[0]

    followed = train_with_evaluations(
        loop,
        settings,
        evenly_spaced(settings, config.num_evaluations),
        lambda state, number: np.asarray(test(state.student, jax.random.key(number))).mean(-1),
        teacher,
        between=propose,
    )
    proposals.close(settings.num_updates)
    steps = followed.steps
    curves: Float[np.ndarray, "seeds p"] = np.stack(followed.tests, axis=1).astype(float)
    average = area_under_curve(np.array([0, *steps]), np.pad(curves, ((0, 0), (1, 0))))
    return {
        "steps": steps,
        "success": curves.tolist(),
        "final": curves[:, -1].tolist(),
        "average": average.tolist(),
        "seconds": round(followed.seconds, 1),
    }


def _each(run: Any, states: Any, key: Any, tasks: Any) -> jax.Array:
    return jax.lax.map(lambda state: run(state, key, jnp.asarray(tasks)).success, states)


def table(result: dict[str, Any]) -> Table:
    """Return the comparison as a table."""
    settings = result["settings"]
    made = Table(
        title=f"{settings['env']}: success on {settings['test_tasks']} test tasks after "
        f"{settings['steps']:,} steps, {settings['seeds']} seeds",
        title_style="bold",
    )
    for name in ("teacher", "final (95 %)", "p", "along the curve (95 %)", "p", "seconds"):
        made.add_column(name, justify="left" if name == "teacher" else "right")
    for name, row in result["teachers"].items():
        cells = []
        for score in ("final", "average"):
            low, high = row[f"{score}_interval"]
            p = row[f"{score}_p"]
            cells += [f"{np.mean(row[score]):.1%} [{low:.1%}, {high:.1%}]"]
            cells += ["-" if name == settings["teachers"][-1] else f"{p:.3g}"]
        made.add_row(name, *cells, f"{row['seconds']:.0f}")
    return made


BENCHMARK = Benchmark(CurriculumConfig, compare, table)
