"""Results in one file to which several processes add."""

import json
import os
import subprocess
import sys
import threading

import pytest

from didact.benchmarks.resumed_results import LOCK, Results
from didact.environments import SettingError

SETTINGS = {"steps": 5, "names": ("a", "b")}
GOOD = '"settings": {"steps": 5, "names": ["a", "b"]}'
ADD = """
import sys
from pathlib import Path
from didact.benchmarks.resumed_results import Results
name, path = sys.argv[1:]
results = Results(Path(path), "rows", {"steps": 5}, lambda row: row["x"] >= 0)
for i in range(20):
    results.row(f"{name}{i}", lambda: {"x": i})
    print(results.row("both", lambda: print("made") or {"x": 0})["x"])
"""


def results(path, part="rows", settings=SETTINGS):
    return Results(path, part, settings, lambda row: row["x"] >= 0)


def test_rows_of_two_processes_are_merged(tmp_path):
    path = tmp_path / "r.json"
    words = [sys.executable, "-c", ADD]
    running = [
        subprocess.Popen([*words, name, str(path)], stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    said = [each.communicate(timeout=60)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0]
    rows = json.loads(path.read_text())["rows"]
    assert set(rows) == {"both"} | {f"{name}{i}" for name in ("one", "two") for i in range(20)}
    assert sum(text.count("made") for text in said) == 1


def test_a_row_that_another_makes_is_waited_for(tmp_path, capfd):
    path, started, made = tmp_path / "r.json", threading.Event(), []

    def first():
        def make():
            started.set()
            while "waiting" not in "".join(texts):
                texts.append(capfd.readouterr().err)
            return {"x": 1}

        made.append(results(path).row("a", make))

    texts = []
    thread = threading.Thread(target=first)
    thread.start()
    started.wait(30)
    row = results(path).row("a", lambda: pytest.fail("made twice"))
    thread.join(30)
    assert made == [row] == [{"x": 1}]


def test_rows_that_others_add_meanwhile_are_kept(tmp_path):
    path = tmp_path / "r.json"
    one, two = results(path), results(path)
    one.add({"a": {"x": 1}}, machine="m")
    assert two.row("b", lambda: {"x": 2}) == {"x": 2}
    assert one.row("b", lambda: pytest.fail("made twice")) == {"x": 2}
    assert results(path).rows == {"a": {"x": 1}, "b": {"x": 2}}
    one.add({"a": {"x": 3}})
    assert results(path).rows == {"a": {"x": 3}, "b": {"x": 2}}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "\0", "[" * 10_000, '{"rows": {}}'),
        *(f'{{{GOOD}, "rows": {{"a": {{"x": {x}}}}}}}' for x in ('"1"', "[]", "null", "-1", "NaN")),
        *(f'{{{GOOD}, "rows": {rows}}}' for rows in ('{"a": [1]}', "5", "null", "[]")),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_and_kept(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(SettingError, match="json is undamaged"):
        results(path)
    assert path.read_text() == text


def test_other_settings_are_refused_also_later(tmp_path):
    path = tmp_path / "r.json"
    one, two = results(path), results(path, settings={"steps": 6})
    one.row("a", lambda: {"x": 1})
    with pytest.raises(SettingError, match="different settings"):
        two.row("b", lambda: {"x": 1})
    with pytest.raises(SettingError, match="different settings"):
        results(path, settings={"steps": 6})


@pytest.mark.parametrize("fewer", [{"steps": 5}, {"names": ("a", "b")}, {}])
def test_a_setting_that_disappears_makes_results_different(tmp_path, fewer):
    path = tmp_path / "r.json"
    results(path).row("a", lambda: {"x": 1})
    assert results(path, settings=SETTINGS).rows == {"a": {"x": 1}}
    with pytest.raises(SettingError, match="different settings"):
        results(path, settings=fewer)


def test_settings_that_may_differ_between_calls(tmp_path):
    path = tmp_path / "r.json"
    for shown in (["a"], ["a", "b"], []):
        made = Results(path, "rows", SETTINGS, lambda row: row["x"] >= 0, {"shown": shown})
        assert made.row("a", lambda: {"x": 1}) == {"x": 1}
        made.add({})
        assert json.loads(path.read_text())["settings"]["shown"] == shown


def test_pipes_and_links_are_refused(tmp_path):
    path = tmp_path / "r.json"
    os.mkfifo(path)
    with pytest.raises(SettingError, match="undamaged"):
        results(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(SettingError, match="undamaged"):
        results(path)
    path.unlink()
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingError, match="locked"):
        results(path).add({"a": {"x": 1}})
    assert not (tmp_path / "elsewhere").exists()
