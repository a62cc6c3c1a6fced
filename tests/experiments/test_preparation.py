"""Errors of the disk and of the memory are sentences; those of others are left as they are."""

import errno
import os

import jax
import pytest

from didact.environments import SettingError
from didact.experiments.preparation import disk_errors, memory_errors, system_errors


def test_full_memory_names_the_setting(tmp_path):
    full = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore")
    sentence = "must be small enough for the memory .RESOURCE_EXHAUSTED: Out of memory"
    refused = pytest.raises(SettingError, match=f"--num-envs is 8, but {sentence}")
    with refused, system_errors(tmp_path, 8):
        raise full
    refused = pytest.raises(SettingError, match="--evaluation-episodes is 9")
    with refused, system_errors(tmp_path, 8), memory_errors("--evaluation-episodes", 9):
        raise full
    other = jax.errors.JaxRuntimeError("INTERNAL: a bug")
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"), system_errors(tmp_path, 8):
        raise other


@pytest.mark.parametrize("errors", [lambda run: system_errors(run, 8), disk_errors])
def test_errors_of_the_disk_of_a_run(tmp_path, errors, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    for place in (None, run / "metrics.jsonl", "run/metrics.jsonl", b"run/metrics.jsonl", 5):
        with pytest.raises(SettingError, match=r"a writable disk \(No space left"), errors(run):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)
    with pytest.raises(SettingError, match=r"a writable disk \(Permission denied"), errors(run):
        raise PermissionError(errno.EACCES, "Permission denied", str(run / "metrics.jsonl"))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        TimeoutError("timed out"),
        OSError("HTTPConnectionPool: read failed"),
        FileNotFoundError(errno.ENOENT, "No such file", "my_notes.txt"),
    ],
)
def test_errors_of_callbacks_are_left_as_they_are(tmp_path, error):
    for errors in (system_errors(tmp_path / "run", 8), disk_errors(tmp_path / "run")):
        with pytest.raises(type(error)) as raised, errors:
            raise error
        assert raised.value is error
