"""Conclusions from results of suites: the direction of differences, and what counts as a seed."""

import numpy as np
import pytest
from scipy import stats

from didact.benchmarks.suites import summaries
from didact.benchmarks.suites.reporting import figures, overview, report

SIZES = {"all": 10}


def row(curves, **more):
    curves = np.clip(curves, 0, 1)
    steps = [100 * (i + 1) for i in range(curves.shape[1])]
    return {"steps": steps, "success": {"all": curves.tolist()}, "proposals": []} | more


def spread(size, scale):
    return np.random.default_rng(0).normal(0, scale, (size, 1))


def result(rows, **more):
    return {"suite": "a", "summary": summaries.summarise(rows, SIZES), "teachers": rows} | more


BASE = np.array([0.2, 0.4, 0.6, 0.8]) + spread(5, 0.01)


@pytest.mark.parametrize(
    ("curve", "noise", "words", "profiles"),
    [
        # The area is a little larger, but not significantly so.
        ([0.2, 0.5, 0.65, 0.7], [0.15, 0.15, 0.15, 0.01], "worse", "worse in 2 (a, b)"),
        ([0.2, 0.6, 0.75, 0.9], [0.3, 0.3, 0.3, 0.01], "better", "better than uniform in 2 of 2"),
        ([0.5, 0.7, 0.8, 0.7], [0.01] * 4, "better along the curve but worse at the end", "in 2"),
        ([0.1, 0.1, 0.2, 0.9], [0.01] * 4, "worse along the curve but better at the end", "in 2"),
        ([0.2, 0.4, 0.6, 0.8], [0.01] * 4, "no significant difference", "in 0 of 2 profiles."),
    ],
)
def test_each_significant_difference_has_its_own_direction(curve, noise, words, profiles):
    other = np.array(curve) + spread(5, 1) * np.array(noise)
    one = result({"uniform": row(BASE), "x": row(other)})
    assert f"{words}: x." in summaries.verdict(one["summary"])
    (said,) = overview.verdict([one, one | {"suite": "b"}])
    assert profiles in said
    if words not in ("better", "no significant difference"):
        assert f"{words} in 2 (a, b)" in said
        assert "better than uniform in 0 of 2" in said


def test_students_are_no_seeds(tmp_path):
    """The same small effect in four students that differ widely is seen in the mean over them."""
    rng = np.random.default_rng(1)

    def taught(effect):
        final = [level + effect + rng.normal(0, 0.02, (5, 1)) for level in (0.15, 0.35, 0.6, 0.85)]
        curves = np.concatenate(final) * np.array([0.5, 1])
        worst = {"shares": [0.1, 1.0], "success": np.clip(curves, 0, 1).tolist()}
        return row(curves, students=4, worst=worst, seconds=1.0)

    rows = {"uniform": taught(0), "x": taught(0.06)}
    made = summaries.summarise(rows, SIZES)
    finals = {
        name: np.array(each["success"]["all"])[:, -1].reshape(4, 5).mean(0)
        for name, each in rows.items()
    }
    expected = stats.ttest_ind(finals["x"], finals["uniform"], equal_var=False).pvalue
    assert made["x"]["final_p"] == pytest.approx(expected)
    assert made["x"]["final_p"] < 0.01
    assert made["x"]["final"] == pytest.approx(finals["x"])
    low, high = stats.t.interval(0.95, 4, finals["x"].mean(), stats.sem(finals["x"]))
    assert made["x"]["final_interval"] == pytest.approx([low, high])
    assert (made["x"]["seeds"], made["x"]["trainings"]) == (5, 20)
    old = {name: value for name, value in rows["x"].items() if name != "students"}
    assert summaries.with_students(old, 5)["students"] == 4
    assert summaries.with_students(rows["x"], 20)["students"] == 4
    whole = result(rows, tests=SIZES, settings={"seed": 3})
    lines = [line.split(",") for line in report._csv([whole]).splitlines()]
    assert {(line[2], line[3]) for line in lines[1:]} == {
        (str(student), str(seed)) for student in range(4) for seed in range(3, 8)
    }
    assert figures.curves(tmp_path / "curves.png", whole, ["x"]).is_file()
    assert figures.worst(tmp_path / "worst.png", whole, ["x"])


def test_the_report_names_the_machine_of_the_rows():
    rows = {name: {"machine": {"cpu": cpu}} for name, cpu in (("a", "x"), ("b", "y"))}
    one = report._machine_of({"machine": {"cpu": "z"}, "teachers": {"a": rows["a"]}})
    assert one == {"cpu": "x"}
    both = report._machine_of({"machine": {"cpu": "z"}, "teachers": rows})
    assert report._machine(both).startswith("several machines")
    assert report._machine_of({"machine": 5, "teachers": {"a": {"machine": {}}}}) == 5
