"""The jobs of a suite: the training of all seeds of one teacher, with tests along the way."""

import dataclasses
import re
import zlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact import teachers
from didact.benchmarks import hardware
from didact.benchmarks.evaluated_training import evenly_spaced, train_with_evaluations
from didact.benchmarks.suites.suite_files import Suite
from didact.common.errors import SettingError
from didact.common.settings import parsed
from didact.experiments import setup
from didact.experiments.config import LLMConfig, TrainConfig, checked
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import Loop
from didact.experiments.tasks import proposers
from didact.teachers import Teacher, propose

STAGED, WARM_UP = "staged", "warm-up"  # the controls of every suite
MASTERED = 0.9  # success rate on the easy tasks that ends the warm-up
SHOWN = 128  # proposals that are kept at each evaluation, for figures


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
        name, _, proposer = first.partition(":")
        return checked(
            dataclasses.replace(
                self.suite.settings,
                teacher="pool" if name == "pool" else "uniform",
                teacher_settings=tuple(texts) if name == "pool" else (),
                proposer=proposer or "none",
                steps=self.steps,
                num_seeds=self.seeds,
                seed=self.seed,
                llm=self.llm,
            )
        )

    @property
    def file(self) -> str:
        """The name of the file of the results, different for different teachers."""
        slug = re.sub(r"[^\w.-]+", "-", self.teacher).strip("-")[:60]
        return f"{slug}-{zlib.crc32(self.teacher.encode()):08x}.json"


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
    if suite.easy is not None and "easy" in kinds:
        settings["easy"] = suite.easy
    elif teachers.starts_easy(name):
        raise SettingError("--teachers", label, "one that needs no easy tasks: this suite has none")
    return teachers.make(name, suite.space, **settings)


def loop_of(job: Job) -> Loop:
    """Make the compiled loop of a job, on one device.

    Raises:
        SettingError: the teacher or a setting is invalid.
    """
    settings, environment = job.settings, job.suite.environment
    devices = jax.devices()[:1]
    loop = setup.loop_of(settings, environment, devices)  # validates the settings
    if settings.teacher == "pool":
        return loop
    return Loop(
        environment,
        teacher_of(job.teacher, job.suite),
        loop.student,
        num_envs=settings.num_envs,
        rollout_length=settings.rollout_length,
        devices=devices,
        num_seeds=settings.num_seeds,
    )


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Train all seeds of a job, and test them on the suite's tasks.

    Args:
        job: the job.
        folder: for the transcript of a language model.

    Returns:
        `steps` [p] of the evaluations; `success` by group of tests, [seeds, p]; `proposals`
        [p, k, d], tasks that the teacher of the first seed proposed at that time, in the unit cube;
        `episodes`, `seconds`, `compile_seconds` and `machine`.
    """
    settings, suite, loop = job.settings, job.suite, loop_of(job)
    alone = setup.student_of(settings, suite.environment, alone=True)
    play = evaluator(suite.environment, alone)
    tasks = jnp.concatenate([jnp.asarray(x) for x in suite.tests.values()])
    ends = np.cumsum([len(x) for x in suite.tests.values()])[:-1]
    test = jax.jit(
        lambda states, key: jax.lax.map(lambda state: play(state, key, tasks).success, states)
    )

    @jax.jit
    def proposed(states, key):
        first = jax.tree.map(lambda x: x[0], states) if settings.num_seeds > 1 else states
        return suite.space.normalise(propose(loop.teacher, first, key, SHOWN)[0].tasks)

    shown = []

    def measure(state, number):
        key = jax.random.key(number)
        shown.append(np.asarray(proposed(state.teacher, key)).round(3).tolist())
        success = np.asarray(test(state.student, key))  # [seeds, tasks]
        return np.stack([part.mean(1) for part in np.split(success, ends, axis=1)], axis=1)

    runner = proposers.ProposerRunner(settings, suite.environment, loop, folder)
    k = settings.updates_per_chunk

    def between(state, metrics, number, tell):
        runner.tell = tell
        return runner(state, (number - 1) * k, number * k)[0]

    followed = train_with_evaluations(
        loop,
        settings,
        evenly_spaced(settings, job.evaluations),
        measure,
        job.teacher,
        between=between if settings.teacher == "pool" else lambda state, *rest: state,
    )
    runner.close(settings.num_updates)
    tests = np.stack(followed.tests, axis=1)  # [seeds, p, groups]
    return {
        "steps": followed.steps,
        "success": {name: tests[:, :, i].round(4).tolist() for i, name in enumerate(suite.tests)},
        "proposals": shown,
        "episodes": followed.episodes,
        "seconds": round(followed.seconds, 1),
        "compile_seconds": round(followed.compile_seconds, 1),
        "machine": hardware.describe(),
    }
