"""The film of a curriculum: one frame for each snapshot, with the teacher's beliefs at the time."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from didact.environments.task_spaces import Box
from didact.experiments.plotting.beliefs_plot import draw_beliefs, model_range, words
from didact.experiments.plotting.levels_plot import (
    Thumbnails,
    best,
    draw_ranks,
    has_levels,
    show_level,
)
from didact.experiments.plotting.style import COLOURS, drawing_style, mean_or_nan, short_steps
from didact.experiments.plotting.task_panels import (
    choice_in_words,
    colouring,
    columns_of,
    draw_tasks,
    name_of,
    ready,
    set_axes,
)
from didact.experiments.plotting.video import Frame, write_video
from didact.experiments.runs.curriculum_snapshots import CurriculumSnapshot

HOLD = 1.5  # seconds for which the last frame stays


def film(
    path: str | os.PathLike[str],
    snapshots: Sequence[CurriculumSnapshot],
    space: Box,
    *,
    names: Sequence[str] | None = None,
    thumbnails: Thumbnails | None = None,
    levels: Sequence[CurriculumSnapshot] | None = None,
    title: str = "",
    progress: str = "learning progress",
    fps: float = 3,
    dpi: int = 90,
) -> Path:
    """Write the film of a curriculum as .gif or .mp4, and return its path.

    Args:
        path: output file.
        snapshots, space, names, title, progress: as for `curriculum`.
        thumbnails, levels: as for `frames`.
        fps: snapshots per second.
        dpi: dots per inch.

    Raises:
        SettingError: there is no snapshot with a task, or the type of the file is not supported.
    """
    drawn = list(
        frames(
            snapshots,
            space,
            names=names,
            thumbnails=thumbnails,
            levels=levels,
            title=title,
            progress=progress,
            dpi=dpi,
        )
    )
    return write_video(path, drawn + drawn[-1:] * round(HOLD * fps), fps)


def frames(
    snapshots: Sequence[CurriculumSnapshot],
    space: Box,
    *,
    names: Sequence[str] | None = None,
    thumbnails: Thumbnails | None = None,
    levels: Sequence[CurriculumSnapshot] | None = None,
    title: str = "",
    progress: str = "learning progress",
    last: int | None = None,
    dpi: int = 90,
) -> Iterator[Frame]:
    """Yield the frames of a film, all of the same size and with the same axes and colours.

    A frame shows the tasks of a snapshot and the teacher's beliefs in two dimensions, the success
    rate so far and, if the teacher has a buffer of levels, the most probable of them.

    Args:
        snapshots, space, names, title, progress: as for `curriculum`.
        thumbnails: a function that draws tasks as pictures; None for the distribution by rank.
        levels: snapshots whose beliefs have the levels as tasks, if those of `snapshots` are
            features of tasks; by default the same snapshots.
        last: number of frames at the end of the film to yield; all if None.
        dpi: dots per inch.

    Raises:
        SettingError: there is no snapshot with a task.
    """
    whole = {s.steps: s for s in (snapshots if levels is None else levels)}
    snapshots = ready(snapshots, space)
    shown = columns_of(snapshots, space, names)
    values, scale, label, _ = colouring(snapshots, space, progress)
    beliefs = [s.beliefs for s in snapshots]
    limits, drawn = model_range(beliefs), words(beliefs)
    parts = [part for part in (title, choice_in_words(space, shown)) if part]
    steps = np.array([s.steps for s in snapshots])
    rates = np.array([mean_or_nan(s.success) for s in snapshots])
    replayed = [whole[s.steps] for s in snapshots if has_levels(whole[s.steps])]
    scores = np.concatenate([np.ravel(s.beliefs["scores"]) for s in replayed] or [np.zeros(1)])
    margin = 0.05 * (np.ptp(scores) or 1)
    score_limits = float(scores.min() - margin), float(scores.max() + margin)

    for i in range(len(snapshots))[-last if last else 0 :]:
        snapshot, rng = snapshots[i], np.random.default_rng(0)
        with drawing_style():
            width = 9.6 if replayed else 6.4
            figure = Figure(figsize=(width, 5.8), layout="constrained")
            figure.suptitle(
                "\n".join([f"{short_steps(snapshot.steps)} steps   {', '.join(parts)}", drawn]),
                x=0.01,
                ha="left",
                fontsize=9,
            )
            sides: Any = figure.subfigures(1, 2, width_ratios=[2, 1]) if replayed else [figure]
            main, below = sides[0].subplots(2, 1, height_ratios=[4, 1])
            set_axes(main, snapshots, space, shown)
            main.set_xlabel(name_of(space, shown[0]))
            draw_tasks(main, snapshot, values[i], space, shown, scale, rng)
            draw_beliefs(main, snapshot.beliefs, space, shown, scale, limits)
            sides[0].colorbar(scale, ax=main, label=label, aspect=25, pad=0.01)
            _draw_progress(below, steps, rates, i)
            if replayed:
                _draw_levels(sides[1], whole[snapshot.steps], thumbnails, score_limits)
            canvas = FigureCanvasAgg(figure)
            figure.set_dpi(dpi)
            canvas.draw()
            yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_progress(axes, steps: np.ndarray, rates: np.ndarray, now: int) -> None:
    axes.plot(steps, rates, color="#b9bec6", linewidth=1.2)
    axes.plot(steps[: now + 1], rates[: now + 1], color=COLOURS[0], linewidth=1.8)
    axes.plot(steps[now], rates[now], "o", color=COLOURS[0], markersize=5)
    axes.set_ylim(-0.05, 1.05)
    axes.set_ylabel("success")
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_levels(
    figure, snapshot: CurriculumSnapshot, thumbnails: Thumbnails | None, limits: tuple[float, float]
) -> None:
    if thumbnails is None:
        axes = figure.subplots()
        if has_levels(snapshot):
            draw_ranks(axes, snapshot, limits)
        else:
            axes.set_axis_off()
        return
    grid = figure.subplots(3, 2)
    for axes in grid.ravel():
        axes.set_axis_off()
    if has_levels(snapshot):
        order = best(snapshot.beliefs, grid.size)
        pictures = thumbnails(np.asarray(snapshot.beliefs["levels"])[order])
        for axes, index, picture in zip(grid.ravel(), order, pictures, strict=False):
            show_level(axes, snapshot.beliefs, index, picture)
