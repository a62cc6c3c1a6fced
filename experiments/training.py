"""Run a training from start to end: the run folder, the compiled chunks, and the host's work
between them."""

import contextlib
import dataclasses
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.text import Text

from didact.common.extensions import import_all
from didact.common.files import new_folder, writable, write_whole
from didact.environments import SettingError
from didact.environments.base import PICTURES, name_of
from didact.experiments import objects, population, proposers, setup
from didact.experiments.callbacks import Callbacks, TensorBoard
from didact.experiments.config import TrainConfig, checked, read_run, to_dict
from didact.experiments.evaluation import fixed_tasks
from didact.experiments.evaluation.evaluate import Results, evaluator
from didact.experiments.imitation import expert_setup
from didact.experiments.runs import logs, policy_files, report
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.runs.curriculum_snapshots import save_snapshot, snapshot_of
from didact.experiments.runs.optional import optional
from didact.experiments.runs.warm_up import WarmUp

CONFIG = "config.json"
DRAW_EVERY = 30.0  # seconds, at least, between figures


def train(
    config: TrainConfig | None = None,
    *,
    resume: Path | str | None = None,
    checkpoint: int | None = None,
    console: Console | None = None,
    callbacks: Sequence[Any] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Train a student and return a summary.

    Args:
        config: training settings.
        resume: run folder to resume. The run's own settings are used; only `imports` may be given
            as well, in case the imported code has moved, and the objects that the run was made
            with.
        checkpoint: number of updates of the checkpoint to resume from; the latest if None.
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
    """
    if resume is not None:
        imports = settings.pop("imports", None)
        given = {name: settings.pop(name) for name in objects.KINDS if name in settings}
        if config is not None or settings or any(isinstance(x, str) for x in given.values()):
            allowed = "given without other settings: the run has its own"
            raise SettingError("--resume", str(resume), allowed)
        config = _resumed(Path(resume), imports)
        config = objects.attached(config, objects.objects_of(objects.read(given)), resume)
    else:
        config = settled(objects.read(settings, config))
    called = Callbacks([TensorBoard(), *callbacks])
    console = console or logs.terminal()
    cache_compilations()
    environment = setup.environment_of(config)
    loop = setup.loop_of(config, environment, jax.devices())
    evaluation_tasks = fixed_tasks.evaluation_tasks_of(config, environment)
    proposers.proposer_of(config, environment, None if resume is None else Path(resume))
    policy_files.check(config, environment)
    if config.video and PICTURES not in environment.render_modes:
        console.print(Text(f"No video: {name_of(environment)} does not implement render."))
    run = Path(resume) if resume is not None else _new_folder(config)
    with _write_errors(run):
        if resume is None:
            expert_setup.keep_policies(config, run)
            proposers.keep_transcript(config, run)
        training = Training(config, run, environment, loop, evaluation_tasks, console, called)
        with called.ended() as end:
            return end(training.go(resume is not None, checkpoint))


def train_or_resume(config: TrainConfig, *, console: Console | None = None) -> dict[str, Any]:
    """Call `train`, or resume an unfinished run in `config.run`; leave a finished run alone.

    Returns:
        The result of `train`; for a run that was already finished, only `run` and `finished`.

    Raises:
        SettingError: the run in the folder has different settings, or `train` raised the error.
    """
    run = Path(config.run or "")
    if config.run is None or not (run / CONFIG).is_file():
        return train(config, console=console)
    given = objects.objects_of(config)
    if objects.attached(_resumed(run), given) != dataclasses.replace(settled(config), run=run):
        allowed = "another folder: it holds a run with different settings"
        raise SettingError("--run", str(run), allowed)
    if (run / "policy").is_dir():
        return {"run": str(run), "finished": True}
    passed = {part: value for part, value in given._asdict().items() if value is not None}
    return train(resume=run, console=console, **passed)


class Training:
    """The host side of a training; see `train`."""

    def __init__(self, config, run, environment, loop, evaluation_tasks, console, callbacks):
        self.callbacks = callbacks
        self.config, self.run, self.environment, self.loop = config, run, environment, loop
        self.evaluation_tasks, self.console = evaluation_tasks, console
        self.checkpoints = Checkpoints(run / "checkpoints")
        self.student = setup.student_of(config, environment, alone=True)
        self.figures: dict[str, str] = {}  # paths of the latest figures by name
        self._drawn = time.monotonic()
        self._evaluators: dict[bool, Any] = {}

    def go(self, resumed: bool, checkpoint: int | None) -> dict[str, Any]:
        config, loop = self.config, self.loop
        state = loop.init(config.seed)
        if config.exploit_every:
            state = loop.place(population.randomise_weights(state, self._key(0)))
        if resumed and (self.checkpoints.saved() or logs.read(self.run / logs.METRICS)):
            state = loop.place(self.checkpoints.restore(state, checkpoint))
            self.checkpoints.remove_after(int(np.max(np.asarray(state.updates))))
        done = int(np.max(np.asarray(state.updates)))
        self.warm_up = WarmUp(config, state.teacher)
        total, k = config.num_updates, config.updates_per_chunk
        self.log = logs.Log(self.run, done)
        self.callbacks.on_start(self.run, config, done * config.steps_per_update)
        begun = time.perf_counter()
        bar = logs.ProgressBar(
            self.console, total * config.steps_per_update, done * config.steps_per_update
        )
        proposals = proposers.ProposerRunner(
            config, self.environment, loop, self.run, done, tell=bar.line
        )
        every = {
            "evaluate": max(k, round(total * config.evaluate_every)),
            "checkpoint": max(k, round(total * config.checkpoint_every)),
            "exploit": max(k, round(total * config.exploit_every)),
        }
        seconds, enough = self.log.seconds, False
        try:
            with signals() as asked:
                if done == 0:
                    self.checkpoints.save(0, state)
                loop.compiled(state, k)
                compiled = time.perf_counter() - begun
                bar.compiled()
                while done < total and not asked and not enough:
                    start = time.perf_counter()
                    state, records = loop.chunk(state, k)
                    records = jax.device_get(records)
                    seconds += time.perf_counter() - start
                    before, done = done, done + k
                    steps = done * config.steps_per_update
                    row = {"updates": done, "steps": steps, "seconds": round(seconds, 3)}
                    row["steps_per_second"] = (k * config.steps_per_update * config.num_seeds) / (
                        time.perf_counter() - start
                    )
                    row |= logs.chunk_row(records.metrics)
                    row |= self.warm_up.row(state.teacher, steps, bar.line)
                    if before == 0:
                        row["compile_seconds"] = round(compiled, 2)
                    evaluates = _crossed(before, done, every["evaluate"]) or done == total
                    if evaluates:
                        with optional("The picture of the curriculum", self.console):
                            self.snapshot(state, records, steps)
                        row["evaluation"] = self.evaluate(state, done)
                    # Not after the last update, since the copies would not be trained.
                    exploits = config.exploit_every and done < total
                    if exploits and _crossed(before, done, every["exploit"]):
                        state, row["exploited"] = self.exploit(state, records, done)
                    state, came = proposals(state, before, done)
                    row |= {"proposed": came} if came else {}
                    self.log.write(row)
                    bar.update(steps, row)
                    enough = self.stops(row, state, done)
                    if row.get("evaluation") and not self.console.is_terminal:
                        bar.line(report.progress_line(row))
                    if _crossed(before, done, every["checkpoint"]) or done == total:
                        self.checkpoints.save(done, state)
                    ends = done == total or enough
                    if ends or (evaluates and time.monotonic() > self._drawn + DRAW_EVERY):
                        self.show(steps)
                if done < total:
                    self.checkpoints.save(done, state)
        finally:
            bar.close()
            proposals.close(done)
        finished = done >= total or enough
        result = {"run": str(self.run), "finished": finished, "updates": done}
        result["steps"] = done * config.steps_per_update
        if not finished:
            return result
        self.warm_up.finish(self.console.print)
        try:
            return result | report.finish(self, state)
        except KeyboardInterrupt:  # the last state is saved
            return result | {"finished": False}

    def stops(self, row: dict[str, Any], state: Any, done: int) -> bool:
        """Pass a row to the callbacks, and return whether one of them ends the training."""
        try:
            return bool(self.callbacks.on_row(row))
        except BaseException:
            self.checkpoints.save(done, state)
            raise

    def exploit(self, state: Any, records: Any, updates: int) -> tuple[Any, list[int]]:
        """Replace the worst seeds of the last chunk by copies of the best; return their sources."""
        episodes = np.maximum(records.metrics["episodes"].sum(-1), 1)
        scores = jnp.asarray(records.metrics["success_sum"].sum(-1) / episodes)
        state, source = population.exploit(state, scores, self._key(updates))
        return self.loop.place(state), np.asarray(source).tolist()

    def _key(self, updates: int) -> Any:
        key = jax.random.fold_in(jax.random.key(self.config.seed), updates)
        return jax.random.fold_in(key, 0x706F70)  # differs from the keys of evaluations

    def show(self, steps: int) -> None:
        """Plot the learning curves and the curriculum, to the run folder and TensorBoard."""
        self._drawn = time.monotonic()
        with optional("The figures", self.console):
            if self.config.pictures:
                self.figures = report.pictures(self)
                paths = {name: Path(path) for name, path in self.figures.items()}
                self.callbacks.on_figures(paths, steps)

    def evaluate(
        self, state: Any, updates: int, *, episodes: int | None = None, greedy: bool = False
    ) -> dict[str, dict[str, Any]]:
        """Return success, return and length by evaluation task, and success by seed if several."""
        if not self.evaluation_tasks:
            return {}
        results = self.play(state, updates, episodes or self.config.evaluation_episodes, greedy)
        scores = {}
        for number, name in enumerate(self.evaluation_tasks):
            success = np.asarray(results.success)[..., number, :].mean(-1)
            scores[name] = {
                "success": float(success.mean()),
                "return": float(np.asarray(results.returns)[..., number, :].mean()),
                "length": float(np.asarray(results.lengths)[..., number, :].mean()),
            }
            if success.ndim:
                scores[name]["success_by_seed"] = success.tolist()
        return scores

    def play(self, state: Any, updates: int, episodes: int, greedy: bool) -> Results:
        """Play episodes of every evaluation task (or set of tasks).

        Returns:
            Arrays [tasks, episodes], with a leading axis of seeds if there are several.
        """
        parts = [fixed_tasks.repeated(x, episodes) for x in self.evaluation_tasks.values()]
        tasks = jnp.asarray(np.concatenate(parts))
        key = jax.random.fold_in(jax.random.key(self.config.seed), updates)
        if greedy not in self._evaluators:
            run = evaluator(self.environment, self.student, greedy=greedy)

            def one(student_state, key, tasks):
                return run(student_state, key, tasks)

            def each(student_states, key, tasks):
                return jax.lax.map(lambda s: one(s, key, tasks), student_states)

            self._evaluators[greedy] = jax.jit(each if self.config.num_seeds > 1 else one)
        results = self._evaluators[greedy](state.student, key, tasks)
        shape = (len(self.evaluation_tasks), episodes)
        return Results(*(np.asarray(x).reshape(*x.shape[:-1], *shape) for x in results))

    def snapshot(self, state: Any, records: Any, steps: int) -> None:
        """Save recent tasks and outcomes, and the teacher's beliefs (of the first seed)."""
        first = (lambda x: x[0]) if self.config.num_seeds > 1 else (lambda x: x)
        records, teacher_state = jax.tree.map(first, (records, state.teacher))
        beliefs = jax.device_get(self.loop.teacher.picture(teacher_state))
        snapshot = snapshot_of(steps, records.tasks, records.outcomes, beliefs)
        if snapshot.tasks.size:
            save_snapshot(self.run / "curriculum" / f"{steps:012d}.npz", snapshot)


def _crossed(before: int, now: int, every: int) -> bool:
    return before // every != now // every


def settled(config: TrainConfig) -> TrainConfig:
    """Validate settings and import the user code that they name.

    Raises:
        SettingError: a setting is invalid, or the code cannot be imported.
    """
    config = checked(config)
    return dataclasses.replace(config, imports=import_all(config.imports))


def _resumed(run: Path, imports: Sequence[str] | None = None) -> TrainConfig:
    if not (run / CONFIG).is_file():
        raise SettingError("--resume", str(run), "a run folder")
    writable("--resume", run)
    config = read_run(run / CONFIG, run)
    import_all(config.imports if imports is None else imports)
    return config


def default_name(config: TrainConfig) -> str:
    """Return the name of numbered folders of runs."""
    return "-".join(map(objects.without_label, (config.env, config.teacher))).replace(os.sep, "-")


def _new_folder(config: TrainConfig) -> Path:
    """Create the folder of a new run and save its settings there."""
    if config.run is not None and (Path(config.run) / CONFIG).exists():
        run = str(config.run)
        raise SettingError("--run", run, f"a new folder; it holds a run: --resume {run} resumes it")
    run = new_folder("--run", config.run, default_name(config))
    with _write_errors(run):
        write_whole(run / CONFIG, json.dumps(to_dict(config), indent=1) + "\n")
    return run


@contextlib.contextmanager
def _write_errors(run: Path) -> Iterator[None]:
    """Report an `OSError` as a `SettingError` that names the last valid checkpoint."""
    try:
        yield
    except OSError as error:
        saved = Checkpoints(run / "checkpoints").saved()
        safe = f"the last checkpoint is {saved[-1]}" if saved else "no checkpoint was saved"
        raise SettingError(
            "run", str(run), f"on a writable disk ({error.strerror or error}; {safe})"
        ) from error


@contextlib.contextmanager
def signals() -> Iterator[list[int]]:
    """Yield a list that becomes non-empty when a stop is requested (Ctrl-C or SIGTERM).

    The current chunk is finished and saved first; a second Ctrl-C interrupts immediately.
    """
    asked: list[int] = []

    def note(number, frame):
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # signal handlers can only be set in the main thread
        yield asked
        return
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def cache_compilations() -> None:
    """Enable JAX's persistent compilation cache, unless the user has configured one."""
    if (
        jax.config.values["jax_compilation_cache_dir"] is None
        and "JAX_COMPILATION_CACHE_DIR" not in os.environ
    ):
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(cache) / "didact" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
