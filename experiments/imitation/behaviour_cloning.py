"""Run behaviour cloning on a recording and save the policy to a run folder."""

import contextlib
import itertools
import os
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from didact.common import display
from didact.common.files import locked_folder, new_folder
from didact.common.settings import checked
from didact.environments import Environment, SettingError, TaskSpace
from didact.environments.text_settings import make_with_text_settings
from didact.experiments import finite
from didact.experiments.evaluation.evaluate import evaluator, summary
from didact.experiments.preparation import cache_compilations, disk_errors
from didact.experiments.runs import logs, policy_files
from didact.experiments.runs.stopping import Abandoned, signals
from didact.experiments.setup import narrow_task_space
from didact.students import DistillConfig, behaviour_cloning, card, open_recording, save_policy
from didact.students.data.recordings import Recording

LENGTH = 32  # steps per sequence
MAX_LANES = 512
TEST_EPISODES = 512
ROWS = 50  # rows of metrics per run


def clone_recording(
    path: str | os.PathLike[str],
    config: DistillConfig | None = None,
    *,
    env: str | None = None,
    steps: int = 3_000_000,
    seed: int = 0,
    run: Path | None = None,
) -> dict[str, Any]:
    """Train a student to imitate a recording, then evaluate it.

    Args:
        path: path of the recording.
        config: settings of the student.
        env: environment to evaluate in; the recording's if None.
        steps: number of recorded steps to learn from; the recording is repeated as needed.
        seed: seed of the parameters and of the order of the data.
        run: new folder for the run; a folder under runs/ if None.

    Returns:
        `run`, `finished`, `steps`, `seconds`, `evaluation` and `files`, as for `train`.

    Raises:
        Interrupted, Terminated: cloning was stopped, as for `train`; the current policy is saved
            without an evaluation.
        SettingError: the recording cannot be used, or a setting is invalid.
    """
    config = checked(config or DistillConfig(), "distill.")
    if steps < 1:
        raise SettingError("--steps", steps, "at least 1")
    recording = open_recording(path)
    environment = make_with_text_settings(
        env or recording.environment,
        () if env else recording.environment_settings,
        "--env",
    )
    recording.check(environment.observation_space, environment.action_space)
    tasks = () if env else _tasks(recording)
    space = narrow_task_space(environment.task_space, tasks)
    parts = config.num_minibatches
    lanes = min(MAX_LANES, len(recording)) // parts * parts
    if not lanes:
        allowed = f"a recording with at least {parts} episodes, one per minibatch"
        raise SettingError("recording", str(path), allowed)
    updates = -(-steps // (LENGTH * lanes))
    cloner = behaviour_cloning(
        environment.observation_space, environment.action_space, config, num_updates=updates
    )
    folder = new_folder("--run", run, f"{environment.name}-clone")
    cache_compilations()
    with locked_folder("--run", folder), disk_errors(folder):
        state, result, stop = _learn(cloner, config, recording, (updates, lanes), seed, folder)

        def save() -> dict[str, str]:
            about = _card(recording, environment, config, result, own=env is None)
            params = jax.tree.map(np.asarray, state.params)
            return {"policy": str(save_policy(folder / "policy", about, params))}

        with signals() as saving:  # a signal must not cut it off
            result["files"] = save()
        saving.check(result)
        stop.check(result)
        if result["finished"]:
            with signals() as stop, contextlib.suppress(Abandoned):
                tested = stop.wait_for(lambda: _test(environment, space, cloner, state, seed))
                result["evaluation"] = {environment.name: tested}
                save()  # with the scores on its card
            stop.check(result)
    return result


def _learn(
    cloner: Any,
    config: DistillConfig,
    recording: Recording,
    size: tuple[int, int],
    seed: int,
    folder: Path,
) -> tuple[Any, dict[str, Any], Any]:
    """Train until the end or a signal; return the state, the result so far, and the `Stop`."""
    updates, lanes = size
    done, state = 0, jax.jit(cloner.student.init)(jax.random.key(seed))
    learn = jax.jit(cloner.learn, donate_argnums=(0, 1))
    carry = cloner.student.initial_carry(lanes)
    windows = recording.batches(lanes, LENGTH, seed, repeat=True)
    begun, log = time.perf_counter(), logs.Log(folder, 0)
    board = logs.EventWriter(folder / "tensorboard")
    bar = logs.ProgressBar(display.terminal(), updates * LENGTH * lanes, 0, "cloning")
    every = max(1, updates // ROWS)
    # Stop only between updates, because an update donates the state.
    with contextlib.closing(bar), contextlib.closing(board), signals() as stop:
        first, key = next(windows), jax.random.key(seed)
        with contextlib.suppress(Abandoned):
            learn = stop.wait_for(learn.lower(state, carry, first, key).compile)
        for window in itertools.chain([first], windows):
            if stop or done == updates:
                break
            key = jax.random.fold_in(jax.random.key(seed), done)
            state, carry, metrics = learn(state, carry, window, key)
            done += 1
            if done % every == 0 or done == updates:
                metrics = jax.device_get(metrics)
                rate = f"learning rate than {config.learning_rate:g}"
                finite.require_finite_metrics(metrics, f"update {done}", rate)
                _tell(log, board, bar, done, LENGTH * lanes, time.perf_counter() - begun, metrics)
    result: dict[str, Any] = {"run": str(folder), "finished": done == updates}
    result |= {"steps": done * LENGTH * lanes, "seconds": time.perf_counter() - begun}
    return state, result, stop


def _tasks(recording: Recording) -> tuple[str, ...]:
    """Return the `--tasks` with which the recording was made.

    Raises:
        SettingError: the tasks in the recording's card are malformed.
    """
    tasks = recording.card.get("tasks", [])
    if not isinstance(tasks, list) or not all(isinstance(text, str) for text in tasks):
        raise SettingError("tasks of the recording", tasks, "a list of NAME=VALUE strings")
    return tuple(tasks)


def _tell(log, board, bar, done: int, size: int, seconds: float, metrics: Any) -> None:
    learning = {name: float(x) for name, x in metrics.items()}
    rate = done * size / seconds
    row = {"updates": done, "steps": done * size, "seconds": round(seconds, 3)}
    row |= {"steps_per_second": rate, "success": None, "learning": learning}
    log.write(row)
    board.scalars(logs.numbers(row), row["steps"])
    bar.update(done * size, row)


def _test(
    environment: Environment, space: TaskSpace, cloner: Any, state: Any, seed: int
) -> dict[str, Any]:
    results = {}
    tasks = space.sample(jax.random.key(seed), TEST_EPISODES)
    for mode in ("sampled", "greedy"):
        run = jax.jit(evaluator(environment, cloner.student, greedy=mode == "greedy"))
        results[mode] = summary(run(state, jax.random.key(seed + 1), tasks))
    return results


def _card(recording: Recording, environment, config, result, *, own: bool) -> dict[str, Any]:
    """Return the policy's card; `own`: the policy was evaluated in the recording's environment."""
    scores = {
        name: {mode: means["success"] for mode, means in modes.items()}
        for name, modes in result.get("evaluation", {}).items()
    }
    tasks = list(_tasks(recording)) if own else []
    return card(
        environment.name,
        environment.observation_space,
        environment.action_space,
        config.network,
        description=f"Cloned from {len(recording)} episodes of {recording.who}",
        environment_settings=list(recording.environment_settings) if own else [],
        training={
            "recording": str(recording.folder),
            "steps": result["steps"],
            "settings": {"tasks": tasks},
        },
        scores=scores,
        versions=policy_files.versions(),
    )
