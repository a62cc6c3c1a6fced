"""Results of suites that come from others: what is refused; reports stay in their folder."""

import copy
import json
import os

import pytest

from didact.benchmarks.suites import comparison, stored_results
from didact.environments import SettingError
from didact.experiments.cli import main


def row(**more):
    return {
        "steps": [320, 640],
        "success": {"one": [[0.1, 0.2], [0.3, 0.4]]},
        "proposals": [[[0.1, 0.2]], [[0.2, 0.3]]],
        "episodes": 10,
        "seconds": 1.0,
        "compile_seconds": 1.0,
        "machine": {},
        **more,
    }


GOOD = {
    "suite": "toy",
    "description": "d",
    "machine": {"cpu": "x"},
    "settings": {"steps": 640, "seeds": 2, "seed": 0, "tests": "ab" * 32},
    "tests": {"one": 4},
    "parameters": ["x0", "x1"],
    "teachers": {"alp_gmm": row(), "uniform": row()},
}
WORST = {"shares": [0.1, 1.0], "success": [[0.1, 0.4], [0.2, 0.4]]}
SPENT = {"calls": 1, "tokens": 10, "cost": None}


def changed(path, value):
    result = copy.deepcopy(GOOD)
    *outer, last = path.split("/")
    part = result
    for name in outer:
        part = part[name]
    part[last] = value
    return result


def read(folder, result):
    (folder / comparison.RESULT).write_text(json.dumps(result))
    return comparison.read(folder)


def refused(folder, result):
    with pytest.raises(SettingError, match="RESULTS is") as error:
        read(folder, result)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("machine", 5),
        ("settings/seeds", 3),
        ("profile", "p"),
        ("teachers/uniform", row(worst=WORST)),
        ("teachers/uniform", row(language=SPENT)),
        ("teachers/uniform", row(language=SPENT | {"lost_calls": 2})),
        ("teachers/uniform/success/one", [[True, False], [0, 1]]),
        ("teachers/\x1b[31m<script>[b]", row()),
    ],
)
def test_results_that_are_read(tmp_path, path, value):
    assert read(tmp_path, changed(path, value))["summary"]["uniform"]["seeds"] == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("suite", x) for x in ("../victim/x", "/abs/x", "a\0b", "a" * 5000, "", "a/b", None)),
        *(("description", x) for x in (None, 5, ["a"])),
        *(("settings", x) for x in ({}, None, 5, [])),
        *(("settings/steps", x) for x in ("x", 0, -5, 1.5, 10**400, None)),
        *(("settings/seeds", x) for x in (None, 0, "2")),
        *(("settings/tests", x) for x in (5, None, ["a"])),
        *(("parameters", x) for x in (5, [], [1, 2], ["x0"], ["x0", "\ud800"], None)),
        *(("tests", x) for x in ({}, {"two": 4}, {"one": "x"}, [], 5, {"one": 4, "two": 4})),
        *(("tests/one", x) for x in (0, -1, 10**400, 1.5, None)),
        *(("teachers", x) for x in ({}, [], 5, {"\ud800": row()}, {"": row()}, {"a" * 201: row()})),
        *(("teachers/uniform", x) for x in (5, None, [], {})),
        *(("teachers/uniform/seconds", x) for x in ("x", None, -1, 1e308, 10**400)),
        *(("teachers/uniform/students", x) for x in (0, -1, 2, 3, "1", 1.5, None)),
        *(("teachers/uniform/steps", x) for x in ([], ["a", "b"], [640, 320], [10**30, 10**31],
                                                  [320], 5, None, [0, 1], [320, 320])),
        *(("teachers/uniform/success", x) for x in ({}, 5, None, {"two": [[0.1, 0.2]] * 2})),
        *(("teachers/uniform/success/one", x) for x in (
            [], [[0.1, 0.2]], [[0.1], [0.2]], [[0.1, 2.0]] * 2, [["a", "b"]] * 2, 5, None,
            [[0.1, None]] * 2, [[0.1, 0.2], [0.1]], [0.1, 0.2], [[10**400, 0]] * 2)),
        *(("teachers/uniform/proposals", x) for x in (
            5, None, [], [[], []], [[["a"]]], [[[0.1, 0.2]]], [[[1e308, -1e308]]] * 2,
            [[[0.1]]] * 2, [[0.1, 0.2]] * 2)),
        *(("teachers/uniform/worst", x) for x in (
            5, None, {}, WORST | {"shares": [0.1]}, WORST | {"shares": [0, 1]},
            WORST | {"success": [[0.1, 0.4]]}, WORST | {"success": [[2, 0.4], [0, 0]]})),
        *(("teachers/uniform/language", x) for x in (
            5, {}, SPENT | {"calls": -1}, SPENT | {"tokens": "x"}, SPENT | {"cost": -1},
            SPENT | {"lost_calls": -1})),
    ],
)  # fmt: skip
def test_results_that_are_refused(tmp_path, path, value):
    refused(tmp_path, changed(path, value))


@pytest.mark.parametrize("part", ["suite", "description", "settings", "tests", "teachers"])
def test_missing_parts(tmp_path, part):
    refused(tmp_path, {name: value for name, value in GOOD.items() if name != part})


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "none", "deep"])
def test_files_that_are_no_results(tmp_path, kind):
    path = tmp_path / comparison.RESULT
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "deep":
        path.write_text("[" * 100_000)
    with pytest.raises(SettingError, match="RESULTS is"):
        comparison.read(tmp_path)


def test_a_report_stays_in_its_folder(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "victim").mkdir()
    result = changed("suite", str(tmp_path / "victim" / "x"))
    (tmp_path / "in" / comparison.RESULT).write_text(json.dumps(result))
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert "must be a folder with suite.json" in capsys.readouterr().err
    assert not list((tmp_path / "victim").iterdir())
    assert not (tmp_path / "out").exists()


def test_results_with_other_tests_are_not_merged(tmp_path):
    one = read(tmp_path, GOOD)
    other = dict(one) | {"tests": {"one": 5}, "teachers": {"riac": row()}}
    with pytest.raises(SettingError, match="the tests of the others of toy"):
        comparison.merged([one, other])


def test_rows_without_names_of_parameters():
    stored_results.check_row(row(proposals=[]), ["one"], [])
    with pytest.raises(ValueError, match="proposals"):
        stored_results.check_row(row(), ["one"], [])


@pytest.mark.slow
def test_results_of_different_evaluations_or_trainings_are_not_merged(tmp_path):
    settings = GOOD["settings"]
    one = read(tmp_path, changed("settings", settings | {"training": "a"}))
    old = read(tmp_path, GOOD)
    fewer = {"steps": [640], "success": {"one": [[0.2], [0.4]]}, "proposals": [[[0.1, 0.2]]]}

    def other(**more):
        return dict(old) | {"teachers": {"riac": row()}} | more

    for first, second in ((one, other()), (old, other(settings=one["settings"]))):
        assert len(comparison.merged([first, second])[0]["teachers"]) == 3
    with pytest.raises(SettingError, match="the settings of the others of toy"):
        comparison.merged([one, other(settings=settings | {"training": "b"})])
    with pytest.raises(SettingError, match="evaluations after the steps of the others"):
        comparison.merged([one, other(teachers={"riac": row(**fewer)})])
    refused(tmp_path, changed("teachers/uniform", row(**fewer)))
    refused(tmp_path, changed("settings/training", 5))
