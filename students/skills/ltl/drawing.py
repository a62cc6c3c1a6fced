"""Drawings of automata: states as circles, edges with their conditions.

Drawing does not use pyplot, so it changes no global state and needs no display.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from didact.environments import SettingError
from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.ltl.conditions import Edge, edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SIZE = 64  # maximum number of states in a legible drawing
RADIUS = 0.34
ROW = 1.7  # vertical distance of states; columns are as wide as their labels
CHARACTER = 0.095  # width of a character
SHORT, LONG = 14, 26  # maximum characters of a loop's label, and of a line of other labels
INK, GREY, GREEN, RED, NOW = "#22262b", "#8a8f98", "#dff0e6", "#f6e1dc", "#ffd685"


def draw(
    path: str | os.PathLike[str],
    automaton: Automaton,
    *,
    state: int | None = None,
    possible: Bool[np.ndarray, " letters"] | None = None,
    dpi: int = 150,
) -> Path:
    """Draw an automaton to a file.

    States are placed from left to right by the progress of the task. Accepting states have a double
    outline; failed states are red and at the bottom.

    Args:
        path: an image file in a format that matplotlib supports (.png, .pdf, .svg).
        automaton: an automaton with at most `MAX_SIZE` states.
        state: a state to highlight, such as the current one of an episode.
        possible: the letters that can occur, as in `edges`; with `at_most_one`, there are far fewer
            edges. States that cannot be reached by these letters are left out.
        dpi: pixels per inch.

    Returns:
        The path of the file.

    Raises:
        SettingError: the automaton has too many states, or the format is unknown.
    """
    path = Path(path)
    figure = _figure(automaton, state, possible)
    if path.suffix.lstrip(".").lower() not in figure.canvas.get_supported_filetypes():
        raise SettingError("path", str(path), "an image file, such as *.png, *.pdf or *.svg")
    figure.savefig(path, dpi=dpi, facecolor="white")
    return path


def picture(
    automaton: Automaton,
    *,
    state: int | None = None,
    possible: Bool[np.ndarray, " letters"] | None = None,
    dpi: int = 100,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw an automaton as an array, for videos; see `draw`.

    Raises:
        SettingError: the automaton has too many states.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _figure(automaton, state, possible)
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_on(
    axes: "Axes",
    automaton: Automaton,
    *,
    state: int | None = None,
    possible: Bool[np.ndarray, " letters"] | None = None,
) -> None:
    """Draw an automaton on matplotlib axes; see `draw`.

    Raises:
        SettingError: the automaton has too many states.
    """
    from matplotlib.patches import Circle

    found = edges(automaton, possible)
    reached = sorted(_reached(automaton, found))
    found = [edge for edge in found if edge.source in reached]
    places = layout(automaton, found)
    shown = places[reached]
    pairs = {(edge.source, edge.target) for edge in found}
    heights = [shown[:, 1].min() - RADIUS, shown[:, 1].max() + 1.1]
    for edge in found:
        label = _wrapped(str(edge.condition))
        if edge.source != edge.target:
            ends = places[edge.source], places[edge.target]
            failing = bool(automaton.failed[edge.target])
            bend = 0.0 if failing else _bend(*ends, places)
            back = (edge.target, edge.source) in pairs
            heights.append(_arrow(axes, ends, label, bend or 0.16 * back, failing))
        elif automaton.alive[edge.source]:  # loops of failed states carry no information
            # The edges of a state cover all letters, so a loop is "else" if its label is long.
            _loop(axes, places[edge.source], label if len(label) <= SHORT else "else")
    entry = places[automaton.initial] - (1.0, 0)
    _arrow(axes, (entry, places[automaton.initial]), "", 0, False, start=0)
    for i in reached:
        x, y = places[i]
        fill = RED if automaton.failed[i] else GREEN if automaton.accepting[i] else "white"
        fill = NOW if i == state else fill
        axes.add_patch(Circle((x, y), RADIUS, facecolor=fill, edgecolor=INK, zorder=3))
        if automaton.accepting[i]:
            axes.add_patch(Circle((x, y), RADIUS - 0.07, fill=False, edgecolor=INK, zorder=3))
        axes.text(x, y, str(i), ha="center", va="center", fontsize=9, color=INK, zorder=4)
    axes.set_xlim(entry[0] - 0.3, shown[:, 0].max() + 1.0)
    axes.set_ylim(min(heights) - 0.3, max(heights) + 0.3)
    axes.set_aspect("equal")
    axes.set_axis_off()


def layout(automaton: Automaton, edges: Sequence[Edge]) -> Float[np.ndarray, "states 2"]:
    """Return the positions of states: in columns by the longest way there, failed states below.

    The positions of states that no edge leads to are NaN.

    Raises:
        SettingError: the automaton has too many states.
    """
    count = automaton.num_states
    if count > MAX_SIZE:
        allowed = f"of at most {MAX_SIZE} states for drawing"
        raise SettingError("automaton", f"of {count} states", allowed)
    ranks = _ranks(automaton)
    inside = np.isin(np.arange(count), list(_reached(automaton, edges)))
    alive = automaton.alive & inside
    widest: dict[int, int] = {}
    for edge in edges:
        if automaton.alive[edge.target]:
            length = max(map(len, _wrapped(str(edge.condition)).split("\n")))
            widest[int(ranks[edge.source])] = max(widest.get(int(ranks[edge.source]), 0), length)
    starts = np.zeros(ranks.max() + 2)
    for rank in range(len(starts) - 1):
        starts[rank + 1] = starts[rank] + max(2.0, 1.1 + CHARACTER * widest.get(rank, 0))
    places = np.zeros((count, 2))
    places[:, 0] = starts[ranks]
    for rank in range(ranks.max() + 1):
        column = [i for i in np.flatnonzero(alive) if ranks[i] == rank]
        # Sort by the height of the sources of their edges, so that fewer edges cross.
        height = {
            i: np.mean([places[e.source, 1] for e in edges if e.target == i and e.source != i] or 0)
            for i in column
        }
        column.sort(key=lambda i: (-height[i], i))
        for place, i in enumerate(column):
            places[i, 1] = ROW * ((len(column) - 1) / 2 - place)
    failed = np.flatnonzero(~automaton.alive & inside)
    if alive.any():
        places[failed, 0] = (places[alive, 0].min() + places[alive, 0].max()) / 2
        places[failed, 1] = places[alive, 1].min() - 1.25 * ROW
    places[~inside] = np.nan
    return places


def _reached(automaton: Automaton, edges: Sequence[Edge]) -> set[int]:
    """Return the initial state and all states that edges reach from it."""
    reached, waiting = {automaton.initial}, [automaton.initial]
    while waiting:
        source = waiting.pop()
        new = {edge.target for edge in edges if edge.source == source} - reached
        reached |= new
        waiting += new
    return reached


def _ranks(automaton: Automaton) -> np.ndarray:
    """Return the column of each state: the number of edges on the longest way there, without
    cycles.
    """
    count = automaton.num_states
    reach = np.eye(count, dtype=bool)
    reach[np.arange(count)[:, None], automaton.transitions] = True
    for _ in range(count.bit_length()):
        reach = reach @ reach
    together = reach & reach.T
    ranks = np.zeros(count, int)
    # States that reach more states come first; states that reach each other are ordered by number,
    # which is the breadth-first order.
    for i in sorted(range(count), key=lambda i: (-reach[i].sum(), i)):
        before = [
            j
            for j in range(count)
            if i in automaton.transitions[j] and j != i and (not together[i, j] or j < i)
        ]
        ranks[i] = 1 + max((ranks[j] for j in before), default=-1)
    return ranks


def _bend(one: np.ndarray, other: np.ndarray, places: np.ndarray) -> float:
    """Return the bend of an arrow, as a fraction of its length, that avoids states in between."""
    along = other - one
    length = float(np.linalg.norm(along))
    part = (places - one) @ along / length**2
    apart = np.abs((places - one) @ np.array([along[1], -along[0]])) / length
    between = (part > 0.05) & (part < 0.95) & (apart < 1.3 * RADIUS)
    if not between.any():
        return 0.0
    # Pass above the loops of these states from left to right, and below the states otherwise.
    return -2 * ((0.95 if along[0] > 0 else 0.5) + 0.1 * length) / length


def _arrow(
    axes: Any, ends: Any, label: str, bend: float, failing: bool, start: float = RADIUS
) -> float:
    """Draw an arrow, and return the height of its middle."""
    from matplotlib.patches import FancyArrowPatch

    one, other = np.asarray(ends)
    along = other - one
    # The control point of matplotlib's "arc3", with the ends on the circles.
    control = (one + other) / 2 + bend * np.array([along[1], -along[0]])
    one = one + start * _unit(control - one)
    other = other + RADIUS * _unit(control - other)
    colour = "#c0705c" if failing else INK
    axes.add_patch(
        FancyArrowPatch(
            tuple(one),
            tuple(other),
            connectionstyle=f"arc3,rad={_rad(one, other, control)}",
            arrowstyle="-|>",
            mutation_scale=9,
            shrinkA=0,
            shrinkB=0,
            linewidth=0.8 if failing else 1.0,
            color=colour,
            zorder=1,
        )
    )
    where = 0.5 if abs(bend) > 0.16 else 0.42
    middle = (1 - where) ** 2 * one + 2 * where * (1 - where) * control + where**2 * other
    _label(axes, middle, label, colour)
    return float(middle[1])


def _rad(one: np.ndarray, other: np.ndarray, control: np.ndarray) -> float:
    """Return the parameter `rad` of "arc3" for this control point."""
    along = other - one
    across = np.array([along[1], -along[0]])
    return float((control - (one + other) / 2) @ across / (across @ across))


def _loop(axes: Any, place: np.ndarray, label: str) -> None:
    from matplotlib.patches import FancyArrowPatch

    left, right = (place + RADIUS * np.array([side * 0.5, 0.866]) for side in (-1, 1))
    axes.add_patch(
        FancyArrowPatch(
            tuple(left),
            tuple(right),
            connectionstyle="arc3,rad=-1.9",
            arrowstyle="-|>",
            mutation_scale=9,
            shrinkA=0,
            shrinkB=0,
            color=INK,
            zorder=1,
        )
    )
    _label(axes, (place[0], place[1] + RADIUS + 0.42), label, INK)


def _label(axes: Any, place: Any, text: str, colour: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
    font: dict[str, Any] = {"fontsize": 7, "color": colour, "parse_math": False}
    axes.text(*place, text, ha="center", va="center", bbox=box, zorder=2, **font)


def _wrapped(label: str) -> str:
    """Break a label into lines before an "or" that would make a line too long."""
    lines = [""]
    for clause in label.split(" | "):
        longer = f"{lines[-1]} | {clause}" if lines[-1] else clause
        if len(longer) <= LONG or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(f"| {clause}")
    return "\n".join(lines)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _figure(
    automaton: Automaton, state: int | None, possible: Bool[np.ndarray, " letters"] | None
) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_on(axes, automaton, state=state, possible=possible)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    title = str(automaton.formula)
    width = max((right - left) * 0.62, len(title) * 0.075 + 0.3, 2.5)
    height = (top - bottom) * 0.62 + 0.3
    figure.set_size_inches(min(width, 24), height)
    axes.set_position((0, 0, 1, 1 - 0.3 / height))
    font: dict[str, Any] = {"fontsize": 9, "color": INK, "parse_math": False}
    figure.text(0.5, 1 - 0.08 / height, title, ha="center", va="top", **font)
    return figure
