"""Figures of a suite's results: learning curves, final success, and what teachers proposed."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from didact.benchmarks.suites.summaries import BASELINE, UPPER, by_seed, ordered, overall
from didact.common.intervals import t_interval
from didact.experiments.plotting.style import (
    COLOURS,
    DASHES,
    GREY,
    drawing_style,
    save_figure,
    short_steps,
)

DPI = 150
MOMENTS = 3  # of each curriculum
TOPS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # of axes that show shares


Styles = Mapping[str, Mapping[str, Any]]  # color and dashes by teacher


def mark_percent(axis: Axis) -> None:
    """Mark whole percent along an axis that shows shares."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0))


def limits(shares: Any) -> tuple[float, float]:
    """Return the limits of an axis that begins at 0 and contains shares, which are at most 1."""
    highest = min(float(np.max(shares)), 1.0)
    top = next(top for top in TOPS if top >= highest)
    return -0.02 * top, 1.02 * top


def styles_of(results: Sequence[Mapping[str, Any]]) -> Styles:
    """Return the color and dashes of each teacher, the same in all figures of a report."""
    return styles([name for result in results for name in ordered(result["summary"])])


def styles(names: Iterable[str]) -> Styles:
    """Return the color and dashes of each teacher, in the order of names; controls are gray."""
    made, number = {}, 0
    for name in dict.fromkeys(names):
        if name in (BASELINE, UPPER):
            dash = DASHES[2] if name == BASELINE else DASHES[0]
            made[name] = {"color": GREY, "linestyle": dash}
            continue
        color = COLOURS[number % len(COLOURS)]
        made[name] = {"color": color, "linestyle": DASHES[number // len(COLOURS) % len(DASHES)]}
        number += 1
    return made


def curves(path: Path, result: Mapping[str, Any], names: list[str], drawn: Styles) -> Path:
    """Plot the success of each teacher over time, with 95 % t-intervals over seeds."""
    with drawing_style():
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        highest = []
        for name in names:
            row = result["teachers"][name]
            values = by_seed(row, overall(row, result["tests"]))
            steps, band = np.array(row["steps"]), t_interval(values)
            highest.append(band.high)
            axes.fill_between(
                steps, np.clip(band.low, 0, 1), np.clip(band.high, 0, 1),
                color=drawn[name]["color"], alpha=0.12, linewidth=0,
            )  # fmt: skip
            axes.plot(steps, values.mean(0), linewidth=1.8, label=name, **drawn[name])
        axes.set_xlabel("environment steps")
        axes.set_ylabel("success on the test tasks")
        axes.set_ylim(*limits(np.concatenate(highest)))
        axes.margins(x=0.01)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        mark_percent(axes.yaxis)
        figure.legend(loc="outside right upper", handlelength=2.4)
        return save_figure(figure, path, DPI)


def bars(path: Path, result: Mapping[str, Any], names: list[str], drawn: Styles) -> Path:
    """Plot the final success and the area under the curve: every seed, mean and 95 % interval."""
    with drawing_style():
        figure = Figure(figsize=(7.2, 0.5 + 0.32 * len(names)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, score, title in zip(
            panels, ("final", "area"), ("final success", "area under the curve"), strict=True
        ):
            for height, name in enumerate(reversed(names)):
                row, color = result["summary"][name], drawn[name]["color"]
                low, high = row[f"{score}_interval"]
                axes.plot(row[score], [height] * row["seeds"], "o", color=color, alpha=0.35, ms=4)
                axes.plot(np.clip([low, high], 0, 1), [height] * 2, color=color, linewidth=2)
                axes.plot(row[f"{score}_mean"], height, "D", color=color, ms=6)
            axes.set_title(title, loc="left")
            found = [result["summary"][name] for name in names]
            ends = [[*row[score], row[f"{score}_interval"][1]] for row in found]
            axes.set_xlim(*limits(np.concatenate(ends)))
            axes.set_ylim(-0.6, len(names) - 0.4)
            mark_percent(axes.xaxis)
            axes.grid(axis="y", visible=False)
        panels[0].set_yticks(range(len(names)), list(reversed(names)))
        return save_figure(figure, path, DPI)


def curricula(
    path: Path, result: Mapping[str, Any], names: list[str], drawn: Styles
) -> Path | None:
    """Plot the proposals of each teacher at the beginning, in the middle and at the end.

    The axes are those of `axes_of`; returns None if it finds none.
    """
    found = axes_of(result, names)
    if found is None:
        return None
    first, second = found
    every = {name: [np.array(x) for x in result["teachers"][name]["proposals"]] for name in names}
    parameters = result["parameters"]
    with drawing_style():
        figure = Figure(figsize=(7.2, 1.9 * len(names)), layout="constrained")
        count = min(MOMENTS, min(map(len, every.values())))
        grid = figure.subplots(len(names), count, sharex=True, sharey=True, squeeze=False)
        for rows, name in zip(grid, names, strict=True):
            moments = every[name]
            chosen = np.linspace(0, len(moments) - 1, count).round().astype(int)
            for axes, moment in zip(rows, chosen, strict=True):
                tasks = spread_of(moments[moment])
                axes.plot(
                    tasks[:, first], tasks[:, second], ".", ms=3, alpha=0.6,
                    color=drawn[name]["color"],
                )  # fmt: skip
                steps = result["teachers"][name]["steps"][moment]
                axes.set_title(f"{name} after {short_steps(steps)} steps", fontsize=8)
                axes.set_xlim(-0.04, 1.04)
                axes.set_ylim(-0.04, 1.04)
                axes.set_xticks([0, 1], ["low", "high"])
                axes.set_yticks([0, 1], ["low", "high"])
        for axes in grid[-1]:
            axes.set_xlabel(parameters[first])
        for axes in grid[:, 0]:
            axes.set_ylabel(parameters[second])
        return save_figure(figure, path, DPI)


def axes_of(result: Mapping[str, Any], names: list[str]) -> tuple[int, int] | None:
    """Return the two parameters in which proposals differ most between teachers and moments.

    Parameters with two values, such as switches, only count if there are no two others. Returns
    None if there are no two parameters in which proposals vary.
    """
    moments = [np.array(x) for name in names for x in result["teachers"][name]["proposals"]]
    if not moments:
        return None
    every = np.concatenate(moments)
    spread = every.std(axis=0)
    differ = np.stack([tasks.mean(axis=0) for tasks in moments]).std(axis=0) + 1e-3 * spread
    varies, many = spread > 0, [len(np.unique(column)) > 2 for column in every.T]
    for usable in (varies & many, varies):
        if usable.sum() >= 2:
            first, second = sorted(np.argsort(np.where(usable, -differ, 1))[:2])
            return int(first), int(second)
    return None


def spread_of(tasks: np.ndarray) -> np.ndarray:
    """Return tasks with a little noise, so that equal ones do not hide each other."""
    return tasks + np.random.default_rng(0).normal(0, 0.008, tasks.shape)


def worst(path: Path, result: Mapping[str, Any], names: list[str], drawn: Styles) -> Path | None:
    """Plot the success in the worst part of the tasks (CVaR), with 95 % t-intervals over seeds.

    Returns None if no teacher was tested so.
    """
    tested = [name for name in names if "worst" in result["teachers"][name]]
    if not tested:
        return None
    with drawing_style():
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        highest = []
        for name in tested:
            whole = result["teachers"][name]
            row = whole["worst"]
            values = by_seed(whole, np.asarray(row["success"], float))
            band = t_interval(values)
            low, high = np.clip(band, 0, 1)
            highest.append(high)
            color = drawn[name]["color"]
            axes.fill_between(row["shares"], low, high, color=color, alpha=0.12, linewidth=0)
            axes.plot(row["shares"], values.mean(0), label=name, linewidth=1.8, **drawn[name])
        axes.set_xscale("log")
        shares = result["teachers"][tested[0]]["worst"]["shares"]
        axes.set_xticks(shares, [f"{100 * share:g}%" for share in shares])
        axes.minorticks_off()
        mark_percent(axes.yaxis)
        axes.set_xlabel("worst part of the tasks")
        axes.set_ylabel("success in it")
        axes.set_ylim(*limits(np.concatenate(highest)))
        figure.legend(loc="outside right upper", handlelength=2.4)
        return save_figure(figure, path, DPI)
