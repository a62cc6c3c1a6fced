"""Value maps of composed policies: the value of each place in each state of the task."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from didact.environments.base import Map
from didact.experiments.plotting.style import drawing_style, save_figure
from didact.students import Policy
from didact.students.skills import WithFormula

SIDES = {"right": (1, 0), "down": (0, 1), "left": (-1, 0), "up": (0, -1)}
COLUMNS = 3
WALL = "#5b616b"


def value_maps(
    path: Path,
    policy: Policy,
    world: WithFormula,
    state: object,
    titles: dict[int, str],
) -> Path | None:
    """Plot a value map for each state of an automaton, with the best move at each place.

    Args:
        path: output file in a format supported by matplotlib.
        policy: policy that provides the values and moves.
        world: environment with the formula.
        state: state of the environments; the first is drawn.
        titles: titles of the maps, by the number of the automaton's state.

    Returns:
        The path of the figure; None if the environment has no map.
    """
    maps = []
    apply = jax.jit(policy.student.apply)
    for number in titles:
        machine = jnp.full_like(state.machine, number)  # type: ignore[attr-defined]
        drawn = world.map(state._replace(machine=machine), 0)  # type: ignore[attr-defined]
        if drawn is None:
            return None
        distribution, value, _ = apply(policy.state, (), drawn.observation)
        maps.append((drawn, np.asarray(value), np.asarray(distribution.mode())))
    columns = min(COLUMNS, len(maps))
    rows = -(-len(maps) // columns)
    first = maps[0][0]
    height = 4.6 * len(first.free) / first.width**2
    with drawing_style():
        figure = Figure(figsize=(4.6 * columns, (height + 0.75) * rows), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis, (drawn, value, action), title in zip(axes, maps, titles.values(), strict=False):
            best = np.where(drawn.free, value, np.nan).reshape(-1, drawn.width)
            axis.set_facecolor(WALL)
            image = axis.imshow(best, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(visible=False)
            moves = [SIDES.get(name) for name in world.action_space.names]
            _arrows(axis, drawn, value, [moves[i] for i in action])
            for place in np.flatnonzero(drawn.free).tolist():
                if drawn.marks[place]:
                    axis.text(
                        place % drawn.width, place // drawn.width, drawn.marks[place],
                        ha="center", va="center", fontsize=7, weight="bold", color="white",
                        bbox={"boxstyle": "round,pad=0.15", "facecolor": "#22262b", "lw": 0},
                    )  # fmt: skip
        for axis in axes[len(maps) :]:
            axis.set_axis_off()
        figure.colorbar(image, ax=list(axes), label="value of the best move", shrink=0.8)
        return save_figure(figure, path, 130)


def _arrows(axis, drawn: Map, value: np.ndarray, moves: Sequence[tuple[int, int] | None]) -> None:
    """Draw the best moves, except where the value is 0 or the best action is not a move."""
    shown = [
        (place % drawn.width, place // drawn.width, *side)
        for place in np.flatnonzero(drawn.free & (value > 0)).tolist()
        if (side := moves[place]) is not None
    ]
    if shown:
        x, y, dx, dy = np.array(shown, float).T
        axis.quiver(
            x, y, dx, dy, angles="xy", scale_units="xy", scale=1.9, pivot="mid",
            color="white", width=0.006, alpha=0.75,
        )  # fmt: skip
