"""Figures of a training: learning curves and the curriculum.

Figures are drawn without pyplot, so they need no display and change no global state. The colours
are distinguishable by colour-blind readers.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from didact.common.errors import SettingError
from didact.experiments.plotting.beliefs_plot import ellipse
from didact.experiments.plotting.curriculum_plot import curriculum
from didact.experiments.plotting.style import (
    COLOURS,
    DASHES,
    GREY,
    drawing_style,
    mean_or_nan,
    save_figure,
)
from didact.experiments.runs.curriculum_snapshots import (
    CurriculumSnapshot,
    load_snapshots,
    save_snapshot,
)

BAND = "bands: 95 % bootstrap over seeds"

__all__ = [
    "COLOURS",
    "CurriculumSnapshot",
    "bootstrap_band",
    "curriculum",
    "ellipse",
    "learning_curves",
    "load_snapshots",
    "save_snapshot",
]


def learning_curves(
    path: str | os.PathLike[str],
    series: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    x_label: str = "environment steps",
    y_label: str = "success rate",
    title: str = "",
    threshold: float | None = None,
    y_limits: tuple[float, float] | None = None,
    window: int = 1,
    size: tuple[float, float] = (6.0, 3.6),
    dpi: int = 150,
) -> Path:
    """Plot one curve per label and return the path of the figure.

    With several seeds, the curve is their mean and the band its 95 % bootstrap interval, which is
    too narrow for less than about ten seeds; the axis label says so.

    Args:
        path: output file in a format supported by matplotlib (.png, .pdf, .svg).
        series: maps labels to (x [m], y [m] or [seeds, m]); NaN where there is no measurement.
        x_label, y_label, title: labels of the figure.
        threshold: value to mark with a line, such as the success rate that counts as solved.
        y_limits: limits of the y axis; from the data if None.
        window: smooth each seed by a moving average over this many points. If it is above 1, the
            axis label says so, and a single run is also drawn unsmoothed, faintly.
        size: size in inches.
        dpi: dots per inch.
    """
    if not series:
        raise SettingError("series", {}, "at least one curve")
    if window < 1:
        raise SettingError("window", window, "at least 1 point")
    with drawing_style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        many = False
        for number, (label, (x, y)) in enumerate(series.items()):
            x, y = np.asarray(x, float), np.atleast_2d(np.asarray(y, float))
            if x.ndim != 1 or y.shape[1:] != x.shape:
                raise SettingError(f"series {label!r}", y.shape, f"of shape [seeds, {x.size}]")
            smooth = np.stack([_moving_mean(row, window) for row in y])
            colour = COLOURS[number % len(COLOURS)]
            if len(y) > 1:
                many = True
                low, high = bootstrap_band(smooth)
                axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            elif window > 1:
                axes.plot(x, y[0], color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(
                x,
                mean_or_nan(smooth, axis=0),
                color=colour,
                linestyle=DASHES[number // len(COLOURS) % len(DASHES)],
                linewidth=1.8,
                marker="os^D"[number // len(COLOURS) % 4] if x.size <= 12 else "",
                markersize=4,
                label=label,
            )
        axes.margins(x=0.02)
        if y_limits is not None:
            margin = 0.03 * (y_limits[1] - y_limits[0])
            axes.set_ylim(y_limits[0] - margin, y_limits[1] + margin)
        if threshold is not None:
            axes.axhline(threshold, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
            axes.annotate(
                f"{threshold:g}",
                (1, threshold),
                (3, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                color=GREY,
                fontsize=8,
            )
        axes.set_xlabel(x_label)
        notes = [f"mean over {window} points"] * (window > 1) + [BAND] * many
        axes.set_ylabel("\n".join([y_label, *(f"({note})" for note in notes)]))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
        if title:
            axes.set_title(title, loc="left", fontweight="bold")
        if len(series) > 1:
            longest = max(len(label) for label in series)
            columns = max(1, min(len(series), int(size[0] * 15 / (longest + 6))))
            figure.legend(loc="outside lower center", ncols=columns, handlelength=3)
        return save_figure(figure, path, dpi)


def bootstrap_band(
    values: Float[np.ndarray, "seeds m"], level: float = 0.95, resamples: int = 2000
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Return the percentile bootstrap interval of the mean over seeds (deterministic).

    NaNs are ignored; where no seed has a value, the interval is NaN.
    """
    values = np.asarray(values, float)
    seeds = len(values)
    counts = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = counts @ np.where(there, values, 0) / (counts @ there)
    low, high = np.full((2, values.shape[1]), np.nan)
    some = there.any(axis=0)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low[some], high[some] = np.nanquantile(means[:, some], tails, axis=0)
    return low, high


def _moving_mean(values: Float[np.ndarray, " m"], window: int) -> Float[np.ndarray, " m"]:
    """Return the centred moving average over `window` points, fewer at the ends; ignores NaNs."""
    there = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(there, values, 0))])
    counts = np.concatenate([[0], np.cumsum(there)])
    place = np.arange(len(values))
    start = np.maximum(place - (window - 1) // 2, 0)
    end = np.minimum(place + window // 2 + 1, len(values))
    with np.errstate(invalid="ignore"):
        return (sums[end] - sums[start]) / (counts[end] - counts[start])
