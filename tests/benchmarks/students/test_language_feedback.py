"""The figure of feedback: a small training, and what it refuses."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from didact.benchmarks.config import FeedbackConfig
from didact.benchmarks.students import language_feedback
from didact.environments import SettingError

SMALL = {"conditions": ("none",), "train_tasks": ("go-to",), "test_tasks": ("both",), "seeds": 2}
SMALL |= {"steps": 2 * 16 * 40, "num_envs": 16, "adapt_envs": 16, "adapt_updates": (1,)}
SMALL |= {"episodes": 8, "anneal_help": 0.5}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    config = FeedbackConfig(**SMALL, out=str(tmp_path_factory.mktemp("out")))
    return config, language_feedback.compare(config)


def complete(config, result):
    assert list(result["conditions"]) == list(config.conditions)
    for name, row in result["conditions"].items():
        tests = {"alone"} if name == "none" else set(language_feedback.TESTS)
        for success in (*row["success"].values(), row["adapted"][0]["success"]):
            assert set(success) == tests
            rates = np.array(list(success.values()))
            assert rates.shape == (len(tests), config.seeds)
            assert ((rates >= 0) & (rates <= 1)).all()
        assert row["adapted"][0]["episodes"] >= 0
    console = Console(file=io.StringIO(), width=250)
    console.print(language_feedback.table(result))
    assert config.conditions[-1] in console.file.getvalue()


@pytest.mark.slow
def test_every_seed_is_tested_on_seen_and_unseen_tasks(compared):
    complete(*compared)


@pytest.mark.slow
def test_who_is_told_is_tested_alone_and_told_in_other_words(tmp_path):
    conditions = ("hindsight-template", "both-pool", "wrong-pool")
    config = FeedbackConfig(**SMALL | {"conditions": conditions}, out=str(tmp_path))
    complete(config, language_feedback.compare(config))


@pytest.mark.slow
def test_what_is_there_is_not_trained_again(compared, monkeypatch):
    config, before = compared
    monkeypatch.setattr(language_feedback.Trial, "run", lambda trial: pytest.fail(trial.name))
    again = language_feedback.compare(dataclasses.replace(config, conditions=("none",)))
    assert again["conditions"]["none"] == before["conditions"]["none"]
    kept = json.loads((Path(config.out) / language_feedback.FILE).read_text())
    assert kept["conditions"] == before["conditions"]
    with pytest.raises(SettingError, match="different settings"):
        language_feedback.compare(dataclasses.replace(config, episodes=9))


@pytest.mark.slow
def test_each_condition_has_the_machine_it_was_measured_on(compared, monkeypatch, tmp_path):
    config, before = compared
    config = dataclasses.replace(config, conditions=("none", "both-pool"))
    there = dict(before["conditions"]["none"], machine="another")
    (tmp_path / language_feedback.FILE).write_text(
        json.dumps(before | {"conditions": {"none": there}})
    )
    monkeypatch.setattr(language_feedback.Trial, "run", lambda trial: {"seconds": 1.0})
    monkeypatch.setattr(language_feedback.hardware, "describe", lambda: "this one")
    again = language_feedback.compare(dataclasses.replace(config, out=str(tmp_path)))["conditions"]
    assert [row["machine"] for row in again.values()] == ["another", "this one"]
    assert again["none"] == there


@pytest.mark.slow
def test_levels_are_the_same_for_all_conditions(compared):
    config, _ = compared
    one, two = (language_feedback.Trial(config, name) for name in ("none", "both-pool"))
    rows = one.levels(one.environment, ("go-to", "both"), 1.0)
    more = two.levels(two.environment, ("go-to", "both"), 1.0)
    np.testing.assert_array_equal(more[:, :-1], rows)
    assert (np.asarray(more[:, -1]) == 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"conditions": ("loud",)}, "--conditions"),
        ({"conditions": ()}, "--conditions"),
        ({"test_tasks": ("sing",)}, "--test-tasks"),
        ({"seeds": 1}, "--seeds is 1"),
        ({"num_envs": 10}, "--num-envs is 10"),
        ({"adapt_updates": (4, 2)}, "--adapt-updates"),
        ({"anneal_help": 2.0}, "--anneal-help is 2"),
    ],
)
def test_settings_without_meaning_are_refused(settings, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        language_feedback.compare(FeedbackConfig(**settings, out=str(tmp_path)))
