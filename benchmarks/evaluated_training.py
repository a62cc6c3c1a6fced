"""A training that is tested on its way: what all benchmarks of learning have in common."""

import contextlib
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import numpy as np

from didact.experiments.config import TrainConfig
from didact.experiments.loop import Loop, TrainState
from didact.experiments.runs import logs

Tell = Callable[[str], None]  # shows a line to the user
Between = Callable[[TrainState, dict[str, np.ndarray], int, Tell], TrainState]


class EvaluatedTraining(NamedTuple):
    """What came of a training."""

    state: TrainState
    steps: list[int]  # environment steps of each seed at the tests
    tests: list[Any]  # what was found there
    episodes: int  # that ended in the training
    seconds: float  # of training, without compiling and tests
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
    """Trains from nothing, with a progress bar, and tests after some of the chunks.

    Args:
        loop, settings: of the training.
        marks: chunks after which to test, from 1 on.
        test: `test(state, chunk)`, success rates of any shape; their mean is shown.
        label: shown beside the bar.
        seed: the first, if it is not that of the settings.
        start: changes the state before the first chunk.
        between: `between(state, metrics, chunk, tell)` changes it after each.
    """
    state = start(loop.init(settings.seed if seed is None else seed))
    k = settings.updates_per_chunk
    each = k * settings.steps_per_update
    chunks = settings.num_updates // k
    begun = time.perf_counter()
    loop.compiled(state, k)
    compile_seconds = time.perf_counter() - begun
    steps, tests, episodes, seconds = [], [], 0, 0.0
    bar = logs.ProgressBar(logs.terminal(), chunks * each, 0, label)
    with contextlib.closing(bar):
        for number in range(1, chunks + 1):
            begun = time.perf_counter()
            state, records = loop.chunk(state, k)
            metrics = jax.device_get(records.metrics)
            spent = time.perf_counter() - begun
            seconds += spent
            row = logs.chunk_row(metrics)
            row["steps_per_second"] = each * settings.num_seeds / spent
            episodes += row["episodes"]
            bar.update(number * each, row)
            state = between(state, metrics, number, bar.line)
            if number in marks:
                steps.append(number * each)
                tests.append(test(state, number))
                if not bar.console.is_terminal:
                    told = f"{number * each / 1e6:.2f}M steps  {np.mean(tests[-1]):.1%}"
                    bar.line(f"{label}  {told}")
    return EvaluatedTraining(state, steps, tests, episodes, seconds, compile_seconds)


def evenly_spaced(settings: TrainConfig, points: int) -> set[int]:
    """Chunks after which to test, evenly spread; the last one among them."""
    chunks = settings.num_updates / settings.updates_per_chunk
    return {max(1, round(chunks * (i + 1) / points)) for i in range(points)}
