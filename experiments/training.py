"""Run a training from start to end: its settings, its run folder, and its parts."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from didact.common import display
from didact.environments import SettingError
from didact.environments.base import PICTURES, name_of
from didact.experiments import distributed, objects, setup
from didact.experiments.callbacks import Callbacks, TensorBoard
from didact.experiments.config import TrainConfig, to_dict
from didact.experiments.evaluation import fixed_tasks
from didact.experiments.host_loop import Training
from didact.experiments.imitation import expert_setup
from didact.experiments.preparation import cache_compilations, settled, system_errors
from didact.experiments.runs import folder, origin, own_parts, policy_files, resuming
from didact.experiments.runs.folder import CONFIG
from didact.experiments.tasks import proposers


def train(
    config: TrainConfig | None = None,
    *,
    resume: Path | str | None = None,
    checkpoint: int | None = None,
    linked_checkpoints: bool = False,
    console: Console | None = None,
    callbacks: Sequence[Any] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Train a student and return a summary.

    Args:
        config: training settings.
        resume: run folder to resume. The run's own settings are used. Given again must be only the
            objects that the run was made with, the language model that it asks (`proposer`,
            `llm`), and `imports` if the code is not imported yet.
        checkpoint: number of updates of the checkpoint to resume from; the latest if None. What the
            run has made after it is removed.
        linked_checkpoints: whether `checkpoints` in the run folder may be a link to another folder.
        console: console that shows the progress.
        callbacks: `Callback` objects, or functions of a row of metrics; one that returns True for a
            row ends the training early.
        settings: fields of `TrainConfig` that replace those of `config`, as in
            `train(env="GoTo", tasks={"rows": (1, 2)}, ppo={"learning_rate": 1e-3})`. An
            environment, teacher or student can be an object instead of a name; see
            `didact.experiments.objects.read`.

    Returns:
        `run` (the folder), `finished`, `steps`, `evaluation` by evaluation task (`success`,
        `return`, ... with sampled and greedy actions) and `files` (the figures and the policy).

    Raises:
        SettingError: a setting is invalid, or a folder cannot be used.
        Interrupted, Terminated: the training was stopped by Ctrl-C, SIGTERM or SIGHUP, and is
            saved. They are a `KeyboardInterrupt` and a `SystemExit`.
    """
    objects.check_arguments(config, resume, checkpoint, callbacks)
    with contextlib.ExitStack() as held:
        with distributed.together():
            if resume is not None and distributed.first():
                links = {"linked_checkpoints": linked_checkpoints}
                held.enter_context(folder.reopened("--resume", Path(resume), **links))
            called = Callbacks([TensorBoard(), *callbacks])
            training = _training(held, config, resume, console, called, settings)
        errors = system_errors(training.run, training.config.num_envs)
        with errors, called.ended() as end:
            return end(training.go(resume is not None, checkpoint))


def _training(
    held: contextlib.ExitStack,
    config: TrainConfig | None,
    resume: Path | str | None,
    console: Console | None,
    called: Callbacks,
    settings: dict[str, Any],
) -> Training:
    """Make the components of a training, and its run folder; see `train`."""
    if resume is not None:
        named = {name: settings.pop(name, None) for name in ("imports", "proposer", "llm")}
        given = {name: settings.pop(name) for name in objects.KINDS if name in settings}
        if config is not None or settings or any(isinstance(x, str) for x in given.values()):
            allowed = "given without other settings: the run has its own"
            raise SettingError("--resume", str(resume), allowed)
        config = resuming.settings_of(Path(resume), **named)
        config = objects.attached(config, objects.objects_of(objects.read(given)), resume)
    else:
        config = settled(objects.read(settings, config))
    distributed.check(config)
    if not distributed.first():
        console, called, config = distributed.silent(), Callbacks([]), distributed.plain(config)
    console = console or display.terminal()
    cache_compilations()
    environment = setup.environment_of(config)
    config = setup.with_teacher(config, environment)
    own_parts.check_own_parts(config, environment, setup.teacher_of(config, environment))
    loop = setup.loop_of(config, environment, jax.devices())
    evaluation_tasks = fixed_tasks.evaluation_tasks_of(config, environment)
    proposers.proposer_of(config, environment, None if resume is None else Path(resume))
    policy_files.check(config, environment)
    if config.video and PICTURES not in environment.render_modes:
        line = f"No video: {name_of(environment)} does not implement render."
        display.Display(console).line(line)
    if not distributed.first():
        run = held.enter_context(distributed.scratch(resume))
    elif resume is not None:
        run = Path(resume)
    else:
        place = config.run and Path(config.run)
        made = folder.created("--run", place, objects.default_name(config), to_dict(config))
        run = held.enter_context(made)
    if distributed.first():  # also in a resumed run, which may have been killed before
        with system_errors(run, config.num_envs):
            if resume is None:
                origin.write(run)
            elif changed := origin.difference(run):
                line = f"The run was made with {changed}: it is not continued bit for bit."
                display.Display(console).line(line)
            expert_setup.keep_policies(config, run)
            proposers.keep_transcript(config, run)
    return Training(config, run, environment, loop, evaluation_tasks, console, called)


def train_or_resume(
    config: TrainConfig, *, console: Console | None = None, callbacks: Sequence[Any] = ()
) -> dict[str, Any]:
    """Call `train`, or resume an unfinished run in `config.run`; leave a finished run alone.

    Args:
        config: training settings.
        console, callbacks: see `train`.

    Returns:
        The result of `train`; for a run that was already finished, only `run` and `finished`.

    Raises:
        SettingError: the run in the folder has different settings, or `train` raised the error.
    """
    run = Path(config.run or "")
    if config.run is None or not (run / CONFIG).is_file():
        return train(config, console=console, callbacks=callbacks)
    given = objects.objects_of(config)
    config = settled(config)
    config = setup.with_teacher(config, setup.environment_of(config))
    named = {"proposer": config.proposer, "llm": config.llm}
    own = resuming.settings_of(run, **named)
    if objects.attached(own, given) != dataclasses.replace(config, run=run):
        allowed = "another folder: it holds a run with different settings"
        raise SettingError("--run", str(run), allowed)
    if (run / "policy").is_dir():
        return {"run": str(run), "finished": True}
    passed = {part: value for part, value in given._asdict().items() if value is not None}
    return train(resume=run, console=console, callbacks=callbacks, **passed, **named)
