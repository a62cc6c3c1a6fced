"""The host's part of a training: the compiled chunks, and the work between them."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.display import Display
from didact.experiments import distributed, finite, population, setup
from didact.experiments.evaluation import fixed_tasks
from didact.experiments.evaluation.evaluate import Results, evaluator
from didact.experiments.evaluation.scores import scores_of
from didact.experiments.preparation import memory_errors
from didact.experiments.runs import logs, origin, report, resuming
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.runs.curriculum_pictures import thumbnails_of
from didact.experiments.runs.curriculum_snapshots import save_snapshot, snapshot_of
from didact.experiments.runs.optional import optional
from didact.experiments.runs.rewinding import forget_after
from didact.experiments.runs.stopping import Abandoned, Stop, signals
from didact.experiments.runs.warm_up import WarmUp
from didact.experiments.tasks import proposers

DRAW_EVERY = 30.0  # seconds, at least, between figures


class Training:
    """The host side of a training; see `train`."""

    def __init__(self, config, run, environment, loop, evaluation_tasks, console, callbacks):
        self.callbacks = callbacks
        self.config, self.run, self.environment, self.loop = config, run, environment, loop
        self.evaluation_tasks, self.console = evaluation_tasks, console
        self.checkpoints = Checkpoints(run / "checkpoints")
        self.student = setup.student_of(config, environment, alone=True)
        self.figures: dict[str, str] = {}  # paths of the latest figures by name
        self.thumbnails = thumbnails_of(environment)
        self._drawn = time.monotonic()
        self._evaluators: dict[tuple[bool, int], Any] = {}
        self.stop = Stop()
        self._rewinds: int | None = None  # the checkpoint that is asked for, until it is restored

    def go(self, resumed: bool, checkpoint: int | None) -> dict[str, Any]:
        """Train to the end, or until a signal arrives; see `train`."""
        with signals() as self.stop:
            self.loop.compile = lambda lowered: self.stop.wait_for(lowered.compile)
            self._rewinds = checkpoint
            try:
                result = self._go(resumed)
            except Abandoned:  # before the first update
                latest = (self.checkpoints.saved() or [0])[-1]
                result = self._result(latest if self._rewinds is None else self._rewinds)
        if not result["finished"]:
            self.stop.check(result)
        return result

    def _result(self, done: int, *, finished: bool = False) -> dict[str, Any]:
        steps = done * self.config.steps_per_update
        result = {"run": str(self.run), "finished": finished, "updates": done, "steps": steps}
        if finished:
            return result
        return result | {"resume": resuming.command(self.config, self.run, self._rewinds)}

    def _restored(self, state: Any) -> Any:
        """Return the state of a checkpoint, if there is one, and forget what came after it."""
        like = distributed.own(distributed.whole(state, self.loop.mesh))
        with distributed.together():
            rows = logs.read(self.run / logs.METRICS)
            if self._rewinds is not None or self.checkpoints.saved() or rows:
                changed = origin.difference(self.run)
                restored = self.checkpoints.restore(like, self._rewinds, changed)
                state = self.loop.place(restored)
        done = int(np.max(np.asarray(state.updates)))
        distributed.require_same(done, "--resume", self.run, "in a folder that all processes share")
        if distributed.first():
            total = self.config.num_updates
            forget_after(self.run, done, self.config.steps_per_update, total)
        self._rewinds = None
        return state

    def _go(self, resumed: bool) -> dict[str, Any]:
        config, loop, space = self.config, self.loop, self.environment.task_space
        with self.stop.compiling():
            state = loop.init(config.seed)
        if config.exploit_every:
            state = loop.place(population.randomise_weights(state, self._key(0)))
        if resumed:
            state = self._restored(state)
        done = int(np.max(np.asarray(state.updates)))
        self.warm_up = WarmUp(config, state.teacher)
        finite.require_finite_state(config, state, done)
        total, k = config.num_updates, config.updates_per_chunk
        self.log = logs.Log(self.run, done)
        people: population.Population | None = None
        if config.exploit_every:
            rows = logs.read(self.run / logs.METRICS)
            people = population.Population(config.num_seeds, loop.initial_carry(), rows)
        if done == 0:
            self.save(0, state)
        with distributed.together():
            self.callbacks.on_start(self.run, config, done * config.steps_per_update)
        begun = time.perf_counter()
        every = {
            "evaluate": max(k, round(total * config.evaluate_every)),
            "checkpoint": max(k, round(total * config.checkpoint_every)),
            "exploit": max(k, round(total * config.exploit_every)),
        }
        seconds, enough = self.log.seconds, False
        proposals: proposers.ProposerRunner | None = None
        bar = logs.ProgressBar(
            self.console, total * config.steps_per_update, done * config.steps_per_update
        )
        try:
            self._open(bar, done)
            proposals = proposers.ProposerRunner(
                config, self.environment, loop, self.run, done, tell=bar.line
            )
            with self.stop.compiling():
                loop.compiled(state, k)
            compiled = time.perf_counter() - begun
            bar.compiled()
            crossed = _crossed(done - k, done, every["evaluate"]) or done == total
            if self.log.unevaluated and crossed:
                with contextlib.suppress(Abandoned):
                    self.log.add_evaluation(self.evaluate(state, done))
            while done < total and not distributed.agreed(bool(self.stop)) and not enough:
                start = time.perf_counter()
                state, records = loop.chunk(state, k)
                records = jax.device_get(records)
                seconds += time.perf_counter() - start
                saved = self.checkpoints.saved()
                finite.require_finite_records(config, records, done, saved)
                finite.require_tasks_inside(config, space, records, done, saved)
                before, done = done, done + k
                finite.require_teacher_without_nan(config, state.teacher, done, saved)
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
                    with contextlib.suppress(Abandoned):
                        row["evaluation"] = self.evaluate(state, done)
                # Not after the last update, since the copies would not be trained.
                due = done < total and _crossed(before, done, every["exploit"])
                if people is not None:
                    key = self._key(done) if due else None
                    state, exploited = people.after_chunk(state, records.metrics, key)
                    state, row = loop.place(state) if due else state, row | exploited
                state, came = proposals(state, before, done)
                row |= {"proposed": came} if came else {}
                with self.saved_on_errors(done, state):
                    self.log.write(row)
                    bar.update(steps, row)
                    enough = self.callbacks.on_row(row)
                enough = distributed.agreed(enough)
                if row.get("evaluation") and not self.console.is_terminal:
                    bar.line(report.progress_line(row))
                if _crossed(before, done, every["checkpoint"]) or done == total:
                    self.save(done, state)
                if evaluates or enough:
                    with self.saved_on_errors(done, state):
                        self.show(steps, last=done == total or enough)
            if done < total:
                self.save(done, state)
        finally:
            with contextlib.suppress(OSError):  # the terminal may be gone
                bar.close()
            if proposals is not None:
                proposals.close(done)
        self.stop.at_once = True  # the last state is saved
        if (done < total and not enough) or self.stop:
            return self._result(done)
        self.warm_up.finish(Display(self.console).line)
        state = distributed.own(distributed.whole(state, loop.mesh))
        if not distributed.first():
            return self._result(done, finished=True)
        try:
            return self._result(done, finished=True) | report.finish(self, state)
        except (KeyboardInterrupt, SystemExit):
            if not self.stop:
                raise
            return self._result(done)

    def _open(self, bar: logs.ProgressBar, done: int) -> None:
        """Print what is unusual about the start of a training."""
        config = self.config
        if self.log.damaged:
            count = "1 line" if self.log.damaged == 1 else f"{self.log.damaged} lines"
            bar.line(f"{count} of {logs.METRICS} could not be read: moved to {self.log.aside}")
        if self.log.lost:
            bar.line(f"{logs.METRICS} has no row of the checkpoint after update {done}")
        if (rounded := config.num_updates * config.steps_per_update) != config.steps and done == 0:
            chunk = config.updates_per_chunk * config.steps_per_update
            bar.line(
                f"--steps {config.steps:,} becomes {rounded:,}: whole chunks of {chunk:,} steps"
            )

    @contextlib.contextmanager
    def saved_on_errors(self, done: int, state: Any) -> Iterator[None]:
        """Save the state if the block raises an exception, in this process or in another."""
        try:
            with distributed.together():
                yield
        except BaseException:
            self.save(done, state)
            raise

    def save(self, done: int, state: Any) -> None:
        """Save a checkpoint, which has the whole state also if others hold parts of it."""
        state = distributed.own(distributed.whole(state, self.loop.mesh))
        with distributed.together():
            if distributed.first():
                self.checkpoints.save(done, state)

    def _key(self, updates: int) -> Any:
        key = jax.random.fold_in(jax.random.key(self.config.seed), updates)
        return jax.random.fold_in(key, 0x706F70)  # differs from the keys of evaluations

    def show(self, steps: int, *, last: bool = False) -> None:
        """Plot the learning curves and the curriculum, unless that was done a moment ago."""
        if not self.config.pictures or not (last or time.monotonic() > self._drawn + DRAW_EVERY):
            return
        self._drawn, drawn = time.monotonic(), {}
        with optional("The figures", self.console):
            drawn = self.figures = report.pictures(self)
        if drawn:
            self.callbacks.on_figures({name: Path(path) for name, path in drawn.items()}, steps)

    def evaluate(
        self, state: Any, updates: int, *, episodes: int | None = None, greedy: bool = False
    ) -> dict[str, dict[str, Any]]:
        """Return success, return and length by evaluation task, and success by seed if several."""
        if not self.evaluation_tasks:
            return {}
        results = self.play(state, updates, episodes or self.config.evaluation_episodes, greedy)
        return scores_of(results, self.evaluation_tasks, self.config)

    def play(self, state: Any, updates: int, episodes: int, greedy: bool) -> Results:
        """Play episodes of every evaluation task (or set of tasks).

        Returns:
            Arrays [tasks, episodes], with a leading axis of seeds if there are several.

        Raises:
            Abandoned: a stop was requested.
        """
        parts = [fixed_tasks.repeated(x, episodes) for x in self.evaluation_tasks.values()]
        tasks = jnp.asarray(np.concatenate(parts))
        key = jax.random.fold_in(jax.random.key(self.config.seed), updates)
        arguments = distributed.own(state.student), key, tasks
        if (greedy, episodes) not in self._evaluators:
            run = evaluator(self.environment, self.student, greedy=greedy)

            def one(student_state, key, tasks):
                return run(student_state, key, tasks)

            def each(student_states, key, tasks):
                return jax.lax.map(lambda s: one(s, key, tasks), student_states)

            program = jax.jit(each if self.config.num_seeds > 1 else one)
            with self.stop.compiling():
                lowered = program.lower(*arguments)
            self._evaluators[greedy, episodes] = self.loop.compile(lowered)
        play = self._evaluators[greedy, episodes]
        with memory_errors("--evaluation-episodes", self.config.evaluation_episodes):
            results = self.stop.wait_for(lambda: jax.device_get(play(*arguments)))
        shape = (len(self.evaluation_tasks), episodes)
        return jax.tree.map(lambda x: np.asarray(x).reshape(*x.shape[:-1], *shape), results)

    def snapshot(self, state: Any, records: Any, steps: int) -> None:
        """Save recent tasks and outcomes, and the teacher's beliefs (of the first seed)."""
        first = (lambda x: x[0]) if self.config.num_seeds > 1 else (lambda x: x)
        teacher_state = distributed.own(state.teacher)
        records, teacher_state = jax.tree.map(first, (records, teacher_state))
        beliefs = jax.device_get(self.loop.teacher.picture(teacher_state))
        snapshot = snapshot_of(steps, records.tasks, records.outcomes, beliefs)
        if snapshot.tasks.size:
            save_snapshot(self.run / "curriculum" / f"{steps:012d}.npz", snapshot)


def _crossed(before: int, now: int, every: int) -> bool:
    return before // every != now // every
