"""Callbacks of a training: which are called, and what becomes of their exceptions."""

import dataclasses
import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from didact.experiments import Callback, host_loop
from didact.experiments.callbacks import Callbacks, TensorBoard
from didact.experiments.config import TrainConfig
from didact.experiments.host_loop import Training
from didact.experiments.runs import logs
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.training import train
from didact.students import NetworkConfig, PPOConfig

CONFIG = TrainConfig()


class Noting(Callback):
    """Notes its calls, and raises an exception in some of them."""

    def __init__(self, *failing):
        self.failing, self.calls = failing, []

    def note(self, name):
        self.calls.append(name)
        if name in self.failing:
            raise OSError(f"no {name}")

    def on_start(self, run, config, steps):
        self.note("start")

    def on_figures(self, figures, steps):
        self.note("figures")

    def on_end(self, result):
        self.note("end" if result else "end without a result")


def test_only_those_that_have_started_are_told_of_the_end(tmp_path):
    one, two, three = Noting(), Noting("start"), Noting()
    called = Callbacks([one, two, three])
    with pytest.raises(OSError, match="no start"), called.ended():
        called.on_start(tmp_path, CONFIG, 0)
    assert one.calls == ["start", "end without a result"]
    assert two.calls == ["start"]
    assert three.calls == []


def test_the_end_does_not_hide_what_ended_the_training(tmp_path):
    one, two = Noting("end without a result"), Noting()
    called = Callbacks([one, two])
    called.on_start(tmp_path, CONFIG, 0)
    with pytest.raises(KeyboardInterrupt), called.ended():
        raise KeyboardInterrupt
    assert two.calls == ["start", "end without a result"]


def test_all_are_told_of_the_end_before_one_fails(tmp_path):
    one, two = Noting("end"), Noting()
    called = Callbacks([one, two])
    called.on_start(tmp_path, CONFIG, 0)
    with pytest.raises(OSError, match="no end"), called.ended() as end:
        assert end({"finished": True}) == {"finished": True}
    assert two.calls == ["start", "end"]


@pytest.mark.parametrize("steps", [0, 800])
def test_tensorboard_hides_the_rows_that_come_again(tmp_path, steps, monkeypatch):
    """Also those of a run that was killed before its second checkpoint."""
    begun = []
    monkeypatch.setattr(logs, "EventWriter", lambda folder, begin: begun.append(begin))
    TensorBoard().on_start(tmp_path, CONFIG, steps)
    assert begun == [steps + 1]


def fake_training(callback: Any, console=None) -> Any:
    callbacks = Callbacks([callback])
    saved: list[int] = []
    config = dataclasses.replace(CONFIG, pictures=True)
    training = SimpleNamespace(config=config, console=console, callbacks=callbacks, saved=saved)
    training.save = lambda done, state: saved.append(done)
    training._drawn = 0.0
    training.figures = {}
    return training


def test_an_exception_with_figures_is_raised(monkeypatch):
    monkeypatch.setattr(host_loop.report, "pictures", lambda training: {"curve": "curve.png"})
    training = fake_training(Noting("figures"))
    state = object()
    with pytest.raises(OSError, match="no figures"), Training.saved_on_errors(training, 4, state):
        Training.show(training, 80, last=True)
    assert training.saved == [4]
    assert training.figures == {"curve": "curve.png"}


def test_figures_that_cannot_be_made_are_not_passed_on(monkeypatch):
    def fail(training):
        raise ValueError("no room")

    monkeypatch.setattr(host_loop.report, "pictures", fail)
    callback, file = Noting(), io.StringIO()
    Training.show(fake_training(callback, Console(file=file, width=200)), 80, last=True)
    assert file.getvalue().startswith("The figures could not be made: ValueError: no room")
    assert callback.calls == []


def test_exceptions_before_the_first_update(tmp_path, monkeypatch):
    """The first state is saved, the progress bar is closed, and the exception is raised."""
    closed = []
    monkeypatch.setattr(logs.ProgressBar, "close", lambda bar: closed.append(bar._waiting.stop()))
    network = NetworkConfig(hidden=8, memory=0)
    settings: dict[str, Any] = {"env": "Counting", "num_envs": 16, "rollout_length": 4}
    settings |= {"ppo": PPOConfig(network=network, num_minibatches=2), "teacher": "uniform"}
    console = Console(file=io.StringIO())
    callback = Noting("start")
    with pytest.raises(OSError, match="no start"):
        train(**settings, run=tmp_path / "run", console=console, callbacks=[callback])
    assert Checkpoints(tmp_path / "run" / "checkpoints").saved() == [0]
    assert not closed

    def fail(*arguments, **more):
        raise OSError("no runner")

    monkeypatch.setattr(host_loop.proposers, "ProposerRunner", fail)
    with pytest.raises(OSError, match="no runner"):
        train(resume=tmp_path / "run", console=console)
    assert len(closed) == 1
