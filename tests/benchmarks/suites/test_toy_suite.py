"""The toy suite: its table is the committed one, also after a kill."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.suites import comparison
from didact.benchmarks.suites.suite_names import FOLDER

TABLE = FOLDER / "toy.csv"
# Processors round differently, and trainings amplify that: on another one, the mean over seeds is
# one of other seeds, so that the difference has twice the variance of the committed mean.
DEVIATIONS = 3 * 2**0.5  # standard errors of the committed mean
LEAST = {"final": 0.05, "area": 0.02}  # where the committed seeds hardly differ
ORDER = ("paced", "staged", "alp_gmm", "uniform")  # by the area, with wide gaps
CODE = "from didact.__main__ import main; main()"
SHORT = (
    *("benchmark", "curriculum", "--suite", "toy", "--teachers", "staged", "uniform"),
    *("--steps", "8192", "--seeds", "2", "--num-evaluations", "2"),
)


def committed():
    with TABLE.open(newline="") as file:
        return {row["teacher"]: row for row in csv.DictReader(file)}


def check(teachers, folder):
    config = CurriculumConfig(suite="toy", teachers=teachers, num_evaluations=8, out=str(folder))
    summary = comparison.compare(config)["summary"]
    rows = committed()
    for name in teachers:
        for score in ("final", "area"):
            expected, error = (float(rows[name][key]) for key in (score, f"{score}_error"))
            allowed = max(LEAST[score], DEVIATIONS * error)
            found = summary[name][f"{score}_mean"]
            assert found == pytest.approx(expected, abs=allowed), (name, score)
    return summary


def test_its_table_is_the_committed_one(tmp_path, optimising):
    with optimising():
        summary = check(("staged", "uniform"), tmp_path)
    assert summary["staged"]["area_p"] < 0.05
    assert summary["staged"]["area_mean"] > 2 * summary["uniform"]["area_mean"]


def test_the_table_has_all_teachers():
    from didact.benchmarks.suites.suite_files import read_suite

    assert set(committed()) == set(read_suite("toy").budget("small").teachers)


@pytest.mark.slow
def test_its_whole_table_is_the_committed_one(tmp_path, optimising):
    with optimising():
        summary = check(tuple(committed()), tmp_path)
    # The tolerance alone would accept ALP-GMM if it learned nothing.
    for better, worse in itertools.pairwise(ORDER):
        assert summary[better]["area_mean"] > summary[worse]["area_mean"], (better, worse)
    assert summary["warm-up uniform"]["area_mean"] > summary["uniform"]["area_mean"]


@pytest.mark.slow
@pytest.mark.process
def test_a_killed_suite_ends_with_the_same_table(tmp_path, compiled):
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(compiled)}

    def command(out):
        return subprocess.Popen(
            [sys.executable, "-c", CODE, *SHORT, "--out", out], cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def table(out):
        return json.loads((tmp_path / out / "toy" / "small" / "suite.json").read_text())["summary"]

    first, end = command("killed"), time.monotonic() + 400
    folder = tmp_path / "killed" / "toy" / "small"
    while not list(folder.glob("staged-*.json")) and first.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (folder / "suite.json").exists()
    (kept,) = folder.glob("staged-*.json")
    before = kept.read_bytes()
    for out in ("killed", "whole"):
        done = command(out)
        _, err = done.communicate(timeout=500)
        assert done.returncode == 0, err
        if out == "killed":  # the finished job was not run again
            assert "staged" not in err
            assert kept.read_bytes() == before
    assert table("killed") == table("whole")
