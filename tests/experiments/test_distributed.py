"""One training in several processes, by `didact train --distributed`."""

import json
import shlex
import shutil
import socket

import jax
import numpy as np
import pytest

from didact.environments import SettingError
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

    def run(*words, folder, code=None):
        monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", f"127.0.0.1:{free_port()}")
        monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
        started = []
        for number in range(2):
            monkeypatch.setenv("JAX_PROCESS_ID", str(number))
            started.append(process(*words, "--distributed", folder=folder, code=code))
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
    assert "another one has refused its settings" in heard


FAILING = """
import didact, sys
from didact.experiments import distributed

distributed.connect()

def fail(row):
    raise RuntimeError("enough")

small = {"num_minibatches": 2, "network": {"hidden": 8, "memory": 0}}
settings = {"env": "CombinationLock", "teacher": "alp_gmm", "num_envs": 16, "ppo": small}
settings |= {"steps": 4096, "rollout_length": 16, "pictures": False, "video": False}
seen = "run" if distributed.first() else "older"
given = {"resume": seen} if "resume" in sys.argv else settings | {"run": "run"}
didact.train(**given, callbacks=[fail])
"""


@pytest.mark.slow
@pytest.mark.process
def test_an_error_in_one_process_ends_all(in_two_processes, tmp_path):
    """In a callback, of the first process only; and if another sees another checkpoint."""
    (code, _, err), (other, _, heard) = in_two_processes(folder=tmp_path, code=FAILING)
    assert code
    assert other
    assert "RuntimeError: enough" in err
    assert "another one has refused its settings, or has failed" in heard
    assert Checkpoints(tmp_path / "run" / "checkpoints").saved() == [0, 2]
    shutil.copytree(tmp_path / "run", tmp_path / "older")
    shutil.rmtree(tmp_path / "older" / "checkpoints" / "00000002")
    ends = in_two_processes("resume", folder=tmp_path, code=FAILING)
    assert "--resume is 'run', but must be in a folder that all processes share" in ends[0][2]
    for code, _, err in ends:
        assert code
        assert "but must be in a folder that all processes share" in err


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


def of_torchrun(monkeypatch, address, port):
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    variables = {"MASTER_ADDR": address, "WORLD_SIZE": "4", "RANK": "3"}
    for name, value in (variables | ({"MASTER_PORT": port} if port else {})).items():
        monkeypatch.setenv(name, value)
    return distributed._from_variables()


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("a", "7", "a:7"),
        ("a:9", None, "a:9"),
        ("a:9", "7", "a:9"),
        ("fe80::1", "7", "[fe80::1]:7"),
        ("[fe80::1]", "7", "[fe80::1]:7"),
        ("[fe80::1]:9", None, "[fe80::1]:9"),
    ],
)
def test_the_variables_of_torchrun(monkeypatch, address, port, expected):
    settings = {"coordinator_address": expected, "num_processes": 4, "process_id": 3}
    assert of_torchrun(monkeypatch, address, port) == settings


@pytest.mark.parametrize(
    ("address", "port", "message"),
    [
        ("a", None, "MASTER_PORT is None, but must be a whole number with MASTER_ADDR"),
        ("a", "x", "MASTER_PORT is 'x'"),
        ("fe80::1", None, "MASTER_PORT is None"),
        ("a:x", "7", "MASTER_ADDR is 'a:x', but must be HOST:PORT"),
    ],
)
def test_addresses_without_a_port(monkeypatch, address, port, message):
    with pytest.raises(SettingError, match=message):
        of_torchrun(monkeypatch, address, port)


def test_one_process_is_all_there_is():
    distributed.check(TrainConfig(exploit_every=0.1))
    assert distributed.first()
    assert not distributed.several()
    assert distributed.agreed(True)
    assert not distributed.agreed(False, every=True)
    tree = {"a": jax.numpy.ones(3)}
    assert distributed.own(tree) is tree
