"""Plot a curriculum: the tasks that a teacher proposed over time, and its beliefs."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box, Dimension
from didact.experiments.plotting.beliefs_plot import draw_beliefs, model_range, words
from didact.experiments.plotting.style import (
    COLOURS,
    drawing_style,
    mean_or_nan,
    save_figure,
    short_steps,
)
from didact.experiments.plotting.task_panels import (
    SUCCESS,
    choice_in_words,
    colouring,
    columns_of,
    draw_tasks,
    name_of,
    ready,
    set_axes,
    set_axis,
)
from didact.experiments.runs.curriculum_snapshots import CurriculumSnapshot


def curriculum(
    path: str | os.PathLike[str],
    snapshots: Sequence[CurriculumSnapshot],
    space: Box,
    *,
    names: Sequence[str] | None = None,
    panels: int = 6,
    title: str = "",
    progress: str = "learning progress",
    dpi: int = 150,
) -> Path:
    """Plot a curriculum and return the path of the figure.

    The panels at the top show snapshots in two dimensions of the task space: each point is a task,
    and the teacher's beliefs are ellipses (Gaussians at one standard deviation, whose line width
    shows the weight), rectangles (boxes), contours (a success model) or squares (levels of a
    buffer). Points are coloured by the progress expected by the Gaussians, or by success if there
    are none. A line above says what is drawn, and which dimensions were chosen. Below is a strip
    for each dimension with the success rate by value and time (fainter where tasks were few), and
    the mean and the 10-90 % range of the proposals. The last strip shows success over time. Fixed
    dimensions are omitted.

    Args:
        path: output file in a format supported by matplotlib (.png, .pdf, .svg).
        snapshots: snapshots, of which at least one has a task.
        space: task space of the snapshots.
        names: one or two dimensions for the panels; see `most_informative_dimensions` if None.
        panels: maximum number of panels, evenly spaced in steps.
        title: title of the figure.
        progress: name of the quantity that the teacher assigns to its Gaussians.
        dpi: dots per inch.
    """
    snapshots = ready(snapshots, space)
    if panels < 1:
        raise SettingError("panels", panels, "at least 1")
    active = [i for i, d in enumerate(space.dimensions) if d.high > d.low]
    shown = columns_of(snapshots, space, names)
    chosen = evenly(snapshots, panels)

    with drawing_style():
        heights = [2.3, 0.25] + [0.85] * len(active) + [0.85]
        figure = Figure(figsize=(10.5, sum(heights) + 0.9), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.04, h_pad=0.03, wspace=0.02)  # type: ignore[call-arg]
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
        parts = figure.subfigures(2, 1, height_ratios=[2.75, sum(heights[2:]) + 0.5], squeeze=False)
        _draw_moments(parts[0, 0], chosen, space, shown, progress)
        _draw_strips(parts[1, 0], snapshots, space, active)
        return save_figure(figure, path, dpi)


def _draw_moments(
    figure: SubFigure,
    snapshots: list[CurriculumSnapshot],
    space: Box,
    shown: tuple[int, ...],
    progress: str,
) -> None:
    rng = np.random.default_rng(0)
    values, scale, label, known = colouring(snapshots, space, progress)
    limits = model_range(s.beliefs for s in snapshots)
    grid = figure.subplots(1, max(3, len(snapshots)), sharex=True, sharey=True, squeeze=False)[0]
    for axes in grid[len(snapshots) :]:
        axes.set_visible(False)
    for axes, snapshot, value in zip(grid, snapshots, values, strict=False):
        axes.set_title(f"{short_steps(snapshot.steps)} steps", loc="left")
        there = draw_tasks(axes, snapshot, value, space, shown, scale, rng)
        if known and not there:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
            axes.annotate(
                "no beliefs yet", (0.04, 0.95), xycoords="axes fraction", va="top", bbox=box
            )
        draw_beliefs(axes, snapshot.beliefs, space, shown, scale, limits)
        axes.set_xlabel(name_of(space, shown[0]))
    set_axes(grid[0], snapshots, space, shown)
    figure.colorbar(scale, ax=grid[: len(snapshots)], label=label, aspect=18, pad=0.01)
    drawn = words(s.beliefs for s in snapshots)
    text = "; ".join(filter(None, [choice_in_words(space, shown), drawn]))
    if text:
        figure.suptitle(text, x=0.01, ha="left", fontsize=8.5)


def _draw_strips(
    figure: SubFigure, snapshots: list[CurriculumSnapshot], space: Box, active: list[int]
) -> None:
    rows = figure.subplots(len(active) + 1, 1, sharex=True, squeeze=False)[:, 0]
    # Snapshots are pooled to at most a hundred columns.
    groups = np.array_split(np.arange(len(snapshots)), min(len(snapshots), 100))
    steps = np.array([np.mean([snapshots[i].steps for i in group]) for group in groups])
    tasks = [np.concatenate([snapshots[i].tasks for i in group]) for group in groups]
    success = [np.concatenate([snapshots[i].success for i in group]) for group in groups]
    dot, end = "o" if len(steps) <= 12 else "", "_" if len(steps) == 1 else ""
    edges = _edges(steps)

    casing = [patheffects.withStroke(linewidth=3.2, foreground="white")]
    thin = [patheffects.withStroke(linewidth=2.2, foreground="white")]
    scale = ScalarMappable(Normalize(0, 1), SUCCESS)
    for axes, column in zip(rows, active, strict=False):
        d = space.dimensions[column]
        cells = _cells(d)
        values = [t[:, column] for t in tasks]
        pairs = [_binned(v, s, cells) for v, s in zip(values, success, strict=True)]
        rates, density = (np.stack(part, axis=1) for part in zip(*pairs, strict=True))
        strength = np.sqrt(density / density.max())[..., None]
        colours = 1 - strength * (1 - scale.to_rgba(np.nan_to_num(rates))[..., :3])
        axes.pcolormesh(edges, cells, colours, linewidth=0, rasterized=True)
        low, high = np.stack([np.quantile(v, (0.1, 0.9)) for v in values], axis=1)
        for line in (low, high):
            axes.plot(steps, line, color="black", lw=0.9, marker=end, ms=12, path_effects=thin)
        mean = [v.mean() for v in values]
        axes.plot(steps, mean, color="black", lw=1.8, marker=dot, ms=3, path_effects=casing)
        axes.grid(False)
        set_axis(axes, "y", space, column)
        _side_label(axes, name_of(space, column).replace(" [", "\n["))

    last = rows[-1]
    rate = np.array([mean_or_nan(s) for s in success])
    last.plot(steps, rate, color=COLOURS[0], linewidth=1.8, marker=dot, ms=3)
    last.fill_between(steps, 0, rate, color=COLOURS[0], alpha=0.12, linewidth=0)
    last.set_ylim(-0.03, 1.03)
    _side_label(last, "success,\nall tasks")
    last.set_xlim(edges[0], edges[-1])
    last.set_xlabel("environment steps")
    last.xaxis.set_major_formatter(EngFormatter(sep=""))
    if len(steps) == 1:
        last.set_xticks(steps)
    figure.align_ylabels(rows)
    label = "success rate"
    figure.colorbar(scale, ax=rows[:-1], label=label, aspect=10 * len(active), pad=0.01)
    lines = [
        Line2D([], [], color="black", linewidth=1.8, label="mean of the proposals"),
        Line2D([], [], color="black", linewidth=0.9, label="their 10 % and 90 % quantiles"),
    ]
    rows[0].legend(handles=lines, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
    rows[0].set_title("cells: success, fainter where tasks are few", loc="right", fontsize=8.5)


def evenly(snapshots: list[CurriculumSnapshot], count: int) -> list[CurriculumSnapshot]:
    """Select at most `count` snapshots, evenly spaced in steps and including the first and last."""
    steps = np.array([s.steps for s in snapshots])
    wanted = np.linspace(steps[0], steps[-1], count) if count > 1 else steps[-1:]
    nearest = np.abs(steps[None, :] - wanted[:, None]).argmin(axis=1)
    return [snapshots[i] for i in sorted(set(nearest.tolist()))]


def _cells(dimension: Dimension) -> np.ndarray:
    """Return the edges of at most ten cells of a dimension; integers do not lie on edges."""
    low, high = dimension.low, dimension.high
    if not dimension.integer:
        return np.linspace(low, high, 11)
    width = math.ceil((high - low + 1) / 10)
    return np.append(np.arange(low, high + 1, width), high + 1) - 0.5


def _binned(x: np.ndarray, values: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of `values` in each cell (NaN if empty), and the density of x there."""
    place = np.clip(np.searchsorted(cells, x, side="right") - 1, 0, len(cells) - 2)
    rates = np.array([mean_or_nan(values[place == cell]) for cell in range(len(cells) - 1)])
    return rates, np.bincount(place, minlength=len(cells) - 1) / len(x) / np.diff(cells)


def _edges(centres: np.ndarray) -> np.ndarray:
    """Return the edges of cells around ascending centres."""
    if len(centres) == 1:
        return centres[0] + np.array([-0.5, 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _side_label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, rotation=0, ha="right", va="center")
