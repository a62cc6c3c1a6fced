"""The effect of language feedback: students with and without hindsight and foresight messages.

References:
    Xi et al., Teaching Embodied Reinforcement Learning Agents: Informativeness and Diversity of
    Language Use, EMNLP 2024 (arXiv:2410.24218), which studies the effect of more informative and
    more diverse feedback.
"""

import contextlib
import dataclasses
import functools
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import FeedbackConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.resumed_results import Results
from didact.benchmarks.students.kickstarting import TASKS
from didact.common import display
from didact.common.files import writable
from didact.common.settings import checked as settings_checked
from didact.environments import Box, Environment, SettingError
from didact.environments.feedback.wrapper import RATE
from didact.experiments import finite, setup
from didact.experiments.config import TrainConfig, checked, option
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import Loop
from didact.experiments.preparation import cache_compilations
from didact.experiments.runs import logs
from didact.students.config import PPOConfig
from didact.teachers import annealed, mixture, uniform

FILE = "feedback.json"
WORDS = {"template": "template", "pool": "train"}  # maps conditions to phrasings
SAID = {"hindsight": "hindsight", "foresight": "foresight", "both": "both", "wrong": "both"}
CONDITIONS = ("none", *(f"{said}-{words}" for words in WORDS for said in SAID))
# Tests without feedback, with feedback phrased as in training, and in unseen phrasings.
ALONE, TOLD, OTHERWISE = TESTS = ("alone", "told", "unseen words")
GENTLY = PPOConfig(learning_rate=5e-4, final_learning_rate=1e-4)  # to avoid forgetting


def compare(config: FeedbackConfig) -> dict[str, Any]:
    """Train and test students under each condition.

    Results are written to `feedback.json` in the folder `config.out` after each condition;
    conditions with results for the same settings are not run again.

    Returns:
        `settings` and `conditions`: for each `success`, by set of tasks ("train_tasks",
        "test_tasks") and test ("alone", "told", "unseen words"), with the rate of each seed,
        [seeds]; `adapted`, a list of such tests on the test tasks after some updates on them, with
        the mean number of `episodes` per seed that these took; `seconds`; `steps_per_second` of the
        training; and the `machine`.

    Raises:
        SettingError: a setting is invalid.
    """
    _check(config)
    folder = writable("--out", config.out)
    settings = {k: v for k, v in vars(config).items() if k not in ("out", "json", "conditions")}
    settings = json.loads(json.dumps(settings))
    results = Results(folder / FILE, "conditions", settings, is_row)
    cache_compilations()
    for name in config.conditions:
        Trial(config, name)  # validates the settings before the first long training

    def run(name: str) -> dict[str, Any]:
        return Trial(config, name).run() | {"machine": hardware.describe()}

    rows = {name: results.row(name, functools.partial(run, name)) for name in config.conditions}
    return {"settings": settings, "conditions": rows}


def is_row(row: Any) -> bool:
    """Whether a value read from a file is a result of `Trial.run`."""
    parts = [*row["success"].values(), *(each["success"] for each in row["adapted"])]
    speeds = np.array([row["seconds"], row["steps_per_second"]], float)
    rates = [np.array(x, float) for part in parts for x in part.values()]
    return bool(np.isfinite(np.concatenate([speeds, *map(np.ravel, rates)])).all())


def _check(config: FeedbackConfig) -> None:
    settings_checked(config, "--")
    updates = config.adapt_updates
    if sorted(set(updates)) != list(updates):
        raise SettingError("--adapt-updates", updates, "ascending numbers")
    for setting, names, known in (
        ("--conditions", config.conditions, CONDITIONS),
        ("--train-tasks", config.train_tasks, tuple(TASKS)),
        ("--test-tasks", config.test_tasks, tuple(TASKS)),
    ):
        if not names or len(set(names)) < len(names) or not set(names) <= set(known):
            raise SettingError(setting, names, "one or more of " + ", ".join(known) + ", each once")
    for setting in ("num_envs", "adapt_envs"):
        if getattr(config, setting) % PPOConfig().num_minibatches:
            allowed = f"a multiple of the {PPOConfig().num_minibatches} minibatches"
            raise SettingError(option(setting), getattr(config, setting), allowed)


class Trial:
    """One condition: trains and tests all its seeds, and adapts them to the test tasks.

    Args:
        config: settings of the benchmark.
        name: name of the condition.
    """

    def __init__(self, config: FeedbackConfig, name: str):
        self.config, self.name = config, name
        self.settings = checked(
            TrainConfig(
                env=config.env,
                env_settings=env_settings(name),
                teacher="uniform",
                steps=config.steps,
                seed=config.seed,
                num_seeds=config.seeds,
                num_envs=config.num_envs,
                anneal_help=config.anneal_help if name != "none" else 0.0,
                chunk=1,
                warm_up=0.0,
            )
        )
        self.environment = setup.environment_of(self.settings)
        self.plain = setup.make_environment(config.env).task_space
        self.tests = {ALONE: (self.environment, 0.0)}
        if name != "none":
            self.tests[TOLD] = (self.environment, 1.0)
            other = setup.make_environment(config.env, env_settings(name, "test"))
            self.tests[OTHERWISE] = (other, 1.0)
        student = setup.student_of(self.settings, self.environment, alone=True)
        programs = {  # each evaluates all seeds at once
            id(environment): jax.jit(jax.vmap(evaluator(environment, student), (0, None, None)))
            for environment, _ in self.tests.values()
        }
        self._evaluators = {test: programs[id(world)] for test, (world, _) in self.tests.items()}

    def loop(
        self, names: tuple[str, ...], student: Any, num_envs: int, anneal_help: int = 0
    ) -> Loop:
        """Return a loop that trains on the given tasks with equal probability."""
        parts = [
            setup.narrow_task_space(self.environment.task_space, TASKS[name]) for name in names
        ]
        teacher = mixture([(1 / len(parts), uniform(part)) for part in parts])
        space = self.environment.task_space
        if anneal_help and isinstance(space, Box):
            teacher = annealed(teacher, space, RATE.name, anneal_help)
        config = self.settings
        return Loop(
            self.environment,
            teacher,
            student,
            num_envs=num_envs,
            rollout_length=config.rollout_length,
            num_seeds=config.num_seeds,
        )

    def run(self) -> dict[str, Any]:
        """Run the condition and return its results."""
        config, settings = self.config, self.settings
        student = setup.student_of(settings, self.environment)
        anneal = round(settings.anneal_help * settings.num_updates * settings.steps_per_update)
        loop = self.loop(config.train_tasks, student, config.num_envs, anneal)
        state = loop.init(config.seed)
        loop.compiled(state, 1)
        begun = time.perf_counter()
        state, _ = self.learn(loop, state, settings.num_updates, self.name)
        seconds = time.perf_counter() - begun
        success = {
            "train_tasks": self.test(state.student, config.train_tasks, 0),
            "test_tasks": self.test(state.student, config.test_tasks, 1),
        }
        steps = settings.num_updates * settings.steps_per_update * config.seeds
        return {
            "success": success,
            "adapted": self.adapt(state.student),
            "seconds": round(seconds, 1),
            "steps_per_second": round(steps / seconds),
        }

    def learn(self, loop: Loop, state: Any, updates: int, label: str) -> tuple[Any, float]:
        """Train for some updates; return the state and the mean number of episodes per seed."""
        each = loop.num_envs * loop.rollout_length
        bar = logs.ProgressBar(display.terminal(), updates * each, 0, label)
        episodes = 0.0
        with contextlib.closing(bar):
            for number in range(1, updates + 1):
                begun = time.perf_counter()
                state, records = loop.chunk(state, 1)
                records = jax.device_get(records)
                finite.require_finite_records(self.settings, records, number - 1, ())
                metrics = records.metrics
                episodes += float(np.mean(np.sum(metrics["episodes"], -1)))
                row = logs.chunk_row(metrics)
                seconds = time.perf_counter() - begun
                row["steps_per_second"] = each * loop.num_seeds / seconds
                bar.update(number * each, row)
        return state, episodes

    def test(self, students: Any, names: tuple[str, ...], number: int) -> dict[str, Any]:
        """Return the success of each seed, by test; levels are the same for all conditions."""
        result = {}
        for test, (environment, rate) in self.tests.items():
            rows = self.levels(environment, names, rate)
            key = jax.random.fold_in(jax.random.key(20_001), number)
            rates = np.mean(self._evaluators[test](students, key, rows).success, axis=1)
            result[test] = [round(float(rate), 4) for rate in rates]
        return result

    def levels(
        self, environment: Environment, names: tuple[str, ...], rate: float
    ) -> Float[jax.Array, "n d"]:
        """Return the test tasks (equal for all conditions), with a message rate if applicable."""
        keys = jax.random.split(jax.random.key(20_000), len(names))
        parts = [setup.narrow_task_space(self.plain, TASKS[name]) for name in names]
        drawn = [part.sample(k, self.config.episodes) for part, k in zip(parts, keys, strict=True)]
        rows = jnp.concatenate(drawn)
        if environment.task_space.size == self.plain.size:
            return rows
        return jnp.concatenate([rows, jnp.full((len(rows), 1), rate)], axis=1)

    def adapt(self, students: Any) -> list[dict[str, Any]]:
        """Train on the test tasks, with feedback as in training, and test after some updates."""
        config, settings = self.config, self.settings
        if not config.adapt_updates:
            return []
        adapting = dataclasses.replace(
            settings,
            ppo=GENTLY,
            num_envs=config.adapt_envs,
            steps=config.adapt_updates[-1] * config.adapt_envs * settings.rollout_length,
        )
        student = setup.student_of(adapting, self.environment)
        loop = self.loop(config.test_tasks, student, config.adapt_envs)
        state = loop.init(config.seed + 1000)
        state = state._replace(student=state.student._replace(params=students.params))
        state, done, episodes, rows = loop.place(state), 0, 0.0, []
        for updates in config.adapt_updates:
            label = f"{self.name}, adapting"
            state, more = self.learn(loop, state, updates - done, label)
            done, episodes = updates, episodes + more
            success = self.test(state.student, config.test_tasks, 1)
            rows.append({"updates": updates, "episodes": round(episodes, 1), "success": success})
        return rows


def env_settings(name: str, phrasing: str | None = None) -> tuple[str, ...]:
    """Return the environment settings of a condition, in its own phrasing or another."""
    if name == "none":
        return ()
    said, words = name.split("-")
    texts = [f"feedback={SAID[said]}", f"feedback_phrasing={phrasing or WORDS[words]}"]
    return (*texts, "feedback_error_rate=1") if said == "wrong" else tuple(texts)


def table(result: dict[str, Any]) -> Table:
    """Return a table of mean success and standard error, with a row for each condition."""
    settings, conditions = result["settings"], result["conditions"]
    shown = Table(
        title=f"{settings['env']}: {settings['steps']:,} steps on "
        f"{', '.join(settings['train_tasks'])}; "
        f"unseen: {', '.join(settings['test_tasks'])}; {settings['seeds']} seeds",
        title_style="bold",
        caption="success in %, mean ± standard error over seeds; alone: without feedback; "
        "feedback: phrased as in training; new words: in phrasings not used in training",
    )
    adapted = next(iter(conditions.values()))["adapted"]
    last = {row["updates"]: row for row in adapted}
    shown.add_column("condition")
    for title in (
        *("seen: alone", "feedback", "new words", "unseen: alone", "feedback", "new words"),
        *(f"after {updates} updates: {test}" for updates in last for test in (ALONE, "feedback")),
        *(["episodes"] if last else []),
        "steps/s",
    ):
        shown.add_column(title, justify="right")
    for name, row in conditions.items():
        cells = [_cell(row["success"][part].get(test)) for part in ("train_tasks", "test_tasks")
                 for test in TESTS]  # fmt: skip
        cells += [_cell(x["success"].get(test)) for x in row["adapted"] for test in (ALONE, TOLD)]
        if row["adapted"]:
            cells.append(" / ".join(f"{x['episodes']:.0f}" for x in row["adapted"]))
        shown.add_row(name, *cells, f"{row['steps_per_second']:,}")
    return shown


def _cell(rates: list[float] | None) -> str:
    if not rates:
        return "-"
    error = np.std(rates, ddof=1) / np.sqrt(len(rates)) if len(rates) > 1 else 0.0
    return f"{100 * np.mean(rates):.1f} ±{100 * error:.1f}"


BENCHMARK = Benchmark(FeedbackConfig, compare, table)
