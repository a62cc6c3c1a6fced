"""The results of a finished training: policy, figures, video and a summary table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from didact.common.display import Display
from didact.common.intervals import t_interval
from didact.environments import SettingError
from didact.environments.base import PICTURES
from didact.experiments.evaluation import watch
from didact.experiments.objects import objects_of, without_label
from didact.experiments.plotting import training_curves
from didact.experiments.runs import curriculum_pictures, logs, policy_files
from didact.experiments.runs.curriculum_snapshots import load_snapshots
from didact.experiments.runs.optional import optional
from didact.students import load_policy


def progress_line(row: dict[str, Any]) -> str:
    """Format a row of metrics as one line, for output that is not a terminal."""
    evaluation = row["evaluation"]
    scores = "  ".join(f"{short_name(n)} {x['success']:.1%}" for n, x in evaluation.items())
    return f"{logs.short(row['steps']):>7} steps  {row['seconds']:5.0f} s  {scores}"


def short_name(name: str) -> str:
    """Strip package prefix and version from an id: GoTo for BabyAI-GoTo-v0."""
    found = re.fullmatch(r"(?:[^-]+-)?(.+)-v\d+", name)
    return found[1] if found else name


def finish(training: Any, state: Any) -> dict[str, Any]:
    """Run the final evaluation, and save policy, figures and video."""
    config, run = training.config, Path(training.run)
    episodes = policy_files.FINAL_EPISODES * config.evaluation_episodes
    updates = int(np.max(np.asarray(state.updates)))
    evaluation: dict[str, Any] = {}
    for mode, greedy in (("sampled", False), ("greedy", True)):
        scores = training.evaluate(state, updates + 1 + greedy, episodes=episodes, greedy=greedy)
        for name, row in scores.items():
            if "success_by_seed" in row:
                interval = np.clip(t_interval(row["success_by_seed"]), 0, 1)
                row["interval"] = interval.tolist()
            evaluation.setdefault(name, {})[mode] = row
    files: dict[str, str] = {"policy": policy_files.save(training, state, updates, evaluation)}
    if config.pictures and not training.figures:
        with optional("The figures", training.console):
            training.figures = pictures(training)
    files |= training.figures
    if config.video and PICTURES in training.environment.render_modes:
        with optional("The video", training.console):
            files["video"] = _video(training)
    rows = logs.read(run / logs.METRICS)
    speeds = [row["steps_per_second"] for row in rows if row.get("steps_per_second") is not None]
    return {
        "seconds": training.log.seconds if not rows else rows[-1].get("seconds") or 0.0,
        "compile_seconds": rows[0].get("compile_seconds") if rows else None,
        "steps_per_second": float(np.median(speeds)) if speeds else None,
        "evaluation": evaluation,
        "files": files,
    }


def _video(training: Any) -> str:
    """Record a video of the policy on the evaluation tasks, and return its path."""
    run = Path(training.run)
    policy = load_policy(run / "policy", objects_of(training.config).student)
    named = [np.atleast_2d(tasks) for tasks in training.evaluation_tasks.values()]
    tasks = np.concatenate(named) if named else None
    video = watch.record(
        policy,
        training.environment,
        run / "video.gif",
        tasks=tasks,
        episodes=6,
        seed=training.config.seed,
    )
    return str(video)


def curves(
    rows: Sequence[Mapping[str, Any]], evaluation_tasks: Iterable[str]
) -> tuple[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Extract learning curves from rows of metrics.

    The curves show success rates, or returns if no episode is ever successful, since some
    environments have rewards but no notion of success.

    Returns:
        "success" or "return", and for each curve its steps [m] and values [m] or [seeds, m].
    """
    points = {"on the teacher's tasks": [(row["steps"], row) for row in rows]}
    for name in evaluation_tasks:
        found = [row for row in rows if name in row.get("evaluation", {})]
        points[short_name(name)] = [(row["steps"], row["evaluation"][name]) for row in found]
    points = {
        label: [(steps, row) for steps, row in curve if row.get("success") is not None]
        for label, curve in points.items()
    }
    every = [row for curve in points.values() for _, row in curve]
    paid = any(row.get("return") for row in every) and not any(row["success"] for row in every)
    measure = "return" if paid else "success"
    series = {}
    for label, curve in points.items():
        if curve:
            values = [row.get(f"{measure}_by_seed", [row.get(measure)]) for _, row in curve]
            series[label] = np.array([steps for steps, _ in curve]), np.array(values, float).T
    return measure, series


def pictures(training: Any) -> dict[str, str]:
    """Plot the learning curve and the curriculum, and return the paths by name."""
    run = Path(training.run)
    rows = logs.read(run / logs.METRICS)
    files = {}
    measure, series = curves(rows, training.evaluation_tasks)
    if series:
        path = training_curves.learning_curves(
            run / "learning_curve.png",
            series,
            y_label="success rate" if measure == "success" else "episode return",
            y_limits=(0, 1.02) if measure == "success" else None,
            title=without_label(training.config.env),
        )
        files["learning curve"] = str(path)
    try:
        snapshots = load_snapshots(run / "curriculum", training.environment.task_space.size)
    except SettingError as error:  # a damaged snapshot must not end the training
        Display(training.console).line(f"The curriculum was not plotted: {error}")
        snapshots = []
    seen = curriculum_pictures.view(training.environment, snapshots)
    if seen is not None:
        label = curriculum_pictures.progress_of(training.config.teacher)
        drawn = curriculum_pictures.draw(run, seen, training.thumbnails, progress=label)
        files |= {name: str(path) for name, path in drawn.items()}
    return files


def table(result: dict[str, Any]) -> Table:
    """Return a summary table of a training's results."""
    made = Table(
        title=f"{result['steps']:,} steps in {result['seconds']:.0f} s", title_style="bold"
    )
    made.add_column("success in", no_wrap=True)
    for name in ("sampled", "greedy", "return", "steps"):
        made.add_column(name, justify="right")
    if not result["evaluation"]:
        made.add_row("(no evaluation tasks; set --evaluate-on)", "-", "-", "-", "-")
    for name, scores in result["evaluation"].items():
        sampled, greedy = scores["sampled"], scores["greedy"]
        made.add_row(
            short_name(name),
            _rate(sampled),
            _rate(greedy),
            f"{sampled['return']:.3f}",
            f"{sampled['length']:.1f}",
        )
    return made


def _rate(row: dict[str, Any]) -> str:
    text = f"{row['success']:.1%}"
    if "interval" in row:
        low, high = row["interval"]
        text += f" [{low:.1%}, {high:.1%}]"
    return text
