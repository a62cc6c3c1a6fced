"""Compare teachers by learning curves on a fixed test set, with Welch's test."""

import dataclasses
import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from rich.table import Table
from rich.text import Text

from didact.benchmarks import hardware, resumed_results
from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.evaluated_training import evenly_spaced, train_with_evaluations
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import area_under_curve, welch_test
from didact.benchmarks.suites import comparison
from didact.common.extensions import import_all
from didact.common.files import writable
from didact.common.intervals import t_interval
from didact.common.settings import checked as settings_checked
from didact.environments import Environment, SettingError, TaskSpace
from didact.experiments import setup
from didact.experiments.config import TrainConfig, checked, option
from didact.experiments.config_files import read_file, read_values
from didact.experiments.evaluation import fixed_tasks
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.plotting import training_curves
from didact.experiments.runs.transcripts import TRANSCRIPT
from didact.experiments.tasks import proposers
from didact.teachers.language.transcript import DROPPED

FILE = "curves.json"
OPTION = "--train-config"
OF_SUITES = ("budget", "knowledge", "workers", "ray", "dry_run")  # settings of suites alone


DEFAULTS = {
    "env": "GoTo",
    "teachers": ("alp_gmm", "uniform"),
    "steps": 1_500_000,
    "seeds": 8,
    "num_envs": 256,
    "warm_up": 0.0,
    "test_tasks": 256,
}


FROM_FILES = {"env", "steps", "num_envs", "warm_up"}  # unless an option is given


def with_defaults(config: CurriculumConfig) -> CurriculumConfig:
    """Return the settings of a comparison without a suite, with defaults for those not given."""
    missing = {name: x for name, x in DEFAULTS.items() if getattr(config, name) in (None, ())}
    if config.train_config is not None:
        given = read_values(config.train_config, OPTION)
        given = {str(name).replace("-", "_") for name in given} if given else set()
        base = read_file(config.train_config, OPTION)
        missing |= {name: getattr(base, name) for name in missing if name in given & FROM_FILES}
    return dataclasses.replace(config, **missing)


def run(config: CurriculumConfig) -> dict[str, Any]:
    """Compare teachers in a suite, if one is given, or in any environment."""
    return comparison.compare(config) if config.suite is not None else compare(config)


def compare(config: CurriculumConfig) -> dict[str, Any]:
    """Train students with each teacher and test them on the same tasks.

    Results are written to `curves.json` in `config.out` teacher by teacher. Teachers whose results
    are there already, for the same settings, are not trained again.

    Returns:
        `machine`, `settings`, and `teachers`: for each its `steps` [p], `success` [seeds, p] on the
        test set, `seconds`, the final success and the average success over the curve of each seed
        with Student's intervals, and the p-values of Welch's tests of both against the last
        teacher, not corrected for the number of teachers.

    Raises:
        SettingError: a setting is invalid, or the folder holds results for other settings.
    """
    config = with_defaults(settings_checked(config, "--"))
    plain = CurriculumConfig()
    for name in OF_SUITES:
        if getattr(config, name) != getattr(plain, name):
            raise SettingError(option(name), getattr(config, name), "given together with --suite")
    import_all(config.imports)
    if len(set(config.teachers)) != len(config.teachers) or len(config.teachers) < 2:
        given = " ".join(config.teachers)
        raise SettingError("--teachers", given, "at least two different teachers")
    # Validate the settings of all teachers before the first long training.
    for name in config.teachers:
        settings = _settings(name, config)
        environment = setup.environment_of(settings)
        setup.loop_of(settings, environment, jax.devices())
        proposers.proposer_of(settings, environment)
    folder = writable("--out", config.out)
    values = dataclasses.asdict(config)
    varies = (*OF_SUITES, "out", "teachers", "train_config", "suite", "imports")
    settings = {k: v for k, v in values.items() if k not in varies}
    if config.train_config is not None:  # its values, because the file may change
        settings["train_config"] = dataclasses.asdict(read_file(config.train_config, OPTION))
    path, complete = folder / FILE, functools.partial(_is_row, seeds=config.seeds or 0)
    shown = {"teachers": list(config.teachers)}
    results = resumed_results.Results(path, "teachers", settings, complete, shown)

    def trained(name: str) -> dict[str, Any]:
        return learn(name, config) | {"machine": hardware.describe()}

    chosen = {name: results.row(name, functools.partial(trained, name)) for name in config.teachers}
    baseline = chosen[config.teachers[-1]]
    for row in chosen.values():
        for score in ("final", "average"):
            row[f"{score}_interval"] = [float(x) for x in t_interval(row[score])]
            row[f"{score}_p"] = float(welch_test(row[score], baseline[score]).p_value)
    series = {
        name: (np.array(row["steps"]), np.array(row["success"])) for name, row in chosen.items()
    }
    training_curves.learning_curves(
        folder / "curves.png", series, y_label="success on the test tasks", y_limits=(0, 1.02)
    )
    machine = hardware.describe()
    results.add(chosen, machine=machine)
    return {"machine": machine, "settings": settings | shown, "teachers": chosen}


def _is_row(row: Any, seeds: int) -> bool:
    """Whether a value read from a file is a result of `learn`."""
    curves = np.array(row["success"], float)
    scores = [np.array(row[name], float) for name in ("final", "average")]
    steps = np.array(row["steps"], float)
    fits = curves.shape == (seeds, steps.size) and all(x.shape == (seeds,) for x in scores)
    known = all(np.isfinite(x).all() for x in (curves, *scores, steps))
    return fits and known and steps.size > 0 and isinstance(row["seconds"], (int, float))


def _settings(label: str, config: CurriculumConfig) -> TrainConfig:
    """Return the training settings for a teacher: NAME, NAME:PROPOSER, "NAME SETTING=VALUE ..."."""
    config = with_defaults(config)
    name, *settings = label.split()
    teacher, proposer = name.partition(":")[0], proposers.of_label("--teachers", label)
    path = config.train_config
    base = TrainConfig() if path is None else read_file(path, OPTION)
    return checked(
        dataclasses.replace(
            base,
            env=config.env,
            teacher=teacher,
            teacher_settings=tuple(settings),
            proposer=proposer or "none",
            steps=config.steps,
            seed=config.seed,
            num_seeds=config.seeds,
            num_envs=config.num_envs,
            warm_up=config.warm_up,
            llm=config.llm,
        )
    )


def test_space_of(settings: TrainConfig, environment: Environment) -> TaskSpace:
    """Return the space of the test tasks: that of the training, with the least help to students."""
    return fixed_tasks.without_help(setup.space_of(settings, environment), environment)


def learn(teacher: str, config: CurriculumConfig) -> dict[str, Any]:
    """Train all seeds with one teacher; a proposer's transcript is written to `config.out`."""
    config = with_defaults(config)
    settings = _settings(teacher, config)
    environment = setup.environment_of(settings)
    loop = setup.loop_of(settings, environment, jax.devices())
    student = setup.student_of(settings, environment, alone=True)
    space = test_space_of(settings, environment)
    tasks = space.sample(jax.random.key(10_000), config.test_tasks or 0)
    test = jax.jit(lambda states, key: _each(evaluator(environment, student), states, key, tasks))
    folder = writable("--out", config.out)
    if settings.proposer != "none":
        folder = writable("--out", str(folder / re.sub(r"[^\w.-]+", "-", teacher)))
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


def table(result: dict[str, Any]) -> Table | Text:
    """Return the comparison as a table."""
    if "suite" in result:
        return comparison.table(result)
    settings = result["settings"]
    made = Table(
        title=f"{settings['env']}: success on {settings['test_tasks']} test tasks after "
        f"{settings['steps']:,} steps, {settings['seeds']} seeds",
        title_style="bold",
        caption="intervals: Student's t over seeds; p: Welch's tests against the last teacher",
    )
    scores = ("final (95 %)", "p (final)", "along the curve (95 %)", "p (curve)")
    for name in ("teacher", *scores, "seconds"):
        made.add_column(name, justify="left" if name == "teacher" else "right")
    for name, row in result["teachers"].items():
        cells = []
        for score in ("final", "average"):
            low, high = np.clip(row[f"{score}_interval"], 0, 1)
            p = row[f"{score}_p"]
            cells += [f"{np.mean(row[score]):.1%} [{low:.1%}, {high:.1%}]"]
            cells += ["-" if name == settings["teachers"][-1] else f"{p:.3g}"]
        made.add_row(name, *cells, f"{row['seconds']:.0f}")
    return made


BENCHMARK = Benchmark(CurriculumConfig, run, table)
