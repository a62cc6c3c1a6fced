"""Damaged metrics: no row is lost but the damaged ones, and these are kept aside."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.environments import SettingError
from didact.experiments.runs import logs, report
from didact.experiments.runs.metrics_file import read_rows, set_aside


def row(updates, seeds=0):
    scores = {"success": 0.5, "return": 1.25, "length": 7.0}
    if seeds:
        scores |= {f"{name}_by_seed": [x] * seeds for name, x in scores.items()}
    tests = {name: x for name, x in scores.items() if name not in ("return_by_seed",)}
    times = {"seconds": updates / 2, "steps_per_second": 3.0, "compile_seconds": 1.5}
    more = {"episodes": 3, "learning": {"loss": 0.1}, "evaluation": {"A": tests}}
    return {"updates": updates, "steps": 64 * updates} | times | scores | more


def lines_of(seeds=0, count=8):
    rows = [row(2 * i, seeds) for i in range(1, count + 1)]
    rows[0] |= {"success": None, "return": None, "length": None}  # no episode ended
    for name in ("success_by_seed", "return_by_seed", "length_by_seed"):
        rows[0].pop(name, None)
    del rows[0]["evaluation"]
    return [json.dumps(x).encode() for x in rows]


def edited(path, value):
    """The third row, changed in one place."""

    def edit(line):
        content = json.loads(line)
        part = content
        for name in path[:-1]:
            part = part[name]
        if value is KeyError:
            del part[path[-1]]
        else:
            part[path[-1]] = value
        return json.dumps(content).encode()

    return edit


DAMAGE = {
    "cut off": lambda line: line[:40],
    "empty brackets": lambda line: b"[]",
    "a number": lambda line: b"3",
    "nested brackets": lambda line: b"[" * 100_000,
    "nested objects": lambda line: b'{"a":' * 100_000,
    "binary": lambda line: bytes(range(11, 256)),
    "zeros": lambda line: b"\0" * 4096,
    "two rows in one": lambda line: line + line,
    "another encoding": lambda line: line.decode().encode("utf-16").replace(b"\n", b""),
    "1e400": lambda line: line.replace(b"1.25", b"1e400"),
    "NaN": lambda line: line.replace(b"1.25", b"NaN"),
    "many digits": lambda line: line.replace(b"1.25", b"9" * 5000),
    "beyond floats": lambda line: line.replace(b"1.25", b"9" * 400),
    "an earlier row": lambda line: lines_of()[1],
    **{
        f"{'.'.join(path)} = {str(value)[:20]}": edited(path, value)
        for path, values in {
            ("updates",): (KeyError, None, "2", -1, 2.5, True, 2**60, [1]),
            ("steps",): (KeyError, None, "2", -1, {}, 10**30),
            ("seconds",): ("1", [1.0], True),
            ("steps_per_second",): ("fast", {}),
            ("success",): ("high", [0.5], True),
            ("success_by_seed",): (3, [], ["a"], [0.5, None], [0.5] * 5),
            ("evaluation",): (None, 3, [1], {"A": None}, {"A": {}}, {"A": {"success": "x"}}),
            ("evaluation", "A", "return"): (KeyError, None, "x"),
            ("evaluation", "A", "success_by_seed"): ([0.5] * 7, "x"),
        }.items()
        for value in values
    },
}


def used(path, seeds):
    """All that reads the file; it must not fail."""
    rows = logs.read(path)
    measure, series = report.curves(rows, ["A", "B"])
    assert measure in ("success", "return")
    for steps, values in series.values():
        assert values.shape[-1:] == steps.shape
        assert np.isfinite(values).all()
    log = logs.Log(path.parent, 10**9)
    assert log.seconds >= 0
    assert logs.read(path) == rows
    assert read_rows(path).damaged == []
    return log


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("seeds", [0, 3])
def test_one_damaged_line(tmp_path, damage, seeds):
    lines = lines_of(seeds)
    spoilt = [*lines]
    spoilt[2] = DAMAGE[damage](lines[2])
    path = tmp_path / logs.METRICS
    path.write_bytes(b"\n".join(spoilt))
    rows, damaged = read_rows(path)
    assert damaged == [spoilt[2]]
    assert rows == [json.loads(line) for i, line in enumerate(lines) if i != 2]
    log = used(path, seeds)
    assert log.damaged == 1
    assert log.aside.read_bytes() == spoilt[2] + b"\n"
    assert used(path, seeds).damaged == 0  # it was moved
    assert log.aside.read_bytes() == spoilt[2] + b"\n"


@given(
    st.lists(
        st.tuples(st.integers(0, 1500), st.sampled_from(["replace", "insert", "cut"]), st.binary()),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([0, 3]),
)
def test_rows_that_were_not_touched_survive(tmp_path_factory, edits, seeds):
    lines = lines_of(seeds)
    content = bytearray(b"\n".join(lines) + b"\n")
    for place, kind, data in edits:
        place = place % (len(content) + 1)
        content[place : place + {"replace": len(data), "insert": 0, "cut": 30}[kind]] = (
            b"" if kind == "cut" else data
        )
    path = tmp_path_factory.mktemp("run") / logs.METRICS
    path.write_bytes(content)
    found = read_rows(path)
    left = [line for line in bytes(content).split(b"\n") if line.strip()]
    assert len(found.rows) + len(found.damaged) == len(left)
    assert all(line in left for line in found.damaged)
    whole = [json.loads(line) for line in lines if line in left]
    if len(whole) > len(left) / 2:  # the number of seeds is that of most rows
        kept = {r["updates"]: r for r in found.rows}
        assert all(kept[r["updates"]]["steps"] == r["steps"] for r in whole)
    used(path, seeds)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\0" * 100, b"\xff\xfe", b"[" * 10])
def test_a_file_without_a_row(tmp_path, content):
    path = tmp_path / logs.METRICS
    path.write_bytes(content)
    assert logs.read(path) == []
    log = logs.Log(tmp_path, 8)
    assert (log.seconds, log.damaged) == (0.0, int(bool(content.strip())))
    log.write(row(10))
    assert logs.read(path) == [row(10)]


def test_a_missing_file_and_old_rows(tmp_path):
    assert read_rows(tmp_path / "none.jsonl") == ([], [])
    path = tmp_path / logs.METRICS
    set_aside(path, [b"a"])
    assert set_aside(path, [b"b"]).read_bytes() == b"a\nb\n"
    old = copy.deepcopy(row(2))
    for name in ("seconds", "steps_per_second", "compile_seconds", "evaluation"):
        del old[name]
    path.write_text(json.dumps(old | {"unknown": [None]}))
    assert len(logs.read(path)) == 1


def test_rows_out_of_order_are_sorted(tmp_path):
    path = tmp_path / logs.METRICS
    lines = lines_of()
    path.write_bytes(b"\n".join(lines[::-1]))
    assert read_rows(path) == ([json.loads(line) for line in lines], [])


def test_what_is_no_file_of_rows_is_refused_unread(tmp_path):
    """A sparse file takes no room on the disk, but would fill the memory."""
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(60 << 30)
    with pytest.raises(SettingError, match=r"metrics is .* at most .* bytes: it has more than"):
        read_rows(huge)
    with pytest.raises(SettingError, match="directory"):
        read_rows(tmp_path)
    huge.rename(tmp_path / "metrics-damaged.jsonl")
    with pytest.raises(OSError, match="more than"):
        set_aside(tmp_path / "metrics.jsonl", [b"x"])
