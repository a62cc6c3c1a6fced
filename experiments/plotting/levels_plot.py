"""Plot the levels of a teacher's buffer: the most probable ones, and the distribution by rank."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from didact.common import pictures
from didact.common.errors import SettingError
from didact.experiments.plotting.beliefs_plot import INK
from didact.experiments.plotting.curriculum_plot import evenly
from didact.experiments.plotting.style import COLOURS, drawing_style, save_figure, short_steps
from didact.experiments.plotting.video import Frame
from didact.experiments.runs.curriculum_snapshots import CurriculumSnapshot

Thumbnails = Callable[[Float[np.ndarray, "m d"]], list[Frame]]


def has_levels(snapshot: CurriculumSnapshot) -> bool:
    """Whether a teacher could replay a level at the time of a snapshot."""
    levels = pictures.LEVELS in pictures.kinds_of(snapshot.beliefs)
    return levels and bool(pictures.used(snapshot.beliefs, pictures.LEVELS).any())


def best(beliefs: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Return the indices of the most probable levels; of equal ones, those of higher score."""
    order = np.lexsort((-np.asarray(beliefs["scores"]), -np.asarray(beliefs["probabilities"])))
    return order[: min(count, int(pictures.used(beliefs, pictures.LEVELS).sum()))]


def informative(
    thumbnails: Thumbnails | None, snapshots: Sequence[CurriculumSnapshot]
) -> Thumbnails | None:
    """Return the function if it draws different levels differently, otherwise None."""
    found = [s.beliefs for s in snapshots if has_levels(s)]
    if thumbnails is None or not found:
        return None
    drawn = thumbnails(np.asarray(found[-1]["levels"])[best(found[-1], 8)])
    differ = any(not np.array_equal(drawn[0], other) for other in drawn[1:])
    return thumbnails if differ or len(drawn) == 1 else None


def levels(
    path: str | os.PathLike[str],
    snapshots: Sequence[CurriculumSnapshot],
    thumbnails: Thumbnails | None,
    *,
    count: int = 4,
    panels: int = 6,
    title: str = "",
    dpi: int = 130,
) -> Path:
    """Plot the levels of a buffer over the course of a training, and return the path of the figure.

    Each column is a snapshot, with pictures of its most probable levels and, below, the
    probabilities and scores of all levels, ordered by probability.

    Args:
        path: output file in a format supported by matplotlib.
        snapshots: snapshots; those without levels are left out.
        thumbnails: a function that draws tasks as pictures; None for the curves alone.
        count: number of pictures per snapshot.
        panels: maximum number of snapshots, evenly spaced in steps.
        title: title of the figure.
        dpi: dots per inch.

    Raises:
        SettingError: no snapshot has levels.
    """
    found = sorted(filter(has_levels, snapshots), key=lambda s: s.steps)
    if not found:
        raise SettingError("snapshots", "empty", "at least one snapshot with levels")
    chosen = evenly(found, panels)
    rows = count if thumbnails is not None else 0
    width = max(3.4, 1.75 * len(chosen))
    with drawing_style():
        figure = Figure(figsize=(width, 1.75 * rows + 1.9), layout="constrained")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
        ratios = [1.75 * rows, 1.9] if rows else [1.9]
        parts = figure.subfigures(len(ratios), 1, height_ratios=ratios, squeeze=False)[:, 0]
        if thumbnails is not None:
            _draw_pictures(parts[0], chosen, thumbnails, rows)
        _draw_ranks(parts[-1], chosen, headed=not rows)
        return save_figure(figure, path, dpi)


def _draw_pictures(
    figure: SubFigure, chosen: list[CurriculumSnapshot], thumbnails: Thumbnails, rows: int
) -> None:
    grid = figure.subplots(rows, len(chosen), squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for column, snapshot in enumerate(chosen):
        order = best(snapshot.beliefs, rows)
        drawn = thumbnails(np.asarray(snapshot.beliefs["levels"])[order])
        for row, (index, picture) in enumerate(zip(order, drawn, strict=True)):
            show_level(grid[row, column], snapshot.beliefs, index, picture)
        head = f"{short_steps(snapshot.steps)} steps"
        first = grid[0, column]
        first.set_title(f"{head}\n{first.get_title(loc='left')}", loc="left", fontsize=8)


def show_level(axes: Axes, beliefs: Mapping[str, np.ndarray], index: int, picture: Frame) -> None:
    """Show the picture of a level, with its probability and score."""
    axes.imshow(picture)
    axes.set_axis_off()
    chance, score = beliefs["probabilities"][index], beliefs["scores"][index]
    axes.set_title(f"P {chance:.2g}, score {score:.2g}", loc="left", fontsize=7.5)


def _draw_ranks(figure: SubFigure, chosen: list[CurriculumSnapshot], *, headed: bool) -> None:
    grid = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    scores = np.concatenate([np.ravel(s.beliefs["scores"])[_ranked(s)] for s in chosen])
    low, high = float(scores.min()), float(scores.max())
    margin = 0.05 * (high - low or 1)
    for column, (axes, snapshot) in enumerate(zip(grid, chosen, strict=True)):
        draw_ranks(axes, snapshot, (low - margin, high + margin), named=column == len(chosen) - 1)
        if headed:
            axes.set_title(f"{short_steps(snapshot.steps)} steps", loc="left")
    grid[0].set_ylabel("probability", color=INK)


def draw_ranks(
    axes: Axes, snapshot: CurriculumSnapshot, limits: tuple[float, float], *, named: bool = True
) -> None:
    """Plot the probabilities of all levels by rank, and their scores on a second axis.

    Args:
        axes: the axes.
        snapshot: a snapshot with levels.
        limits: limits of the axis of scores.
        named: whether to label the axis of scores.
    """
    order = _ranked(snapshot)
    chances = np.asarray(snapshot.beliefs["probabilities"], float)[order]
    rank = np.arange(1, len(order) + 1)
    axes.fill_between(rank, chances, step="mid", color=INK, alpha=0.25, linewidth=0)
    axes.plot(rank, chances, color=INK, linewidth=1.2, drawstyle="steps-mid")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rank by probability")
    other = axes.twinx()
    other.grid(False)
    other.spines["right"].set_visible(True)
    scores = np.asarray(snapshot.beliefs["scores"], float)[order]
    other.plot(rank, scores, ".", color=COLOURS[1], markersize=2.5)
    other.set_ylim(*limits)
    if named:
        other.set_ylabel("score", color=COLOURS[1])
    else:
        other.set_yticklabels([])


def _ranked(snapshot: CurriculumSnapshot) -> np.ndarray:
    return best(snapshot.beliefs, len(snapshot.beliefs["scores"]))
