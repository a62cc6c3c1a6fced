"""Help pages and lists come at once: nothing on the way to them imports JAX."""

import json
import os
import subprocess
import sys

import pytest

from didact.benchmarks.registry import BENCHMARKS, Benchmark
from didact.environments import registered
from didact.experiments.cli._dispatch import commands
from didact.students.policies.lookup import all_policies, policy_descriptions
from didact.students.registry import STUDENTS

CODE = """
import contextlib, io, json, sys
from didact.experiments.cli import main
heavy = {"jax", "flax", "gymnasium", "matplotlib", "pydantic"}
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        with contextlib.suppress(SystemExit):
            main(words)
    assert len(out.getvalue()) > 100, words
    assert not heavy & set(sys.modules), (words, heavy & set(sys.modules))
"""
KINDS = ("envs", "teachers", "students", "proposers", "benchmarks", "policies")


def test_no_help_page_and_no_list_imports_jax(tmp_path):
    pages = [[], *([name] for name in commands())]
    pages += [["train", "--student", name] for name in ("ppo", "distill", "sac")]
    pages += [["benchmark", name] for name in BENCHMARKS]
    words = [[*page, "--help"] for page in pages] + [["list", kind] for kind in KINDS]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("words", ["list envs", "list teachers --json", "train --help"])
def test_an_output_that_cannot_be_written_is_one_sentence(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "didact", *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("didact: the output cannot be written (")
    assert done.stderr.count("\n") == 1


def test_settings_of_benchmarks_are_those_that_they_take():
    for name in ("sac", "commits", "babyai"):
        benchmark = BENCHMARKS[name].make()
        assert isinstance(benchmark, Benchmark)
        assert BENCHMARKS[name].config is benchmark.config


def test_defaults_of_students_are_those_of_the_registry():
    from didact.experiments.config import TrainConfig, defaults_for

    for name, entry in STUDENTS.items():
        assert defaults_for(name) == TrainConfig(student=name, **entry.defaults)


def test_policies_are_listed_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = [{k: row[k] for k in ("name", "description")} for row in all_policies(tmp_path)]
    assert policy_descriptions(tmp_path) == full
    assert full
    for number, text in enumerate(["", "[" * 99999, "[1]", '{"format": 2}', '{"format": 1}', "{"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "policy.json").write_text(text)
    assert policy_descriptions(tmp_path) == full


def test_user_environments_are_listed_with_import(tmp_path, capsys):
    from didact.experiments.cli import main

    main(["list", "envs"])
    first = capsys.readouterr().out
    assert "BabyAI-GoTo-v0" in first
    (tmp_path / "mine.py").write_text("import didact.environments")
    main(["list", "envs", "--import", str(tmp_path / "mine.py")])
    assert all(entry.name in capsys.readouterr().out for entry in registered()[:1])
