"""Compare kickstarted students with students that learn from rewards alone.

References:
    Schmitt et al., Kickstarting Deep Reinforcement Learning, 2018 (arXiv:1803.03835), figures 3 and
    4: steps to the score that training from scratch ends with, and the final scores.
"""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import KickstartingConfig
from didact.benchmarks.evaluated_training import train_with_evaluations
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.resumed_results import Results
from didact.common import display
from didact.common.files import writable
from didact.common.intervals import t_interval
from didact.common.settings import checked as settings_checked
from didact.environments import SettingError
from didact.experiments import population, setup
from didact.experiments.config import KickstartConfig, TrainConfig, checked
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.imitation import expert_setup
from didact.experiments.loop import Loop
from didact.experiments.plotting import training_curves
from didact.experiments.preparation import cache_compilations
from didact.experiments.training import train_or_resume
from didact.students import load_policy

SCRATCH, POPULATION, DISTILLED = "scratch", "population", "distilled"
EXPLOIT_EVERY = 0.05  # fraction of a training between steps of population-based training
RESAMPLES = 2000

_ROOMS = {"rows": 1, "columns": 2, "objects": 4, "unblocking": 0, "locations": 0}
_ROOMS |= {"locked_room": 0, "implicit_unlock": 0}
_NOTHING = dict.fromkeys(("go_to", "open", "pick_up", "put_next", "single", "both", "sequence"), 0)


def _task(**asked: float) -> tuple[str, ...]:
    """Return the `--tasks` settings of a task."""
    return tuple(f"{name}={value}" for name, value in {**_ROOMS, **_NOTHING, **asked}.items())


# The instruction tasks of MiniSynth, with one expert each, in two rooms with four objects.
TASKS = {
    "go-to": _task(single=1, go_to=1),
    "open": _task(single=1, open=1),
    "pick-up": _task(single=1, pick_up=1),
    "put-next": _task(single=1, put_next=1),
    "both": _task(both=1, go_to=1, open=1, pick_up=1),
    "sequence": _task(sequence=1, go_to=1),
}

LONGER = {"put-next": 3}  # factor on the expert's steps, for tasks that are hard to learn

# Schedule of lambda, by the name of the kickstarted student.
SCHEDULES: dict[str, Any] = {"constant": "constant", "annealed": "linear", POPULATION: "linear"}
STUDENTS = (SCRATCH, *SCHEDULES, DISTILLED)


def kickstarting(config: KickstartingConfig) -> dict[str, Any]:
    """Train an expert for each task, and students on all tasks with and without the experts.

    All use the same network, and all students the same number of steps. Results are written to
    `kickstarting.json` in the folder `config.out` after each training; experts and students with
    results for the same settings are not trained again.

    Returns:
        `machine`, `settings`, `experts` (success by task) and `students`: for each `steps` [p],
        `success` [seeds, p, tasks] of sampled actions, and `seconds`; for students that are not
        trained from scratch, also the result of `compared`.

    Raises:
        SettingError: a setting is invalid.
    """
    config = settings_checked(config, "--")
    for setting, names, known in (
        ("--tasks", config.tasks, tuple(TASKS)),
        ("--students", config.students, STUDENTS),
    ):
        if not names or len(set(names)) < len(names) or not set(names) <= set(known):
            raise SettingError(setting, names, "one or more of " + ", ".join(known) + ", each once")
    if POPULATION in config.students and config.seeds < 2:
        raise SettingError("--seeds", config.seeds, f"at least 2 with {POPULATION}")
    _lambda(config, SCRATCH)
    folder = writable("--out", config.out)
    settings = {k: v for k, v in vars(config).items() if k not in ("out", "json", "students")}
    settings = json.loads(json.dumps(settings))
    results = Results(folder / "kickstarting.json", "students", settings, is_row)
    cache_compilations()
    probe = checked(
        TrainConfig(env=config.env, teacher="uniform", num_envs=config.num_envs, warm_up=0.0)
    )
    setup.loop_of(probe, setup.environment_of(probe), jax.devices()[:1])
    experts = [expert(name, config, folder) for name in config.tasks]
    trial = Trial(config, tuple(map(str, experts)))
    result: dict[str, Any] = {"machine": hardware.describe(), "settings": settings}
    result["experts"] = trial.experts()
    more = {name: result[name] for name in ("machine", "experts")}
    for name in config.students:
        with results.claimed(name):
            for row in trial.learn(name, results.rows.get(name)):
                results.add({name: row}, **more)
    scratch = results.rows.get(SCRATCH)
    for name, row in results.rows.items():
        if name != SCRATCH and scratch and len(scratch["success"]) == config.seeds:
            row |= compared(row, scratch)
    result["students"] = {name: results.rows[name] for name in config.students}
    results.add(result["students"], **more)
    curves = {
        name: (np.array(row["steps"]), np.mean(row["success"], axis=-1))
        for name, row in result["students"].items()
    }
    training_curves.learning_curves(
        folder / "curves.png", curves, y_label="success, mean over tasks", y_limits=(0, 1.02)
    )
    return result


def is_row(row: Any) -> bool:
    """Whether a value read from a file is a result of `Trial.learn`, perhaps of fewer seeds."""
    success, points = np.array(row["success"], float), len(row["steps"])
    numbers = np.array([row["seconds"], *row["steps"]], float)
    fits = success.ndim == 3 and success.shape[1] == points > 0
    return fits and bool(np.isfinite(success).all() and np.isfinite(numbers).all())


def expert_settings(name: str, config: KickstartingConfig, folder: Path) -> TrainConfig:
    """Return the training settings of a task's expert, which is distilled from the solver."""
    return checked(
        TrainConfig(
            env=config.env,
            tasks=TASKS[name],
            teacher="uniform",
            student="distill",
            experts=(expert_setup.SOLVER,),
            steps=LONGER.get(name, 1) * config.expert_steps,
            num_envs=config.num_envs,
            seed=config.seed,
            warm_up=0.0,
            run=folder / "experts" / name,
        )
    )


def expert(name: str, config: KickstartingConfig, folder: Path) -> Path:
    """Return the run of a task's expert, and train it unless it is finished."""
    settings = expert_settings(name, config, folder)
    run = Path(settings.run or "")
    console = display.terminal()
    if not (run / "policy").is_dir():
        console.print(f"expert of {name}")
    quiet = console if console.is_terminal else display.PlainConsole(file=io.StringIO())
    train_or_resume(settings, console=quiet)
    return run


class Trial:
    """Trains and tests students on the same tasks.

    Args:
        config: settings of the benchmark.
        experts: policies of the experts, in the order of `config.tasks`.
    """

    def __init__(self, config: KickstartingConfig, experts: tuple[str, ...]):
        self.config = config
        # Chunks of one update allow for early evaluations.
        self.settings = checked(
            TrainConfig(
                env=config.env,
                teacher=expert_setup.TEACHER,
                experts=experts,
                steps=config.steps,
                num_envs=config.num_envs,
                chunk=1,
                warm_up=0.0,
            )
        )
        self.environment = setup.environment_of(self.settings)
        space = self.environment.task_space
        keys = jax.random.split(jax.random.key(10_000), len(config.tasks))
        parts = [setup.narrow_task_space(space, TASKS[name]) for name in config.tasks]
        drawn = [part.sample(k, config.episodes) for part, k in zip(parts, keys, strict=True)]
        self.tests = jnp.concatenate(drawn)
        student = setup.student_of(self.settings, self.environment, alone=True)
        self._test = jax.jit(evaluator(self.environment, student))

    def experts(self) -> dict[str, float]:
        """Return the success of each expert on its task, with sampled actions like the students."""
        success = {}
        for number, name in enumerate(self.config.tasks):
            state = load_policy(self.settings.experts[number]).state
            # The same number of episodes as for all seeds of a student.
            tests = [self.test(state, -1 - i)[number] for i in range(self.config.seeds)]
            success[name] = float(np.mean(tests))
        return success

    def test(self, student_state: Any, number: int) -> Float[np.ndarray, " tasks"]:
        """Return the success by task; equal numbers use equal keys in all trainings."""
        key = jax.random.fold_in(jax.random.key(10_001), number & 0xFFFFFFFF)
        success = np.asarray(self._test(student_state, key, self.tests).success)
        return success.reshape(len(self.config.tasks), -1).mean(-1)

    def loop(self, name: str) -> tuple[TrainConfig, Loop]:
        """Return the settings and the loop of a student."""
        config, environment = self.config, self.environment
        many = name == POPULATION
        settings = dataclasses.replace(
            self.settings,
            student="distill" if name == DISTILLED else "ppo",
            num_seeds=config.seeds if many else 1,
            exploit_every=EXPLOIT_EVERY if many else 0.0,
            kickstart=_lambda(config, name),
        )
        experts = [] if name == SCRATCH else expert_setup.experts_of(settings, environment)
        loop = Loop(
            environment,
            setup.teacher_of(settings, environment),
            setup.student_of(settings, environment, experts=experts),
            num_envs=config.num_envs,
            rollout_length=settings.rollout_length,
            num_seeds=settings.num_seeds,
            reveal=expert_setup.privileged_observations_of(experts, environment),
        )
        return settings, loop

    def learn(self, name: str, before: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Train all seeds of a student, and yield its results after each training.

        Args:
            name: name of the student.
            before: last results, if an earlier run was stopped.
        """
        config = self.config
        curves, seconds = ([], 0.0) if before is None else (before["success"], before["seconds"])
        if len(curves) == config.seeds:
            return
        settings, loop = self.loop(name)
        marks = points(settings.num_updates, config.num_evaluations)
        while len(curves) < config.seeds:
            seed = config.seed + len(curves)
            label = name if name == POPULATION else f"{name}, seed {seed}"
            more, spent = self.follow(loop, seed, settings, marks, label)
            curves = [*curves, *np.round(more, 4).tolist()]
            seconds += spent
            yield {
                "steps": [mark * settings.steps_per_update for mark in marks],
                "success": curves,
                "seconds": round(seconds, 1),
            }

    def follow(
        self,
        loop: Loop,
        seed: int,
        settings: TrainConfig,
        marks: list[int],
        label: str,
    ) -> tuple[list[np.ndarray], float]:
        """Run one training; return a curve [p, tasks] for each member, and the training time."""
        key = jax.random.fold_in(jax.random.key(seed), 0x706F70)
        every = max(1, round(settings.num_updates * settings.exploit_every))
        many = bool(settings.exploit_every)
        people = population.Population(settings.num_seeds, loop.initial_carry())

        def start(state):
            return loop.place(population.randomise_weights(state, key)) if many else state

        def exchange(state, metrics, number, tell):
            if not many:
                return state
            due = number % every == 0 and number < settings.num_updates
            exploit_key = jax.random.fold_in(key, number) if due else None
            state, _ = people.after_chunk(state, metrics, exploit_key)
            return loop.place(state)

        def test(state, number):
            students = members(state.student) if many else [state.student]
            return [self.test(student, number) for student in students]

        done = train_with_evaluations(
            loop, settings, marks, test, label, seed=seed, start=start, between=exchange
        )
        return list(np.swapaxes(done.tests, 0, 1)), done.seconds


def _lambda(config: KickstartingConfig, name: str) -> KickstartConfig:
    """Return the kickstarting settings of a student."""
    settings = KickstartConfig(
        weight=config.weight,
        schedule=SCHEDULES.get(name, "linear"),
        anneal_until=config.anneal_until,
        expert_action_probability=config.expert_action_probability,
        expert_actions_until=config.expert_actions_until,
    )
    return settings_checked(settings, "--")


def members(states: Any) -> list[Any]:
    """Return the states of the members of a population."""
    count = jax.tree.leaves(states)[0].shape[0]
    return [jax.tree.map(lambda x, i=i: x[i], states) for i in range(count)]


def points(updates: int, count: int) -> list[int]:
    """Return the updates after which to evaluate: log-spaced, including the last one."""
    return sorted({round(x) for x in np.geomspace(1, updates, count)} | {updates})


def compared(row: dict[str, Any], scratch: dict[str, Any]) -> dict[str, Any]:
    """Compare a student with one trained from scratch, with bootstrap intervals of ratios.

    `steps_ratio` is the number of steps of the training from scratch, divided by the steps that the
    student (mean over seeds) needs to reach the final success of scratch; 0 if it never does.
    `final_ratio` is the ratio of the final success rates. Both are omitted if scratch ends with no
    success. The members of a population are not independent, so its intervals are too narrow;
    those of less than about ten seeds are, too.
    """
    steps = np.array(row["steps"])
    student = np.mean(row["success"], axis=-1)
    other = np.mean(scratch["success"], axis=-1)
    if not other[:, -1].any():
        return {}
    rng = np.random.default_rng(0)
    ratios = [_ratios(steps, student.mean(0), other.mean(0))]
    for _ in range(RESAMPLES):
        picks = [values[rng.integers(0, len(values), len(values))] for values in (student, other)]
        ratios.append(_ratios(steps, *(values.mean(0) for values in picks)))
    low, high = np.quantile(ratios[1:], (0.025, 0.975), axis=0)
    return {
        "steps_ratio": ratios[0][0],
        "steps_ratio_interval": [float(low[0]), float(high[0])],
        "final_ratio": ratios[0][1],
        "final_ratio_interval": [float(low[1]), float(high[1])],
    }


def _ratios(steps: np.ndarray, student: np.ndarray, scratch: np.ndarray) -> tuple[float, float]:
    there = np.flatnonzero(student >= scratch[-1])
    sooner = steps[-1] / steps[there[0]] if there.size else 0.0
    return float(sooner), float(student[-1] / max(scratch[-1], 1e-9))


def table(result: dict[str, Any]) -> Group:
    """Return two tables: the students compared with scratch, and all results by task."""
    settings = result["settings"]
    students = result["students"]
    first = Table(
        title=f"{len(settings['tasks'])} tasks of {settings['env']}, {settings['steps']:,} steps, "
        f"{settings['seeds']} seeds",
        title_style="bold",
        caption="speed-up: steps of the training from scratch / steps to its final success, "
        "without the steps of the experts; 95 % intervals over seeds: Student's t for the success, "
        "bootstrap, which is too narrow for a few seeds, for ratios",
    )
    for name in ("student", "final success", "/ scratch", "speed-up", "seconds"):
        first.add_column(name, justify="left" if name == "student" else "right")
    for name, row in students.items():
        final = np.mean(row["success"], axis=-1)[:, -1]
        cells = [f"{np.mean(final):.1%}", "-", "-"]
        if len(final) > 1:
            low, high = np.clip(t_interval(final), 0, 1)
            cells[0] += f" [{low:.1%}, {high:.1%}]"
        if "final_ratio" in row:
            low, high = row["final_ratio_interval"]
            cells[1] = f"{row['final_ratio']:.2f} [{low:.2f}, {high:.2f}]"
            low, high = row["steps_ratio_interval"]
            cells[2] = f"{row['steps_ratio']:.1f}x [{low:.1f}, {high:.1f}]"
        first.add_row(name, *cells, f"{row['seconds']:.0f}")
    second = Table(title="Final success by task, mean over seeds", title_style="bold")
    second.add_column("task")
    for name in ("expert", *students):
        second.add_column(name, justify="right")
    for number, task in enumerate(settings["tasks"]):
        cells = [np.mean(row["success"], axis=0)[-1, number] for row in students.values()]
        second.add_row(task, *(f"{x:.1%}" for x in (result["experts"][task], *cells)))
    means = [np.mean(row["success"], axis=(0, 2))[-1] for row in students.values()]
    second.add_section()
    mean = np.mean(list(result["experts"].values()))
    second.add_row("mean", *(f"{x:.1%}" for x in (mean, *means)))
    return Group(first, second)


BENCHMARK = Benchmark(KickstartingConfig, kickstarting, table)
