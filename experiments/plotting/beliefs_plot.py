"""Draw a teacher's beliefs over one or two dimensions of the task space.

The kinds of beliefs are those of `didact.common.pictures`.
"""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.patches import Ellipse, Rectangle

from didact.common import pictures
from didact.environments.task_spaces import Box
from didact.experiments.plotting.style import JITTER

# Pale where learning progress is low, so that high progress stands out on white.
PROGRESS = LinearSegmentedColormap.from_list(
    "progress", matplotlib.colormaps["magma_r"](np.linspace(0.14, 0.82, 64))
)
INK = "#5B2A86"  # of boxes and bars
GRID = 48  # points along each dimension at which a success model is drawn
BANDWIDTH = 0.06  # of the kernel that averages over the dimensions that are not shown

WORDS = {
    pictures.GAUSSIANS: "ellipses: the teacher's Gaussians",
    pictures.BOXES: "rectangles: the teacher's boxes, darker: more weight or progress",
    pictures.MODEL: "contours: the teacher's model, {low:.2g} (pale) to {high:.2g}",
    pictures.LEVELS: "squares: levels of the buffer, large if probable, dark if of a high score",
    pictures.ARMS: "bars: probability of each part",
}


def words(beliefs: Iterable[Mapping[str, np.ndarray]]) -> str:
    """Explain what is drawn for the kinds of beliefs in any of the pictures, in one line."""
    beliefs = list(beliefs)
    low, high = model_range(beliefs)
    kinds = {kind for each in beliefs for kind in pictures.kinds_of(each)}
    texts = [text.format(low=low, high=high) for kind, text in WORDS.items() if kind in kinds]
    return "; ".join(texts)


def model_range(beliefs: Iterable[Mapping[str, np.ndarray]]) -> tuple[float, float]:
    """Return the lowest and highest values of the success models in pictures, or (0, 1)."""
    values = [np.ravel(each["values"]) for each in beliefs if "values" in each]
    if not values:
        return 0.0, 1.0
    low, high = float(np.concatenate(values).min()), float(np.concatenate(values).max())
    return (low, high) if high > low else (low, low + 1)


def draw_beliefs(
    axes: Axes,
    beliefs: Mapping[str, np.ndarray],
    space: Box,
    shown: Sequence[int],
    scale: ScalarMappable,
    limits: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Draw all kinds of beliefs of one picture.

    Args:
        axes: a panel whose x axis is the first shown dimension, and whose y axis is the second, if
            there are two. With one, beliefs are drawn at the bottom of the panel.
        beliefs: the picture of a teacher.
        space: the task space.
        shown: columns of the dimensions.
        scale: colors of the progress of Gaussians.
        limits: values of a success model that are palest and darkest; see `model_range`.
    """
    drawers = {
        pictures.MODEL: lambda: _model(axes, beliefs, space, shown, limits),
        pictures.BOXES: lambda: _boxes(axes, beliefs, space, shown),
        pictures.LEVELS: lambda: _levels(axes, beliefs, shown),
        pictures.GAUSSIANS: lambda: _gaussians(axes, beliefs, space, shown, scale),
        pictures.ARMS: lambda: _arms(axes, beliefs["arms"]),
    }
    kinds = pictures.kinds_of(beliefs)
    for kind, draw in drawers.items():
        if kind in kinds:
            draw()


def smoothed(
    points: Float[np.ndarray, "k s"],
    values: Float[np.ndarray, " k"],
    at: Float[np.ndarray, "m s"],
    bandwidth: float = BANDWIDTH,
) -> Float[np.ndarray, " m"]:
    """Return the average of the values of nearby points, weighted by a Gaussian kernel.

    Args:
        points: places of the values, from 0 to 1.
        values: the values.
        at: places to evaluate the average at; far from all points, the nearest one counts.
        bandwidth: the standard deviation of the kernel.
    """
    squares = ((at[:, None] - points) ** 2).sum(axis=-1) / (2 * bandwidth**2)
    weights = np.exp(-(squares - squares.min(axis=1, keepdims=True)))
    return weights @ values / weights.sum(axis=1)


def ellipse(
    mean: Float[np.ndarray, "2"], covariance: Float[np.ndarray, "2 2"], deviations: float = 1
) -> Ellipse:
    """Return the outline of a Gaussian at the given number of standard deviations."""
    variances, axes = np.linalg.eigh(np.asarray(covariance, float))
    short, long = 2 * deviations * np.sqrt(np.maximum(variances, 0))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    return Ellipse((float(mean[0]), float(mean[1])), long, short, angle=angle, fill=False)


def _gaussians(
    axes: Axes,
    beliefs: Mapping[str, np.ndarray],
    space: Box,
    shown: Sequence[int],
    scale: ScalarMappable,
) -> None:
    weights = np.asarray(beliefs["weights"], float)
    used = np.flatnonzero(weights > 1e-3)
    for k in used[np.argsort(np.asarray(beliefs["progress"])[used])] if used.size else ():
        share = weights[k] / weights.max()
        colour = scale.to_rgba(np.asarray(beliefs["progress"], float)[k])
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


def _boxes(axes: Axes, beliefs: Mapping[str, np.ndarray], space: Box, shown: Sequence[int]) -> None:
    values = np.asarray(beliefs.get("progress", beliefs["weights"]), float)
    columns = list(shown)
    margin = np.where(space.integer, 0.5, 0)[columns]  # a whole number is a cell
    low = np.asarray(beliefs["low"], float)[:, columns] - margin
    extent = np.asarray(beliefs["high"], float)[:, columns] + margin - low
    used = np.flatnonzero(pictures.used(beliefs, pictures.BOXES))
    most = max(values[used].max(initial=0), 1e-12)
    for k in used[np.argsort(-extent[used].prod(axis=1))]:  # large ones below
        share = float(max(values[k], 0) / most)
        style = {"edgecolor": INK, "linewidth": 0.5 + 1.1 * share}
        style["facecolor"] = (*to_rgb(INK), 0.03 + 0.22 * share)
        if len(columns) == 2:
            axes.add_patch(Rectangle(tuple(low[k]), *extent[k], zorder=0.8, **style))
        else:
            place = axes.get_xaxis_transform()
            box = Rectangle((low[k, 0], 0.02), extent[k, 0], 0.2 * share, transform=place, **style)
            axes.add_patch(box)


def _model(
    axes: Axes,
    beliefs: Mapping[str, np.ndarray],
    space: Box,
    shown: Sequence[int],
    limits: tuple[float, float],
) -> None:
    columns = list(shown)
    low, high = space.low[columns].astype(float), space.high[columns].astype(float)
    points = (np.asarray(beliefs["points"], float)[:, columns] - low) / (high - low)
    sides = [np.linspace(0, 1, GRID)] * len(columns)
    at = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(columns))
    values = smoothed(points, np.asarray(beliefs["values"], float), at)
    real = [low[i] + sides[i] * (high[i] - low[i]) for i in range(len(columns))]
    if len(columns) == 2:
        grid = values.reshape(GRID, GRID).T
        style = {"levels": np.linspace(*limits, 9), "extend": "both"}
        axes.contourf(*real, grid, cmap=PROGRESS, alpha=0.35, zorder=0.6, **style)
        axes.contour(*real, grid, colors="#444a52", linewidths=0.5, zorder=0.7, **style)
    else:
        height = 0.02 + 0.2 * (values - limits[0]) / (limits[1] - limits[0])
        place = axes.get_xaxis_transform()
        axes.fill_between(real[0], 0.02, height, color=INK, alpha=0.2, lw=0, transform=place)
        axes.plot(real[0], height, color=INK, linewidth=1.2, transform=place)


def _levels(axes: Axes, beliefs: Mapping[str, np.ndarray], shown: Sequence[int]) -> None:
    chances = np.asarray(beliefs["probabilities"], float)
    used = np.flatnonzero(pictures.used(beliefs, pictures.LEVELS))
    if not used.size:
        return
    order = used[np.argsort(chances[used])][-300:]
    scores = np.asarray(beliefs["scores"], float)
    ends = scores[used].min(), scores[used].max()
    colours = ScalarMappable(Normalize(ends[0], ends[1] + (ends[0] == ends[1])), PROGRESS)
    x = np.asarray(beliefs["levels"], float)[order]
    size = 6 + 90 * chances[order] / chances.max()
    style = {"s": size, "marker": "s", "facecolors": "none", "linewidths": 1.1}
    style["edgecolors"] = colours.to_rgba(scores[order])
    if len(shown) == 2:
        axes.scatter(x[:, shown[0]], x[:, shown[1]], zorder=3, **style)
    else:
        place = axes.get_xaxis_transform()
        axes.scatter(x[:, shown[0]], np.full(len(x), 0.08), transform=place, zorder=3, **style)


def _arms(axes: Axes, chances: np.ndarray) -> None:
    """Draw bars of equal width at the top right, whose full height stands for 1."""
    width = min(0.06, 0.4 / len(chances))
    for i, chance in enumerate(np.asarray(chances, float)):
        left = 0.97 - width * (len(chances) - i)
        style = {"transform": axes.transAxes, "zorder": 4}
        frame = {"facecolor": "white", "edgecolor": "#b9bec6"}
        axes.add_patch(Rectangle((left, 0.76), 0.8 * width, 0.2, **frame, **style))
        axes.add_patch(Rectangle((left, 0.76), 0.8 * width, 0.2 * chance, facecolor=INK, **style))
