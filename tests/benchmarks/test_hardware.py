"""The description of the machine and of the checkout."""

import shutil
import subprocess

import pytest

from didact.benchmarks import hardware


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    file = tmp_path / "benchmarks" / "hardware.py"
    file.write_text("")
    monkeypatch.setattr(hardware, "__file__", str(file))
    assert hardware.commit() is None  # not a checkout

    def git(*words):
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *names, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    clean = hardware.commit()
    assert git("rev-parse", "HEAD").startswith(clean)
    file.write_text("changed")
    assert hardware.commit() == f"{clean}+changes"
    monkeypatch.setattr(hardware.shutil, "which", lambda name: None)
    assert hardware.commit() is None


def test_descriptions_state_the_commit():
    assert "commit" in hardware.describe()
