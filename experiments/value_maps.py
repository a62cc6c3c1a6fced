"""Pictures of composed behaviour: what each place is worth in each state of the task."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from didact.experiments.figures import drawing_style, save_figure

SIDES = {"right": (1, 0), "down": (0, 1), "left": (-1, 0), "up": (0, -1)}
COLUMNS = 3
WALL = "#5b616b"


def value_maps(
    path: Path,
    values: Float[np.ndarray, "maps places actions"],
    titles: Sequence[str],
    marks: Sequence[str],
    visited: Bool[np.ndarray, " places"],
    width: int,
    actions: Sequence[str],
) -> Path:
    """Draws one map for each state, with the best move at each place, and returns where it stands.

    Args:
        path: a picture in a format matplotlib knows.
        values: of actions; 0 where no way is known.
        titles: of the maps.
        marks: what is written at each place, "" for nothing.
        visited: the places where somebody has been; others are drawn as walls.
        width: places in a row of the map.
        actions: their names; moves are drawn as arrows.
    """
    count = len(values)
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    height = len(visited) // width
    size = (4.6 * columns, (4.6 * height / width + 0.75) * rows)
    with drawing_style():
        figure = Figure(figsize=size, layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis, state, title in zip(axes, values, titles, strict=False):
            best = np.where(visited, state.max(-1), np.nan).reshape(height, width)
            axis.set_facecolor(WALL)
            image = axis.imshow(best, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(visible=False)
            _arrows(axis, state, visited, width, actions)
            for place, mark in enumerate(marks):
                if mark and visited[place]:
                    axis.text(
                        place % width, place // width, mark, ha="center", va="center",
                        fontsize=7, weight="bold", color="white",
                        bbox={"boxstyle": "round,pad=0.15", "facecolor": "#22262b", "lw": 0},
                    )  # fmt: skip
        for axis in axes[count:]:
            axis.set_axis_off()
        figure.colorbar(image, ax=list(axes), label="value of the best move", shrink=0.8)
        return save_figure(figure, path, 130)


def _arrows(axis, values, visited, width, actions):
    """The best moves; none where no way is known, or where it is no move."""
    sides = [SIDES.get(name) for name in actions]
    shown = [
        (place % width, place // width, *side)
        for place in np.flatnonzero(visited & (values.max(-1) > 0))
        if (side := sides[int(values[place].argmax())]) is not None
    ]
    if shown:
        x, y, dx, dy = np.array(shown, float).T
        axis.quiver(
            x, y, dx, dy, angles="xy", scale_units="xy", scale=1.9, pivot="mid",
            color="white", width=0.006, alpha=0.75,
        )  # fmt: skip
