"""Runs that are resumed from an earlier checkpoint, and stopped before they are."""

from types import SimpleNamespace
from typing import Any

import pytest

from didact.experiments import distributed
from didact.experiments.config import TrainConfig
from didact.experiments.host_loop import Training
from didact.experiments.runs import resuming
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.runs.rewinding import forget_after
from didact.experiments.runs.stopping import Abandoned


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "run"
    for updates in (4, 6, 8):
        (run / "checkpoints" / f"{updates:08d}").mkdir(parents=True)
    for name in ("policy", "policy-seed-1"):
        (run / name).mkdir()
    (run / "curriculum").mkdir()
    for updates in (2, 6, 8):
        (run / "curriculum" / f"{10 * updates:012d}.npz").touch()
    (run / "curriculum" / "mine.npz").touch()
    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_came_after_the_checkpoint_is_forgotten(run):
    forget_after(run, 6, 10, 8)
    assert names(run) == ["checkpoints", "curriculum"]  # without a policy, it is unfinished
    assert Checkpoints(run / "checkpoints").saved() == [4, 6]
    assert names(run / "curriculum") == ["000000000020.npz", "000000000060.npz", "mine.npz"]


def test_a_finished_run_keeps_everything(run):
    forget_after(run, 8, 10, 8)
    assert names(run) == ["checkpoints", "curriculum", "policy", "policy-seed-1"]
    assert Checkpoints(run / "checkpoints").saved() == [4, 6, 8]
    assert len(names(run / "curriculum")) == 4


@pytest.mark.parametrize(("checkpoint", "updates"), [(None, 8), (6, 6), (0, 0)])
def test_stopped_before_the_checkpoint_is_restored(run, checkpoint, updates, monkeypatch):
    """The command that resumes the run asks for the same checkpoint."""

    def stopped(training, resumed):
        raise Abandoned

    monkeypatch.setattr(Training, "_go", stopped)
    training: Any = Training.__new__(Training)
    training.config, training.run, training.loop = TrainConfig(), run, SimpleNamespace()
    training.checkpoints = Checkpoints(run / "checkpoints")
    result = training.go(True, checkpoint)
    assert result["updates"] == updates
    words = [] if checkpoint is None else ["--checkpoint", str(checkpoint)]
    assert result["resume"].split() == ["didact", "train", "--resume", str(run), *words]


def test_the_command_repeats_how_the_run_was_resumed(run, tmp_path, monkeypatch):
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(distributed, "several", lambda: True)
    command = resuming.command(TrainConfig(), run)
    assert command.endswith(f"--resume {run} --linked-checkpoints --distributed")
