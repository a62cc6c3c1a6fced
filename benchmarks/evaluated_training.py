"""Trainings with intermediate evaluations, shared by all learning benchmarks."""

import contextlib
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import numpy as np

from didact.common import display
from didact.experiments import finite
from didact.experiments.config import TrainConfig
from didact.experiments.loop import Loop, TrainState
from didact.experiments.runs import logs

Tell = Callable[[str], None]  # shows a line to the user
Between = Callable[[TrainState, dict[str, np.ndarray], int, Tell], TrainState]


class EvaluatedTraining(NamedTuple):
    """The results of a training with evaluations."""

    state: TrainState
    steps: list[int]  # environment steps per seed at each evaluation
    tests: list[Any]  # result of each evaluation
    episodes: int  # number of episodes that ended during training
    seconds: float  # training time, without compilation and evaluations
    compile_seconds: float


def train_with_evaluations(
    loop: Loop,
    settings: TrainConfig,
    marks: Collection[int],
    test: Callable[[TrainState, int], Any],
    label: str,
    *,
    seed: int | None = None,
    start: Callable[[TrainState], TrainState] = lambda state: state,
    between: Between = lambda state, metrics, number, tell: state,
) -> EvaluatedTraining:
    """Train from scratch with a progress bar, and evaluate after some of the chunks.

    Args:
        loop: compiled loop.
        settings: settings of the training.
        marks: chunks after which to evaluate, counted from 1.
        test: `test(state, chunk)` returns success rates of any shape; their mean is shown.
        label: label of the progress bar.
        seed: first seed; that of the settings if None.
        start: maps the initial state to the state before the first chunk.
        between: `between(state, metrics, chunk, tell)` returns the state after each chunk and its
            evaluation, which are those of the trained student even if `between` replaces it.
    """
    state = start(loop.init(settings.seed if seed is None else seed))
    k = settings.updates_per_chunk
    each = k * settings.steps_per_update
    chunks = settings.num_updates // k
    begun = time.perf_counter()
    loop.compiled(state, k)
    compile_seconds = time.perf_counter() - begun
    steps, tests, episodes, seconds = [], [], 0, 0.0
    bar = logs.ProgressBar(display.terminal(), chunks * each, 0, label)
    with contextlib.closing(bar):
        for number in range(1, chunks + 1):
            begun = time.perf_counter()
            state, records = loop.chunk(state, k)
            records = jax.device_get(records)
            metrics = records.metrics
            spent = time.perf_counter() - begun
            seconds += spent
            finite.require_finite_records(settings, records, (number - 1) * k, ())
            space = loop.environment.task_space
            finite.require_tasks_inside(settings, space, records, (number - 1) * k, ())
            finite.require_teacher_without_nan(settings, state.teacher, number * k, ())
            row = logs.chunk_row(metrics)
            row["steps_per_second"] = each * settings.num_seeds / spent
            episodes += row["episodes"]
            bar.update(number * each, row)
            if number in marks:
                steps.append(number * each)
                tests.append(test(state, number))
                if not bar.console.is_terminal:
                    score = f"{logs.short(number * each)} steps  {np.mean(tests[-1]):.1%}"
                    bar.line(f"{label}  {score}")
            state = between(state, metrics, number, bar.line)
    return EvaluatedTraining(state, steps, tests, episodes, seconds, compile_seconds)


def evenly_spaced(settings: TrainConfig, points: int) -> set[int]:
    """Return evenly spaced chunks after which to evaluate, including the last one."""
    chunks = settings.num_updates / settings.updates_per_chunk
    return {max(1, round(chunks * (i + 1) / points)) for i in range(points)}
