"""Statistics of the teachers of a suite.

References:
    Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS
    2021 (interquartile mean, probability of improvement); Holm, A simple sequentially rejective
    multiple test procedure, 1979.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from didact.benchmarks.statistics import (
    area_under_curve,
    first_time_above,
    holm,
    interquartile_mean,
    median_time,
    probability_of_improvement,
    welch_test,
)
from didact.common.intervals import t_interval

BASELINE = "uniform"
UPPER = "staged"
CONTROLS = (BASELINE, UPPER, f"warm-up {BASELINE}")
DEAD = 0.1  # final success below this fraction of the best teacher's mean: a seed that died
LEVEL = 0.05  # of significance
HALF = 0.5  # success rate whose time is reported

BETTER, EQUAL, WORSE = "better", "no significant difference", "worse"
SLOWER = "worse along the curve but better at the end"
FASTER = "better along the curve but worse at the end"
CONCLUSIONS = (BETTER, SLOWER, EQUAL, FASTER, WORSE)


def overall(row: Mapping[str, Any], sizes: Mapping[str, int]) -> Float[np.ndarray, "trainings p"]:
    """Return the success over all test tasks of each training of a row of results."""
    total = sum(sizes.values())
    parts = [np.asarray(row["success"][name], float) * n for name, n in sizes.items()]
    return np.sum(parts, axis=0) / total


def by_seed(
    row: Mapping[str, Any], values: Float[np.ndarray, "trainings p"]
) -> Float[np.ndarray, "seeds p"]:
    """Return the mean over the students of each seed.

    Students are the same for all teachers, so that their differences are no chance: only seeds are
    independent draws.
    """
    students = row.get("students", 1)
    return np.asarray(values, float).reshape(students, -1, *np.shape(values)[1:]).mean(axis=0)


def with_students(row: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    """Return a row with its number of `students`, which older results do not state."""
    trainings = len(next(iter(row["success"].values())))
    known = seeds > 1 and trainings % seeds == 0
    return {"students": trainings // seeds if known else 1, **row}


def summarise(
    rows: Mapping[str, Mapping[str, Any]], sizes: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """Return the statistics of each teacher.

    Args:
        rows: results of `jobs.run` by teacher, with at least two seeds each.
        sizes: the number of test tasks by group.

    Returns:
        By teacher: `final` success and `area` under the curve of each seed (with several students,
        the mean over them) with means and 95 % t-intervals, `iqm` of the final success,
        `improvement`, the probability that a seed is better than one of `uniform`, Holm-corrected
        `final_p` and `area_p` of Welch's tests against `uniform`, `half_time`, the steps by which
        half of the seeds have reached a success of one half (None if they have not), the number of
        `seeds`, of `trainings` and of those that are `dead`, and the final success
        by `group`. Without `uniform`, comparisons with it are None.
    """
    trainings = {name: overall(row, sizes) for name, row in rows.items()}
    made: dict[str, dict[str, Any]] = {}
    best = max(curve[:, -1].mean() for curve in trainings.values())
    for name, row in rows.items():
        curve, steps = by_seed(row, trainings[name]), np.array([0, *row["steps"]])
        padded = np.pad(curve, ((0, 0), (1, 0)))
        scores = {"final": curve[:, -1], "area": area_under_curve(steps, padded)}
        entry: dict[str, Any] = {"seeds": len(curve), "trainings": len(trainings[name])}
        for score, values in scores.items():
            entry[score] = values.tolist()
            entry[f"{score}_mean"] = float(values.mean())
            entry[f"{score}_interval"] = [float(x) for x in t_interval(values)]
        entry["iqm"] = interquartile_mean(scores["final"])
        time = median_time(first_time_above(steps, padded, HALF))
        entry["half_time"] = float(time) if np.isfinite(time) else None
        entry["dead"] = int(np.sum(trainings[name][:, -1] < DEAD * best))
        entry["groups"] = {
            group: float(np.mean(np.asarray(values)[:, -1]))
            for group, values in row["success"].items()
        }
        made[name] = entry
    for score in ("final", "area"):
        others = [name for name in made if name != BASELINE and BASELINE in made]
        p = holm([float(welch_test(made[n][score], made[BASELINE][score]).p_value) for n in others])
        for name in made:
            made[name][f"{score}_p"] = p[others.index(name)] if name in others else None
    for entry in made.values():
        entry["improvement"] = (
            probability_of_improvement(entry["final"], made[BASELINE]["final"])
            if BASELINE in made
            else None
        )
    return made


def ordered(summary: Mapping[str, Any]) -> list[str]:
    """Return the teachers of a summary, best first."""
    return sorted(summary, key=lambda name: -summary[name]["area_mean"])


def conclusion(row: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return which of `CONCLUSIONS` holds for a row of the summary, compared with the baseline.

    Only significant differences count, each with its own sign.
    """
    higher = {
        score: row[f"{score}_mean"] > base[f"{score}_mean"]
        for score in ("area", "final")
        if row[f"{score}_p"] < LEVEL
    }
    if not higher:
        return EQUAL
    if len(set(higher.values())) > 1:
        return FASTER if higher["area"] else SLOWER
    return BETTER if True in higher.values() else WORSE


def verdict(summary: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the conclusions in words: which teachers differ from uniform sampling, and how far."""
    if BASELINE not in summary or len(summary) < 2:
        return []
    base = summary[BASELINE]
    found = {name: conclusion(row, base) for name, row in summary.items() if name != BASELINE}
    seeds = min(row["seeds"] for row in summary.values())
    said = [f"Welch's tests against {BASELINE} with {seeds} seeds, corrected by Holm's method:"]
    for words in CONCLUSIONS:
        names = [name for name in ordered(summary) if found.get(name) == words]
        if names:
            said.append(f"{words}: {', '.join(names)}.")
    return said + _gap_closed(summary)


def _gap_closed(summary: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return how much of the gap between uniform sampling and the stages the best teacher closes.

    Nothing is said if the stages are not significantly better, or no teacher exceeds uniform
    sampling. The control `warm-up uniform` does not count.
    """
    learned = {name: row for name, row in summary.items() if name not in CONTROLS}
    if UPPER not in summary or not learned:
        return []
    base, upper = summary[BASELINE]["area_mean"], summary[UPPER]["area_mean"]
    name = ordered(learned)[0]
    reached = learned[name]["area_mean"]
    if upper <= base or summary[UPPER]["area_p"] >= LEVEL or reached <= base:
        return []
    best = f"{name}, the best of {len(learned)} teachers in these results," * (len(learned) > 1)
    part = f"closes {(reached - base) / (upper - base):.0%} of the gap between {BASELINE} and "
    part += "the hand-made stages"
    beyond = "is higher than the hand-made stages, which leave room for improvement"
    return [f"{best or name} {part if reached <= upper else beyond} (area under the curve)."]
