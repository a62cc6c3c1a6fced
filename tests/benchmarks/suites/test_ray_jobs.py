"""Jobs of a suite on a Ray cluster: a fake one, and a real one of two workers on this machine."""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from didact.benchmarks.suites import ray_jobs
from didact.environments import SettingError

SUITE = """
description: Locks
train:
  env: CombinationLock
  num_envs: 16
  rollout_length: 8
  ppo: {num_minibatches: 1, network: {memory: 0, hidden: 8}}
stages: [{dials: 1}, {}]
tests:
  all: {count: 8}
budgets:
  small: {steps: 1024, seeds: 2, teachers: [staged, alp_gmm, uniform]}
"""


class RayError(Exception):
    pass


class FakeRay(types.ModuleType):
    """As much of Ray's interface as is used; tasks run when they are waited for."""

    def __init__(self, failing=()):
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayError=RayError)
        self.failing, self.log = failing, []

    def init(self, **settings):
        self.log.append(("init", settings))
        if settings["address"] == "nowhere":
            raise ConnectionError("nothing there\nand more")

    def shutdown(self):
        self.log.append(("shutdown", {}))

    def remote(self, **settings):
        self.log.append(("remote", settings))

        def task(function):
            def options(name):
                def remote(words, path):
                    return name, function, tuple(words), path  # hashable, as Ray's references

                return types.SimpleNamespace(remote=remote)

            return types.SimpleNamespace(options=options)

        return task

    def wait(self, references, num_returns):
        return references[:num_returns], references[num_returns:]

    def get(self, ref):
        name, function, words, path = ref
        if name in self.failing:
            raise RayError("ray::work() died\nThe worker died unexpectedly")
        return function(words, path)


@pytest.fixture
def fake(monkeypatch):
    ray = FakeRay(failing=("b",))
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name: ray if name == "ray" else real(name)
    )
    return ray


def test_a_failed_task_costs_one_job(fake, tmp_path, monkeypatch, capfd):
    def work(words, path):
        return f"results of {words[1]}".encode()

    monkeypatch.setattr(ray_jobs, "work", work)
    files = {name: tmp_path / f"{name}.json" for name in "abc"}
    files["c"].write_text("there already")
    ray_jobs.run({name: ["didact", name] for name in "abc"}, files, "local", 2)
    assert files["a"].read_text() == "results of a"
    assert not files["b"].exists()
    assert files["c"].read_text() == "there already"
    said = capfd.readouterr().err
    assert "b  failed: The worker died unexpectedly" in said
    assert "3/3  c  finished" in said
    (_, settings), (_, options), (last, _) = fake.log
    assert settings["address"] == "local"
    assert settings["num_cpus"] == 2
    assert options["max_retries"] == ray_jobs.RETRIES
    assert last == "shutdown"


def test_clusters_that_are_not_there(fake, monkeypatch):
    with pytest.raises(SettingError, match=r"--ray is 'nowhere', .* \(nothing there\)"):
        ray_jobs.run({"a": ["didact"]}, {"a": Path("a")}, "nowhere", 1)
    fake.log.clear()
    ray_jobs.run({}, {}, "nowhere", 1)  # nothing is left to do
    assert not fake.log

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SettingError, match=r"pip install -e '.\[cluster\]'"):
        ray_jobs.run({"a": ["didact"]}, {"a": Path("a")}, "local", 1)


def test_the_work_of_a_task(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"there")
    assert ray_jobs.work(["didact", "list", "suites"], str(path)) == b"there"
    with pytest.raises(RuntimeError, match=r"--suite is 'nothing'"):
        ray_jobs.work(["didact", "benchmark", "curriculum", "--suite", "nothing"], str(path))


def descendants(parent):
    """Return the command lines of all processes that a process has started, by their number."""
    parents, titles = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(status[1])
                titles[int(folder.name)] = (folder / "cmdline").read_bytes()
    found, new = {}, {parent}
    while new:
        new = {child for child, its in parents.items() if its in new and child not in found}
        found |= {child: titles[child] for child in new}
    return found


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_two_workers_of_which_one_is_killed(tmp_path, monkeypatch, compiled):
    (tmp_path / "own.yaml").write_text(SUITE)
    code = "from didact.__main__ import main; main()"
    words = ["benchmark", "curriculum", "--suite", "own.yaml", "--num-evaluations", "2"]
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(compiled), "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip

    def command(*more):
        return subprocess.Popen(
            [sys.executable, "-c", code, *words, *more], cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    on_ray = command("--out", "ray", "--ray", "local", "--workers", "2")
    killed, end = None, time.monotonic() + 400
    try:
        while killed is None and on_ray.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
            tasks = [n for n, line in descendants(on_ray.pid).items() if b"ray::staged" in line]
            if tasks:
                killed = tasks[0]
                os.kill(killed, signal.SIGKILL)
        _, err = on_ray.communicate(timeout=500)
    finally:
        on_ray.kill()
    assert killed is not None, err
    assert on_ray.returncode == 0, err
    assert all(f"{name}  finished" in err for name in ("staged", "alp_gmm", "uniform")), err
    alone = command("--out", "alone")
    _, err = alone.communicate(timeout=500)
    assert alone.returncode == 0, err
    results = [
        json.loads((tmp_path / name / "own" / "small" / "suite.json").read_text())
        for name in ("ray", "alone")
    ]
    assert results[0]["summary"] == results[1]["summary"]
    # Finished jobs are not run again: no cluster is started.
    again = command("--out", "ray", "--ray", "127.0.0.1:1")
    _, err = again.communicate(timeout=500)
    assert again.returncode == 0, err
