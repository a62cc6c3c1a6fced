"""The jobs of a suite: the training of all seeds of one teacher, with tests along the way."""

import dataclasses
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact import teachers
from didact.benchmarks import hardware
from didact.benchmarks.curricula import worst_levels
from didact.benchmarks.evaluated_training import evenly_spaced, train_with_evaluations
from didact.benchmarks.suites.suite_files import Suite
from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.files import append_whole
from didact.common.settings import parsed
from didact.environments import Environment
from didact.environments.grid.mazes import Levels, RepeatedBlocks
from didact.environments.task_spaces import Box, TaskSpace
from didact.experiments import setup
from didact.experiments.config import LLMConfig, TrainConfig, checked
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import Loop
from didact.experiments.runs.transcripts import TRANSCRIPT
from didact.experiments.tasks import proposers
from didact.teachers import Teacher, propose
from didact.teachers.combinators.moved_parts import moved_part
from didact.teachers.language.transcript import DROPPED, exchanges, totals

STAGED, WARM_UP = "staged", "warm-up"  # the controls of every suite
MASTERED = 0.9  # success rate on the easy tasks that ends the warm-up
SHOWN = 128  # proposals that are kept at each evaluation, for figures
NEXT = 0x5EED  # between the seeds of a student and of the one that replaces it
LEVEL_SEED = 0x7E57  # of the tasks of `worst_of`
SHARES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the worst tasks
FEWEST = 10  # tasks of a share
LOST = "lost.jsonl"  # requests of attempts that did not end


@dataclasses.dataclass(frozen=True)
class Job:
    """One teacher of a suite.

    Attributes:
        suite: the suite.
        teacher: the label of the teacher, see `teacher_of`.
        steps, seeds, seed: steps per seed, number of seeds and first seed.
        evaluations: number of evaluations.
        llm: settings of the language model of `pool:language-model`.
    """

    suite: Suite
    teacher: str
    steps: int
    seeds: int
    seed: int = 0
    evaluations: int = 10
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)

    @property
    def settings(self) -> TrainConfig:
        """The settings of the training."""
        first, *texts = self.teacher.split() or [""]
        name, proposer = first.partition(":")[0], proposers.of_label("--teachers", self.teacher)
        return checked(
            dataclasses.replace(
                self.suite.settings,
                teacher="pool" if name == "pool" else "uniform",
                teacher_settings=tuple(texts) if name == "pool" else (),
                proposer=proposer or "none",
                steps=self.steps,
                num_seeds=self.seeds,
                seed=self.seed,
                warm_up=0.0,  # as for all other teachers, also of a pool
                llm=self.llm,
            )
        )

    @property
    def file(self) -> str:
        """The name of the file of the results, different for different teachers and `parts`."""
        slug = re.sub(r"[^\w.-]+", "-", self.teacher).strip("-")[:60]
        # Files of older versions do not state these parts, so that they cannot be compared.
        text = self.teacher + (strict_json.dumps(self.parts) if self.parts else "")
        return f"{slug}-{zlib.crc32(text.encode()):08x}.json"

    @property
    def parts(self) -> dict[str, Any]:
        """The optional parts of the suite file that this teacher's results depend on."""
        suite, words = self.suite, self.teacher.split() or [""]
        name, own = words[0], next((word for word in words if word != WARM_UP), "")
        registered = own not in (STAGED, "") and ":" not in own
        kinds = teachers.settings_of(own) if registered else {}
        made: dict[str, Any] = {}
        if name == STAGED:
            made["stages"] = [bounds_of(stage) for stage in suite.stages]
        taught = name == WARM_UP or "easy" in kinds
        if taught and (suite.easy != suite.usual_easy or suite.profile.shuffle is not None):
            made["easy"] = None if suite.easy is None else bounds_of(suite.easy)
        if "return_range" in kinds and suite.return_range != Environment.return_range:
            made["return_range"] = list(suite.return_range)
        if suite.greedy:
            made["greedy"] = True
        if suite.worst is not None:
            made["worst"] = suite.worst._asdict()
        return made


def needs_easy_tasks(label: str) -> bool:
    """Whether a teacher can only be part of a suite with easy tasks."""
    name = label.split()[0]
    return name == WARM_UP or (name != STAGED and ":" not in name and teachers.starts_easy(name))


def bounds_of(part: TaskSpace) -> list[list[float]]:
    """Return the lowest and the highest values of a part of the task space."""
    return [part.low.tolist(), part.high.tolist()]


def teacher_of(label: str, suite: Suite) -> Teacher:
    """Make a teacher for a suite.

    Args:
        label: NAME or "NAME SETTING=VALUE ...", as for `didact train`; "staged", which practises
            the suite's stages one after another; or "warm-up NAME ...", which first practises the
            easy tasks.
        suite: the suite.

    Raises:
        SettingError: the name, a setting or a value is invalid, or the suite has no stages or no
            easy tasks.
    """
    name, *texts = label.split() or [label]
    if name == STAGED:
        if texts or not suite.stages:
            allowed = "without settings, in a suite with stages"
            raise SettingError("--teachers", label, allowed)
        return teachers.staged(suite.stages)
    if name == WARM_UP:
        if suite.easy is None or not texts:
            allowed = f'"{WARM_UP} TEACHER", in a suite with easy tasks'
            raise SettingError("--teachers", label, allowed)
        inner = teacher_of(label.removeprefix(WARM_UP).strip(), suite)
        return teachers.warm_started(inner, suite.easy, until=MASTERED)
    kinds = teachers.settings_of(name)
    settings = parsed("--teachers", texts, kinds, "teacher")
    if "return_range" in kinds:
        settings.setdefault("return_range", suite.return_range)
    shuffle = suite.profile.shuffle
    if shuffle is not None and not isinstance(suite.space, Box):
        raise SettingError("--suite", suite.name, "without a shuffle: its tasks have no names")
    if suite.easy is not None and "easy" in kinds:
        settings["easy"] = suite.easy
        if shuffle is not None and isinstance(suite.space, Box):
            settings["easy"] = moved_part(suite.easy, suite.space, **shuffle._asdict())
    elif teachers.starts_easy(name):
        raise SettingError("--teachers", label, "one that needs no easy tasks: this suite has none")
    made = teachers.make(name, suite.space, **settings)
    if shuffle is None or not isinstance(suite.space, Box):
        return made
    return teachers.shuffled(made, suite.space, **shuffle._asdict())


def loop_of(job: Job) -> Loop:
    """Make the compiled loop of a job, on one device.

    Raises:
        SettingError: the teacher or a setting is invalid.
    """
    for variant in job.suite.variants.values():
        loop_of(dataclasses.replace(job, suite=variant))
    settings, environment = job.settings, job.suite.environment
    resets_of(job)
    devices = jax.devices()[:1]
    loop = setup.loop_of(settings, environment, devices)  # validates the settings
    if settings.teacher == "pool":
        if job.suite.profile.shuffle is not None:
            allowed = "one without a proposer: this suite shuffles the task space"
            raise SettingError("--teachers", job.teacher, allowed)
        proposers.proposer_of(settings, environment)  # validates its settings
        return loop
    return Loop(
        environment,
        teacher_of(job.teacher, job.suite),
        loop.student,
        num_envs=settings.num_envs,
        rollout_length=settings.rollout_length,
        devices=devices,
        num_seeds=settings.num_seeds,
        reveal=loop.reveal,
    )


def resets_of(job: Job) -> dict[int, int]:
    """Return the chunks after which a new student takes over, with its number, from 1.

    Each student is trained for at least one chunk.

    Raises:
        SettingError: the training has too few chunks for that.
    """
    settings, parts = job.settings, job.suite.profile.resets
    chunks = settings.num_updates // settings.updates_per_chunk
    found = {
        min(max(1, round(part * chunks)), chunks - 1): number
        for number, part in enumerate(parts, 1)
    }
    if parts and (len(found) < len(parts) or chunks < 2):
        allowed = f"in different chunks before the last one ({chunks} in this training)"
        raise SettingError(f"resets of {job.suite.name}", list(parts), allowed)
    return found


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Train all seeds of a job, and test them on the suite's tasks.

    Args:
        job: the job.
        folder: for the transcript of a language model.

    Returns:
        `steps` [p] of the evaluations; `success` by group of tests, [seeds, p]; `proposals`
        [p, k, d], tasks that the teacher of the first seed proposed at that time, in the unit cube
        (empty for tasks without names); `episodes`, `seconds`, `compile_seconds` and `machine`;
        `worst`, if the suite has that test: the mean success [seeds, m] in the worst `shares` [m];
        `language` for a language model: its `calls`, `tokens` and `cost`, and `lost_calls`, the
        number of calls of earlier attempts that did not end. With several students, their number
        `students`; the seeds of the first come first, then those of the second.
    """
    if job.suite.variants:
        return joined(
            [
                run(dataclasses.replace(job, suite=variant), folder / name)
                for name, variant in job.suite.variants.items()
            ]
        )
    settings, suite, loop = job.settings, job.suite, loop_of(job)
    play = player_of(suite, settings)
    tasks = jnp.concatenate([jnp.asarray(x) for x in suite.tests.values()])
    ends = np.cumsum([len(x) for x in suite.tests.values()])[:-1]
    test = jax.jit(
        lambda states, key: jax.lax.map(lambda state: play(state, key, tasks).success, states)
    )

    @jax.jit
    def proposed(states, key):
        first = jax.tree.map(lambda x: x[0], states) if settings.num_seeds > 1 else states
        tasks = propose(loop.teacher, first, key, SHOWN)[0].tasks
        return suite.space.normalise(tasks) if isinstance(suite.space, Box) else tasks

    shown = []

    def measure(state, number):
        key = jax.random.key(number)
        if isinstance(suite.space, Box):
            shown.append(np.asarray(proposed(state.teacher, key)).round(3).tolist())
        success = np.asarray(test(state.student, key))  # [seeds, tasks]
        return np.stack([part.mean(1) for part in np.split(success, ends, axis=1)], axis=1)

    requests = folder / Path(job.file).stem
    lost = _set_aside(requests)
    runner = proposers.ProposerRunner(settings, suite.environment, loop, requests)
    k, resets = settings.updates_per_chunk, resets_of(job)

    def between(state, metrics, number, tell):
        if number in resets:
            new = loop.new_students(settings.seed + resets[number] * NEXT)
            state = loop.place(state._replace(student=new))
        runner.tell = tell
        return runner(state, (number - 1) * k, number * k)[0]

    followed = train_with_evaluations(
        loop,
        settings,
        evenly_spaced(settings, job.evaluations),
        measure,
        job.teacher,
        between=between,
    )
    runner.close(settings.num_updates)
    tests = np.stack(followed.tests, axis=1)  # [seeds, p, groups]
    more: dict[str, Any] = {}
    if suite.worst is not None:
        more["worst"] = worst_of(suite, jax.jit(play), followed.state.student, settings)
    if runner.asking is not None:
        spent = totals(runner.transcript.exchanges)
        tokens = spent.prompt_tokens + spent.completion_tokens
        more["language"] = {
            "calls": spent.calls, "tokens": tokens, "cost": spent.cost, "lost_calls": lost,
        }  # fmt: skip
    return more | {
        "steps": followed.steps,
        "success": {name: tests[:, :, i].round(4).tolist() for i, name in enumerate(suite.tests)},
        "proposals": shown,
        "episodes": followed.episodes,
        "seconds": round(followed.seconds, 1),
        "compile_seconds": round(followed.compile_seconds, 1),
        "machine": hardware.describe(),
    }


def _set_aside(folder: Path) -> int:
    """Move the requests of interrupted attempts to the file `LOST`; return their number.

    Each attempt has the whole budget of the language model, so that all results are of equal
    trainings.
    """
    for name in (TRANSCRIPT, DROPPED):
        if found := exchanges(folder / name):
            append_whole(folder / LOST, "".join(exchange.line() for exchange in found))
        (folder / name).unlink(missing_ok=True)
    return len(exchanges(folder / LOST))


def player_of(suite: Suite, settings: TrainConfig) -> Any:
    """Return the evaluator of the suite's students, see `evaluate.evaluator`."""
    alone = setup.student_of(settings, suite.environment, alone=True)
    return evaluator(suite.environment, alone, greedy=suite.greedy)


def worst_of(suite: Suite, play: Any, states: Any, settings: TrainConfig) -> dict[str, Any]:
    """Return the mean success of each seed in the worst tasks; see `profiles.Worst`.

    Shares of fewer than `FEWEST` tasks are left out, except for all tasks.
    """
    worst = suite.worst
    assert worst is not None
    if not worst.levels:
        tasks = np.concatenate(list(suite.tests.values()))
    elif isinstance(suite.space, Levels):
        space = Levels(suite.space.height, suite.space.width, RepeatedBlocks(worst.blocks))
        tasks = worst_levels.solvable_levels(space, worst.levels, LEVEL_SEED)
    else:
        tasks = np.asarray(suite.space.sample(jax.random.key(LEVEL_SEED), worst.levels))
    shares = [share for share in SHARES if share * len(tasks) >= FEWEST or share == 1]
    found = []
    for i in range(settings.num_seeds):
        state = jax.tree.map(lambda x, i=i: x[i], states) if settings.num_seeds > 1 else states
        first, second = (
            worst_levels.success_rates(play, state, tasks, worst.episodes, 2 * i + number)
            for number in (0, 1)
        )
        found.append(worst_levels.worst_success(first, second, shares))
    return {"shares": shares, "success": np.round(found, 4).tolist()}


def joined(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the results of several students as those of one job with more seeds."""
    first = rows[0]
    made = first | {"students": len(rows)}
    made["success"] = {
        name: [curve for row in rows for curve in row["success"][name]] for name in first["success"]
    }
    if "worst" in first:
        success = [values for row in rows for values in row["worst"]["success"]]
        made["worst"] = first["worst"] | {"success": success}
    for name in ("episodes", "seconds", "compile_seconds"):
        made[name] = round(sum(row[name] for row in rows), 1)
    if "language" in first:
        costs = [row["language"]["cost"] for row in rows if row["language"]["cost"] is not None]
        made["language"] = {
            "calls": sum(row["language"]["calls"] for row in rows),
            "tokens": sum(row["language"]["tokens"] for row in rows),
            "lost_calls": sum(row["language"]["lost_calls"] for row in rows),
            "cost": sum(costs) if costs else None,
        }
    return made
