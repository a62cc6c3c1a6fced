"""One training in several processes, by `didact train --distributed`."""

import json
import shlex
import socket

import jax
import numpy as np
import pytest

from didact.experiments import distributed
from didact.experiments.config import TrainConfig
from didact.experiments.runs.checkpoints import Checkpoints
from didact.students import load_policy

SMALL = shlex.split(
    "train --env CombinationLock --teacher alp_gmm --steps 4096 --num-envs 16 --rollout-length 16 "
    "--chunk 2 --checkpoint-every 0.5 --evaluate-every 0.5 --evaluation-episodes 8 --no-pictures "
    "--no-video --ppo.num-minibatches 2 --ppo.network.hidden 16 --ppo.network.memory 0"
)
LAUNCHED = [name for names in distributed.LAUNCHERS for name in names]


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@pytest.fixture
def in_two_processes(process, monkeypatch):
    """Run a command in two connected processes: (exit code, stdout, stderr) of each."""

    def run(*words, folder):
        monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", f"127.0.0.1:{free_port()}")
        monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
        started = []
        for number in range(2):
            monkeypatch.setenv("JAX_PROCESS_ID", str(number))
            started.append(process(*words, "--distributed", folder=folder))
        try:
            ended = [each.communicate(timeout=500) for each in started]
        finally:
            for each in started:
                each.kill()
        return [(each.returncode, *texts) for each, texts in zip(started, ended, strict=True)]

    return run


def parameters(run):
    return jax.tree.leaves(jax.device_get(load_policy(run / "policy").state.params))


@pytest.mark.slow
@pytest.mark.process
def test_two_processes_train_the_policy_of_two_devices(in_two_processes, finished, tmp_path):
    code, _, err = finished(*SMALL, "--run", "one", folder=tmp_path, devices=2)
    assert code == 0, err
    ends = in_two_processes(*SMALL, "--run", "two", "--json", folder=tmp_path)
    assert [end[0] for end in ends] == [0, 0], ends
    assert ends[1][1] == ""  # only the first process prints
    result = json.loads(ends[0][1])
    assert result["finished"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]  # nothing else
    one, two = (tmp_path / name for name in ("one", "two"))
    for a, b in zip(parameters(one), parameters(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    rows = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (one, two)
    ]
    for mine, theirs in zip(*rows, strict=True):
        assert mine["episodes"] == theirs["episodes"]
        assert mine.get("evaluation") == theirs.get("evaluation")
    # Checkpoints are whole: one process continues from one of them, with the same result.
    saved = Checkpoints(two / "checkpoints").saved()
    before = parameters(two)
    words = ["train", "--resume", "two", "--checkpoint", saved[-2]]
    code, _, err = finished(*words, folder=tmp_path, devices=2)
    assert code == 0, err
    for a, b in zip(before, parameters(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.process
def test_a_refused_setting_ends_all_processes(in_two_processes, tmp_path):
    words = ["--teacher", "pool", "--proposer", "scripted", "--run", "run"]
    for code, _, err in in_two_processes(*SMALL, *words, folder=tmp_path):
        assert code == 2, err
        assert "--proposer is 'scripted', but must be none with --distributed" in err
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    (code, _, err), (other, _, heard) = in_two_processes(*SMALL, "--run", "taken", folder=tmp_path)
    assert (code, other) == (2, 2)
    assert "--run is 'taken'" in err
    assert "another one has refused them" in heard


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (("host:1", "two", "0"), "JAX_NUM_PROCESSES is 'two'"),
        (("host:1", "2", "2"), "JAX_PROCESS_ID is 2, but must be below"),
        (("host", "2", "0"), "JAX_COORDINATOR_ADDRESS is 'host'"),
    ],
)
def test_variables_that_are_wrong(variables, message, monkeypatch, refused):
    for name in (*LAUNCHED, "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in zip(distributed.LAUNCHERS[0], variables, strict=True):
        monkeypatch.setenv(name, value)
    assert message in refused("train", "--distributed")


def test_without_a_launcher(monkeypatch, refused):
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    initialize = lambda **settings: jax._src.distributed.State().initialize(**settings)  # noqa: E731
    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    assert "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES" in refused("train", "--distributed")


def test_the_variables_of_torchrun(monkeypatch):
    for name, value in {
        "MASTER_ADDR": "a",
        "MASTER_PORT": "7",
        "WORLD_SIZE": "4",
        "RANK": "3",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    settings = {"coordinator_address": "a:7", "num_processes": 4, "process_id": 3}
    assert distributed._from_variables() == settings


def test_one_process_is_all_there_is():
    distributed.check(TrainConfig(exploit_every=0.1))
    assert distributed.first()
    assert not distributed.several()
    assert distributed.agreed(True)
    assert not distributed.agreed(False, every=True)
    tree = {"a": jax.numpy.ones(3)}
    assert distributed.own(tree) is tree
