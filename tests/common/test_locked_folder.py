"""Folders that only one process writes to."""

import subprocess
import sys

import pytest

from didact.common.errors import SettingError
from didact.common.files import locked_folder
from didact.experiments.runs import folder

HOLD = """
import sys
from didact.common.files import locked_folder
with locked_folder("--out", sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_trainings_hold_it_too(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    with folder.created("--run", run, "name", {}), pytest.raises(SettingError, match="no other"):  # noqa: SIM117
        with locked_folder("--out", run):
            pass
    other.mkdir()
    with locked_folder("--out", other), pytest.raises(SettingError, match="no other process"):  # noqa: SIM117
        with folder.created("--run", other, "name", {}):
            pass
    assert not (other / folder.CONFIG).exists()


def test_one_process_at_a_time_and_the_folder_stays_empty(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SettingError, match=r"--out is .*no other process writes to"):  # noqa: SIM117
            with locked_folder("--out", tmp_path):
                pass
        other.kill()
    with (
        locked_folder("--out", tmp_path),
        pytest.raises(SettingError),
        locked_folder("a", tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
