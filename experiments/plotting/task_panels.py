"""Panels with a point for each task of a snapshot, in one or two dimensions of the task space."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box
from didact.experiments.plotting.beliefs_plot import PROGRESS
from didact.experiments.plotting.style import JITTER
from didact.experiments.runs.curriculum_snapshots import (
    CurriculumSnapshot,
    expected_progress,
    most_informative_dimensions,
)

# Uniform lightness, so that cells can fade to white where tasks are few.
SUCCESS = LinearSegmentedColormap.from_list("success", ["#D9701E", "#B09AA0", "#1B6DB3"])


def ready(snapshots: Sequence[CurriculumSnapshot], space: Box) -> list[CurriculumSnapshot]:
    """Return the snapshots with tasks, in order of steps.

    Raises:
        SettingError: there are none, their tasks are not of the space, or all its dimensions are
            fixed.
    """
    found = sorted((s for s in snapshots if len(s.tasks)), key=lambda s: s.steps)
    if not found:
        raise SettingError("snapshots", "empty", "at least one snapshot with a task")
    for snapshot in found:
        if np.shape(snapshot.tasks)[1:] != (space.size,):
            raise SettingError(
                "tasks", np.shape(snapshot.tasks), f"of shape [m, {space.size}], like the space"
            )
    if not (space.low < space.high).any():
        raise SettingError("space", space.names, "a space with a dimension that is not fixed")
    return found


def columns_of(
    snapshots: Sequence[CurriculumSnapshot], space: Box, names: Sequence[str] | None
) -> tuple[int, ...]:
    """Return the columns of one or two named dimensions, or of the most informative ones.

    Raises:
        SettingError: a name is unknown or fixed, or there are more than two.
    """
    if names is None:
        return most_informative_dimensions(snapshots, space)
    shown = tuple(space.column(name) for name in names)
    varies = all(space.low[i] < space.high[i] for i in shown)
    if not 1 <= len(shown) <= 2 or not varies:
        raise SettingError("names", tuple(names), "one or two dimensions that are not fixed")
    return shown


def choice_in_words(space: Box, shown: Sequence[int]) -> str:
    """Name the shown dimensions if the space has more; otherwise return an empty string."""
    total = int((space.low < space.high).sum())
    if total <= len(shown):
        return ""
    names = " and ".join(name_of(space, i, unit=False) for i in shown)
    return f"{names}, of {total} parameters"


def colouring(
    snapshots: Sequence[CurriculumSnapshot], space: Box, progress: str
) -> tuple[list[np.ndarray], ScalarMappable, str, bool]:
    """Return how to colour the tasks of snapshots.

    Returns:
        A value for each task of each snapshot (the progress that Gaussians expect, or success if
        there are none), the colours of the values, their name, and whether they are progress.
    """
    values = [expected_progress(s.tasks, s.beliefs, space) for s in snapshots]
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    if len(known):
        low, high = min(0.0, known.min()), np.quantile(known, 0.99)
        scale = ScalarMappable(Normalize(low, high if high > low else low + 1), PROGRESS)
        return values, scale, progress, True
    values = [np.asarray(s.success, float) for s in snapshots]
    return values, ScalarMappable(Normalize(0, 1), SUCCESS), "success", False


def draw_tasks(
    axes: Axes,
    snapshot: CurriculumSnapshot,
    value: Float[np.ndarray, " m"],
    space: Box,
    shown: Sequence[int],
    scale: ScalarMappable,
    rng: np.random.Generator,
) -> bool:
    """Draw a point for each task; return whether any of them has a value."""
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
    return bool(there.any())


def set_axes(
    axes: Axes, snapshots: Sequence[CurriculumSnapshot], space: Box, shown: Sequence[int]
) -> None:
    """Set the limits of a panel, and label its y axis: the second dimension, or the return."""
    set_axis(axes, "x", space, shown[0])
    if len(shown) == 2:
        set_axis(axes, "y", space, shown[1])
        axes.set_ylabel(name_of(space, shown[1]))
        return
    axes.set_ylabel("return")
    returns = np.concatenate([s.returns for s in snapshots])
    if np.isfinite(returns).any():
        low, high = np.nanmin(returns), np.nanmax(returns)
        margin = 0.06 * (high - low or 1)
        ticks = MaxNLocator(5).tick_values(low, high)
        axes.set_yticks([t for t in ticks if low - margin <= t <= high + margin])
        axes.set_ylim(low - 5 * margin, high + margin)  # room for the beliefs below


def set_axis(axes: Axes, which: str, space: Box, column: int) -> None:
    """Set the limits and ticks of the axis of a dimension."""
    d = space.dimensions[column]
    margin = 0.5 if d.integer else 0.04 * (d.high - d.low)
    getattr(axes, f"set_{which}lim")(d.low - margin, d.high + margin)
    locator = MaxNLocator(4, integer=d.integer, steps=[1, 2, 5, 10])
    getattr(axes, f"{which}axis").set_major_locator(locator)


def name_of(space: Box, column: int, *, unit: bool = True) -> str:
    """Return the name of a dimension in words, with its unit."""
    d = space.dimensions[column]
    return d.name.replace("_", " ") + (f" [{d.unit}]" if d.unit and unit else "")


def _jittered(values: np.ndarray, integer: bool, rng: np.random.Generator) -> np.ndarray:
    return values + rng.uniform(-JITTER, JITTER, len(values)) if integer else values
