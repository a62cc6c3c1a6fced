"""Figures and words about several suites: the radar of profiles, ranks, and a verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from didact.benchmarks.suites.reporting.figures import DPI, Styles
from didact.benchmarks.suites.reporting.ranks import Ranks
from didact.benchmarks.suites.summaries import (
    BASELINE,
    BETTER,
    CONCLUSIONS,
    EQUAL,
    UPPER,
    conclusion,
)
from didact.experiments.plotting.style import drawing_style, save_figure

LEAST = 3  # axes of a radar
LEAST_SHOWN = 0.01  # share of a rank that is written


def profiles(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the profiles of results, which older results do not have."""
    return [str(result.get("profile") or result["suite"]) for result in results]


def common(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the teachers that take part in all suites, best first on average."""
    names = [n for n in results[0]["summary"] if all(n in r["summary"] for r in results)]
    return sorted(names, key=lambda name: -float(np.mean(_of_best(results, name))))


def _of_best(results: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Return the area under the curve in each suite, as a part of the best teacher's."""
    values = []
    for result in results:
        best = max(row["area_mean"] for row in result["summary"].values())
        values.append(result["summary"][name]["area_mean"] / best if best > 0 else 0.0)
    return values


def radar(path: Path, results: Sequence[Mapping[str, Any]], drawn: Styles) -> Path | None:
    """Plot the area under the curve in each profile, as a part of the best teacher's.

    Returns None with fewer than three profiles, or without common teachers.
    """
    if len(results) < LEAST or not common(results):
        return None
    names, labels = common(results), profiles(results)
    angles = np.linspace(0, 2 * np.pi, len(labels), endpoint=False)
    with drawing_style():
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        axes: Any = figure.add_subplot(projection="polar")
        axes.set_theta_offset(np.pi / 2)
        axes.set_theta_direction(-1)
        for name in names:
            values = _of_best(results, name)
            closed = np.append(angles, angles[0]), np.append(values, values[0])
            control = name in (BASELINE, UPPER)
            axes.plot(*closed, label=name, linewidth=1.8, **drawn[name])
            if not control:
                axes.fill(*closed, color=drawn[name]["color"], alpha=0.05)
        axes.set_xticks(angles, [label.replace("_", " ") for label in labels])
        for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
            side = float(np.sin(angle))  # clockwise from the top
            label.set_horizontalalignment(
                "center" if abs(side) < 0.1 else "left" if side > 0 else "right"
            )
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0.25, 0.5, 0.75, 1], ["25 %", "50 %", "75 %", "100 %"], fontsize=7)
        axes.spines["polar"].set_visible(False)
        figure.legend(loc="outside right upper", handlelength=2.4)
        return save_figure(figure, path, DPI)


def ranks(path: Path, found: Ranks, drawn: Styles) -> Path:
    """Plot the mean rank of each teacher with its interval, and how often it has each rank."""
    order = np.argsort(found.mean)
    names = [found.names[i] for i in order]
    with drawing_style():
        figure = Figure(figsize=(7.2, 0.7 + 0.32 * len(names)), layout="constrained")
        axes, shares = figure.subplots(1, 2, sharey=True, width_ratios=(1.4, 1))
        for height, i in enumerate(order[::-1]):
            color = drawn[found.names[i]]["color"]
            axes.plot([found.low[i], found.high[i]], [height] * 2, color=color, linewidth=2)
            axes.plot(found.mean[i], height, "D", color=color, ms=6)
        axes.set_yticks(range(len(names)), names[::-1])
        axes.set_xlim(0.7, len(names) + 0.3)
        axes.set_xticks(range(1, len(names) + 1))
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_title("mean rank, 95 % bootstrap", loc="left")
        axes.grid(axis="y", visible=False)
        shares.imshow(
            found.shares[order[::-1]], cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="lower",
            extent=(0.5, len(names) + 0.5, -0.5, len(names) - 0.5),
        )  # fmt: skip
        for height, i in enumerate(order[::-1]):
            for rank, share in enumerate(found.shares[i], 1):
                if share >= LEAST_SHOWN:
                    color = "white" if share > 0.5 else "#22262b"
                    place = {"ha": "center", "va": "center", "fontsize": 7}
                    shares.text(rank, height, f"{share:.0%}", color=color, **place)
        shares.set_xticks(range(1, len(names) + 1))
        shares.set_title("how often it has each rank", loc="left")
        shares.grid(visible=False)
        return save_figure(figure, path, DPI)


def verdict(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words in which profiles each teacher is better or worse than uniform sampling."""
    compared = [result for result in results if BASELINE in result["summary"]]
    if len(compared) < 2:
        return []
    said = []
    names = [name for name in common(compared) if name not in (BASELINE, UPPER)]
    for name in names:
        where: dict[str, list[str]] = {words: [] for words in CONCLUSIONS}
        for result, label in zip(compared, profiles(compared), strict=True):
            summary = result["summary"]
            where[conclusion(summary[name], summary[BASELINE])].append(label)
        better = where[BETTER]
        parts = [f"{BETTER} than {BASELINE} in {len(better)} of {len(compared)} profiles"]
        if better:
            parts[0] += f" ({', '.join(better)})"
        parts += [
            f"{words} in {len(labels)} ({', '.join(labels)})"
            for words, labels in where.items()
            if labels and words not in (BETTER, EQUAL)
        ]
        said.append(f"{name}: {'; '.join(parts)}.")
    return said
