"""Plot a curriculum: the tasks that a teacher proposed over time, and its beliefs."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.ticker import EngFormatter, MaxNLocator

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box, Dimension
from didact.experiments.plotting.style import (
    COLOURS,
    JITTER,
    drawing_style,
    mean_or_nan,
    save_figure,
    short_steps,
)
from didact.experiments.runs.curriculum_snapshots import (
    CurriculumSnapshot,
    expected_progress,
    most_informative_dimensions,
)

# Pale where learning progress is low, so that high progress stands out on white.
_PROGRESS = LinearSegmentedColormap.from_list(
    "progress", matplotlib.colormaps["magma_r"](np.linspace(0.14, 0.82, 64))
)
# Uniform lightness, so that cells can fade to white where tasks are few.
_SUCCESS = LinearSegmentedColormap.from_list("success", ["#D9701E", "#B09AA0", "#1B6DB3"])


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
    and each ellipse a Gaussian of the teacher (one standard deviation; the line width shows the
    weight). Points are coloured by the progress expected by the Gaussians, or by success if the
    teacher has no beliefs. Below is a strip for each dimension with the success rate by value and
    time (fainter where tasks were few), and the mean and the 10-90 % range of the proposals. The
    last strip shows success over time. Fixed dimensions are omitted.

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
    snapshots = sorted((s for s in snapshots if len(s.tasks)), key=lambda s: s.steps)
    if not snapshots:
        raise SettingError("snapshots", "empty", "at least one snapshot with a task")
    if panels < 1:
        raise SettingError("panels", panels, "at least 1")
    for snapshot in snapshots:
        if np.shape(snapshot.tasks)[1:] != (space.size,):
            raise SettingError(
                "tasks", np.shape(snapshot.tasks), f"of shape [m, {space.size}], like the space"
            )
    active = [i for i, d in enumerate(space.dimensions) if d.high > d.low]
    if not active:
        raise SettingError("space", space.names, "a space with a dimension that is not fixed")
    if names is None:
        shown = most_informative_dimensions(snapshots, space)
    else:
        shown = tuple(space.column(name) for name in names)
        if not 1 <= len(shown) <= 2 or not set(shown) <= set(active):
            raise SettingError("names", tuple(names), "one or two dimensions that are not fixed")
    chosen = _evenly(snapshots, panels)

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


def ellipse(
    mean: Float[np.ndarray, "2"], covariance: Float[np.ndarray, "2 2"], deviations: float = 1
) -> Ellipse:
    """Return the outline of a Gaussian at the given number of standard deviations."""
    variances, axes = np.linalg.eigh(np.asarray(covariance, float))
    short, long = 2 * deviations * np.sqrt(np.maximum(variances, 0))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    return Ellipse((float(mean[0]), float(mean[1])), long, short, angle=angle, fill=False)


def _draw_moments(
    figure: SubFigure,
    snapshots: list[CurriculumSnapshot],
    space: Box,
    shown: tuple[int, ...],
    progress: str,
) -> None:
    rng = np.random.default_rng(0)
    values = [expected_progress(s.tasks, s.beliefs, space) for s in snapshots]
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    if len(known):
        low, high = min(0.0, known.min()), np.quantile(known, 0.99)
        scale = ScalarMappable(Normalize(low, high if high > low else low + 1), _PROGRESS)
        label = progress
    else:
        values = [np.asarray(s.success, float) for s in snapshots]
        scale, label = ScalarMappable(Normalize(0, 1), _SUCCESS), "success"
    grid = figure.subplots(1, max(3, len(snapshots)), sharex=True, sharey=True, squeeze=False)[0]
    for axes in grid[len(snapshots) :]:
        axes.set_visible(False)

    returns = np.concatenate([s.returns for s in snapshots])
    for axes, snapshot, value in zip(grid, snapshots, values, strict=False):
        axes.set_title(f"{short_steps(snapshot.steps)} steps", loc="left")
        rows = rng.permutation(len(snapshot.tasks))[:1500]  # more points would only overlap
        tasks, value = np.asarray(snapshot.tasks, float)[rows], value[rows]
        x = _jittered(tasks[:, shown[0]], space.dimensions[shown[0]].integer, rng)
        if len(shown) == 2:
            y = _jittered(tasks[:, shown[1]], space.dimensions[shown[1]].integer, rng)
        else:
            y = np.asarray(snapshot.returns, float)[rows]
        there = np.isfinite(value)
        style = {"s": np.clip(4000 / len(rows), 5, 20), "linewidths": 0, "alpha": 0.7}
        axes.scatter(x[~there], y[~there], color="#b9bec6", **style)
        order = np.flatnonzero(there)[np.argsort(value[there])]  # highest values on top
        axes.scatter(x[order], y[order], c=scale.to_rgba(value[order]), **style)
        if len(known) and not there.any():
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
            axes.annotate(
                "no beliefs yet", (0.04, 0.95), xycoords="axes fraction", va="top", bbox=box
            )
        _draw_gaussians(axes, snapshot.beliefs, space, shown, scale)

    first = grid[0]
    _set_axis(first, "x", space, shown[0])
    for axes in grid[: len(snapshots)]:
        axes.set_xlabel(_name(space, shown[0]))
    if len(shown) == 2:
        _set_axis(first, "y", space, shown[1])
        first.set_ylabel(_name(space, shown[1]))
    else:
        first.set_ylabel("return")
        if np.isfinite(returns).any():
            low, high = np.nanmin(returns), np.nanmax(returns)
            margin = 0.06 * (high - low or 1)
            ticks = MaxNLocator(5).tick_values(low, high)
            first.set_yticks([t for t in ticks if low - margin <= t <= high + margin])
            first.set_ylim(low - 5 * margin, high + margin)  # room for the Gaussians below
    figure.colorbar(scale, ax=grid[: len(snapshots)], label=label, aspect=18, pad=0.01)


def _draw_gaussians(
    axes: Axes, beliefs: Mapping[str, np.ndarray], space: Box, shown: tuple[int, ...], scale
) -> None:
    weights = np.asarray(beliefs.get("weights", ()), float)
    used = np.flatnonzero(weights > 1e-3)
    for k in used[np.argsort(np.asarray(beliefs["progress"])[used])] if used.size else ():
        share = weights[k] / weights.max()
        colour = scale.to_rgba(float(beliefs["progress"][k]))
        width = 0.6 + 1.8 * share
        casing = [patheffects.withStroke(linewidth=width + 1.6, foreground="white")]
        mean = np.asarray(beliefs["means"], float)[k, list(shown)]
        covariance = np.asarray(beliefs["covariances"], float)[k][np.ix_(shown, shown)]
        # Widened by the jitter of the points; a Gaussian on one integer would be a line otherwise.
        covariance = covariance + np.diag(space.integer[list(shown)] * JITTER**2 / 3)
        if len(shown) == 2:
            shape = ellipse(mean, covariance)
            shape.set(edgecolor=colour, linewidth=width, path_effects=casing)
            axes.add_patch(shape)
        else:
            d = space.dimensions[shown[0]]
            x = np.linspace(d.low, d.high, 200)
            bell = np.exp(-0.5 * (x - mean) ** 2 / max(covariance[0, 0], 1e-12))
            axes.plot(
                x,
                0.03 + 0.22 * share * bell,
                color=colour,
                linewidth=1.6,
                transform=axes.get_xaxis_transform(),
                path_effects=casing,
            )


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
    scale = ScalarMappable(Normalize(0, 1), _SUCCESS)
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
        _set_axis(axes, "y", space, column)
        _side_label(axes, _name(space, column).replace(" [", "\n["))

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


def _evenly(snapshots: list[CurriculumSnapshot], count: int) -> list[CurriculumSnapshot]:
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


def _jittered(values: np.ndarray, integer: bool, rng: np.random.Generator) -> np.ndarray:
    return values + rng.uniform(-JITTER, JITTER, len(values)) if integer else values


def _set_axis(axes: Axes, which: str, space: Box, column: int) -> None:
    d = space.dimensions[column]
    margin = 0.5 if d.integer else 0.04 * (d.high - d.low)
    getattr(axes, f"set_{which}lim")(d.low - margin, d.high + margin)
    locator = MaxNLocator(4, integer=d.integer, steps=[1, 2, 5, 10])
    getattr(axes, f"{which}axis").set_major_locator(locator)


def _name(space: Box, column: int) -> str:
    d = space.dimensions[column]
    return d.name.replace("_", " ") + (f" [{d.unit}]" if d.unit else "")


def _side_label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, rotation=0, ha="right", va="center")
