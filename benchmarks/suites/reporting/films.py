"""Films of curricula: what each teacher proposed at every evaluation, as an animated picture."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from didact.benchmarks.suites.reporting.figures import Styles, axes_of, spread_of
from didact.benchmarks.suites.summaries import overall
from didact.experiments.plotting.style import drawing_style, short_steps
from didact.experiments.plotting.video import Frame, write_video

COLUMNS = 3
MOST = 6  # teachers in a film
FPS = 2
HOLD = 3  # frames for which the last one stays
DPI = 80


def film(path: Path, result: Mapping[str, Any], names: list[str], drawn: Styles) -> Path | None:
    """Write the film of the best teachers as GIF.

    The axes are those of `figures.curricula`. Returns None where that has no figure.
    """
    found = axes_of(result, names)
    if found is None:
        return None
    names = names[:MOST]
    points = {n: [np.array(x) for x in result["teachers"][n]["proposals"]] for n in names}
    moments = min(map(len, points.values()))
    frames = [_frame(result, points, found, moment, drawn) for moment in range(moments)]
    return write_video(path, frames + frames[-1:] * HOLD, FPS)


def _frame(
    result: Mapping[str, Any],
    points: Mapping[str, list[np.ndarray]],
    found: tuple[int, int],
    moment: int,
    drawn: Styles,
) -> Frame:
    """Draw the proposals of all teachers at one evaluation."""
    names, (first, second) = list(points), found
    columns = 2 if len(names) == 4 else min(len(names), COLUMNS)
    rows = math.ceil(len(names) / columns)
    with drawing_style():
        figure = Figure(figsize=(2.5 * columns, 2.1 * rows + 0.3), dpi=DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(names) :]:
            axes.set_visible(False)
        for axes, name in zip(grid.flat, names, strict=False):
            tasks = spread_of(points[name][moment])
            color = drawn[name]["color"]
            axes.plot(tasks[:, first], tasks[:, second], ".", ms=4, alpha=0.6, color=color)
            success = overall(result["teachers"][name], result["tests"])[:, moment].mean()
            axes.set_title(f"{name}: {success:.0%}", fontsize=8)
            axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
            axes.set_xticks([0, 1], ["low", "high"])
            axes.set_yticks([0, 1], ["low", "high"])
        for axes in grid[-1]:
            axes.set_xlabel(result["parameters"][first])
        for axes in grid[:, 0]:
            axes.set_ylabel(result["parameters"][second])
        steps = result["teachers"][names[0]]["steps"][moment]
        figure.suptitle(f"proposed tasks after {short_steps(steps)} steps", fontsize=9)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
