"""Mistakes in suites and settings are found before a training; signals end all workers."""

import os
import signal
import threading
import time

import pytest

from didact.benchmarks.curricula import compare_teachers
from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.suites import comparison, suite_files, workers
from didact.environments import SettingError
from didact.experiments.cli import main
from didact.experiments.config import LLMConfig

OWN = """
description: Cells of the toy grid
train:
  env: ToyGrid
  num_envs: 8
  rollout_length: 4
  ppo: {num_minibatches: 1, network: {memory: 8, hidden: 8}}
stages: [{x0: [0, 0.1]}, {x0: [0, 0.5]}, {}]
tests:
  near: {count: 4, x0: [0, 0.2]}
budgets:
  small: {steps: 256, seeds: 2, teachers: [paced, uniform]}
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("x0: [0, 0.5]", f"x0: [0, 1{'0' * 400}]"), "x0 in stage 2"),
        (("x0: [0, 0.5]", "x0: [0, .inf]"), "x0 in stage 2"),
        (("x0: [0, 0.5]", "x0: [.nan, 0.5]"), "x0 in stage 2"),
        (("\n  near: {count: 4, x0: [0, 0.2]}", " {}"), "tests of own.yaml"),
        (("count: 4", f"count: 1{'0' * 30}"), "count in tests near"),
        (("teachers: [paced, uniform]", "teachers: []"), "teachers in budget small"),
        (("teachers: [paced,", "teachers: ['',"), "teachers in budget small"),
        (("seeds: 2", f"seeds: 1{'0' * 30}"), "seeds in budget small"),
        (("steps: 256", f"steps: 1{'0' * 30}"), "steps in budget small"),
        (("small: {", "../small: {"), "budget of own.yaml"),
        (("env: ToyGrid", "env: ToyGrid\n  teacher: nope"), "teacher in train"),
        (("env: ToyGrid", "env: ToyGrid\n  run: /x"), "run in train"),
        (("env: ToyGrid", "env: ToyGrid\n  num-seeds: 5"), "num-seeds in train"),
        (("env: ToyGrid", "env: ToyGrid\n  imports: [x.py]"), "imports in train"),
        (("env: ToyGrid", "env: ToyGrid\n  warm_up: 0.9"), "warm_up in train"),
        (("stages:", "rare: {x0: .inf}\nstages:"), "rare"),
        (("stages:", "profile: {students: {../x: {}}}\nstages:"), "student in profile"),
        (("stages:", "profile: {students: {a: {steps: 5}}}\nstages:"), "steps in train"),
        (("stages:", f"worst: {{levels: 1{'0' * 30}}}\nstages:"), "levels in worst"),
        (("count: 4, x0: [0, 0.2]", "named: [[1]]"), "tests near"),
    ],
)
def test_files_that_are_wrong(own, change, message):
    assert change[0] in OWN
    own.write_text(OWN.replace(*change))
    with pytest.raises(SettingError, match=message) as error:
        suite_files.read_suite(str(own))
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("pool:", "pool:"),
        ("pool:none", "pool:none"),
        ("pool:nope", "nope"),
        ("pool:language-model", "--llm.model"),
        ("pool:replayed", "--transcript"),
        ("uniform:scripted", "uniform:scripted"),
        ("warm-up pool:scripted", "pool:scripted"),
    ],
)
def test_proposers_that_are_wrong(own, label, message):
    config = CurriculumConfig(suite=str(own), teachers=("uniform", label), dry_run=True)
    with pytest.raises(SettingError, match=message):
        comparison.compare(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "--steps is 0"),
        ({"steps": 10**30}, "--steps is"),
        ({"seeds": 1}, "--seeds is 1"),
        ({"workers": 0}, "--workers is 0"),
        ({"workers": -3}, "--workers is -3"),
        ({"workers": 10**20}, "--workers is"),
        ({"num_evaluations": 0}, "--num-evaluations is 0"),
        ({"num_evaluations": 10**20}, "--num-evaluations is"),
        ({"imports": ("missing.py",)}, "--import is 'missing.py'"),
        ({"imports": "my.py"}, "--import is 'my.py'"),
    ],
)
def test_settings_out_of_bounds(own, change, message):
    with pytest.raises(SettingError, match=message):
        comparison.compare(CurriculumConfig(suite=str(own), dry_run=True, **change))


def test_the_name_of_a_suite_is_no_path(own):
    path = own.with_name("...yaml")
    own.rename(path)
    with pytest.raises(SettingError, match=r"--suite is '\.\.', but must be a name"):
        suite_files.read_suite(str(path))


def test_commands_have_the_imports_and_all_prices(own, tmp_path):
    (tmp_path / "mine.py").write_text("")
    llm = LLMConfig(model="m", prices=(1.0, 2.0), max_calls=None)
    imports = (str(tmp_path / "mine.py"),)
    config = CurriculumConfig(suite=str(own), dry_run=True, llm=llm, imports=imports)
    words = comparison.compare(config)["commands"][0]
    assert words[words.index("--import") + 1] == str(tmp_path / "mine.py")
    at = words.index("--llm.prices")
    assert words[at : at + 3] == ["--llm.prices", "1.0", "2.0"]
    main([*words[1:], "--dry-run"])  # which reads them again


def test_a_signal_ends_all_workers(tmp_path, monkeypatch):
    code = f"""
import os, pathlib, sys, time
pathlib.Path({str(tmp_path)!r}, sys.argv[1]).write_text(str(os.getpid()))
time.sleep(120)
"""
    monkeypatch.setattr(workers, "CODE", code)

    def interrupt():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        workers.run({name: ["didact", name] for name in "abcd"}, 2)
    thread.join()
    started = list(tmp_path.iterdir())
    assert len(started) == 2  # the others were not started afterwards
    for path in started:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


@pytest.mark.parametrize(
    "change",
    [
        *({"dry_run": True}, {"workers": 2}, {"budget": "paper"}, {"ray": "x"}),
        *({"knowledge": "none"}, {"knowledge": "low"}),
    ],
)
def test_settings_of_suites_alone(change, tmp_path):
    config = CurriculumConfig(env="ToyGrid", out=str(tmp_path), **change)
    with pytest.raises(SettingError, match="given together with --suite"):
        compare_teachers.run(config)
