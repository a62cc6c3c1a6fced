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


@pytest.mark.slow
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
    lines = [line.split(",") for line in report._seeds_csv([whole]).splitlines()]
    assert {(line[2], line[3]) for line in lines[1:]} == {
        (str(student), str(seed)) for student in range(4) for seed in range(3, 8)
    }
    header, *table = [line.split(",") for line in report._summary_csv([whole]).splitlines()]
    cells = dict(zip(header, table[0], strict=True))
    assert (cells["teacher"], cells["seeds"], cells["trainings"]) == ("x", "5", "20")
    assert float(cells["final_mean"]) == pytest.approx(finals["x"].mean(), rel=1e-5)
    assert float(cells["final_low"]) == pytest.approx(low, rel=1e-5)
    assert float(cells["final_p"]) == pytest.approx(expected, rel=1e-5)
    assert dict(zip(header, table[1], strict=True))["final_p"] == ""  # of the baseline
    drawn = figures.styles_of([whole])
    assert figures.curves(tmp_path / "curves.png", whole, ["x"], drawn).is_file()
    assert figures.worst(tmp_path / "worst.png", whole, ["x"], drawn)


def test_a_teacher_has_the_same_color_in_a_whole_report(tmp_path, monkeypatch):
    """Also where the order of the teachers differs, or one of them is missing."""

    def level(values):
        rows = {name: row(np.full((5, 2), x), seconds=1.0) for name, x in values.items()}
        made = result(rows, tests=SIZES, settings={"steps": 9, "seeds": 5, "seed": 0, "tests": "x"})
        return made | {"description": "d", "machine": {}, "parameters": [], "verdict": []}

    results = [
        level({"x": 0.9, "y": 0.5, "uniform": 0.1}) | {"suite": "a"},
        level({"x": 0.2, "y": 0.5, "z": 0.9, "uniform": 0.1}) | {"suite": "b"},
        level({"y": 0.5, "z": 0.6, "uniform": 0.7}) | {"suite": "c"},
    ]
    drawn = figures.styles_of(results)
    assert list(drawn) == ["x", "y", "uniform", "z"]
    assert len({style["color"] for style in drawn.values()}) == 4
    seen = []
    for module, name, at in (
        (figures, "curves", 3), (figures, "bars", 3), (figures, "worst", 3),
        (figures, "curricula", 3), (overview, "radar", 2), (overview, "ranks", 2),
        (report.films, "film", 3),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda *given, at=at: seen.append(given[at]))
    report.write(results, tmp_path)
    assert len(seen) == 2 + 3 * 6
    assert all(styles == drawn for styles in seen)
    assert "mean of the curve over" in (tmp_path / report.PAGE).read_text()  # not "of\\nthe"


@pytest.mark.parametrize(
    ("areas", "said"),
    [
        ({"staged": 0.6, "x": 0.4, "uniform": 0.2}, "x closes 50% of the gap"),
        ({"staged": 0.6, "x": 0.4, "y": 0.3, "uniform": 0.2}, "x, the best of 2 teachers in these"),
        ({"staged": 0.4, "x": 0.6, "uniform": 0.2}, "x is higher than the hand-made stages"),
        ({"staged": 0.52, "x": 0.3, "uniform": 0.5}, None),  # below uniform sampling
        ({"staged": 0.3, "x": 0.4, "uniform": 0.5}, None),  # the stages do not help
        ({"staged": 0.6, "warm-up uniform": 0.5, "uniform": 0.2}, None),  # controls alone
        ({"staged": 0.6, "warm-up uniform": 0.5, "x": 0.3, "uniform": 0.2}, "x closes 25% of"),
    ],
)
def test_the_gap_that_is_closed(areas, said):
    rows = {name: row(np.full((5, 2), [0.0, x]) + spread(5, 0.01)) for name, x in areas.items()}
    lines = [line for line in summaries.verdict(result(rows)["summary"]) if "hand-made" in line]
    assert [said is not None] * len(lines) == [True] * (said is not None)
    assert all(line.startswith(said) for line in lines)


def test_a_gap_that_may_be_chance_is_not_said_to_be_closed():
    curves = {"staged": 0.3, "x": 0.28, "uniform": 0.2}
    rows = {
        name: row(np.full((5, 2), [0.0, level]) + (-1) ** i * spread(5, 0.15))
        for i, (name, level) in enumerate(curves.items())
    }
    summary = result(rows)["summary"]
    assert summary["staged"]["area_p"] > 0.05
    assert not [line for line in summaries.verdict(summary) if "gap" in line]


def test_the_report_names_the_machine_of_the_rows():
    rows = {name: {"machine": {"cpu": cpu}} for name, cpu in (("a", "x"), ("b", "y"))}
    one = report._machine_of({"machine": {"cpu": "z"}, "teachers": {"a": rows["a"]}})
    assert one == {"cpu": "x"}
    both = report._machine_of({"machine": {"cpu": "z"}, "teachers": rows})
    assert report._machine(both).startswith("Several machines")
    assert report._machine_of({"machine": 5, "teachers": {"a": {"machine": {}}}}) == 5


@pytest.mark.parametrize(
    ("shares", "top"),
    [([0.0], 0.1), ([0.1, 0.02], 0.1), ([0.11], 0.2), ([0.76], 1.0), ([1.0], 1.0), ([1.2], 1.0)],
)
def test_axes_of_shares_end_above_the_highest_one(shares, top):
    assert figures.limits(np.array(shares)) == pytest.approx((-0.02 * top, 1.02 * top))


LEVELS = (("slow", 0.3), ("fast", 1.0))


def test_figures_show_the_parameters_in_which_curricula_differ():
    rng = np.random.default_rng(0)

    def proposals(level):
        """Switch, size that both teachers move, size that nobody moves, fixed parameter."""
        switch, moved, still = rng.random((3, 64))
        columns = switch.round(), moved * level, still, np.zeros(64)
        return np.stack(columns, axis=1).tolist()

    rows = {name: {"proposals": [proposals(0.1), proposals(level)]} for name, level in LEVELS}
    made = {"teachers": rows}
    assert figures.axes_of(made, list(rows)) == (1, 2)
    for row in rows.values():
        row["proposals"] = np.delete(row["proposals"], 2, axis=2).tolist()
    assert figures.axes_of(made, list(rows)) == (0, 1)  # the switch, where there is no other
    for row in rows.values():
        row["proposals"] = np.delete(row["proposals"], 0, axis=2).tolist()
    assert figures.axes_of(made, list(rows)) is None
    assert figures.axes_of({"teachers": {"x": {"proposals": []}}}, ["x"]) is None
