"""The short trainings on every level, on a world in which they are over in seconds."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from didact.benchmarks.config import BabyAIConfig
from didact.benchmarks.students import babyai
from didact.environments import SettingError, make

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    config = BabyAIConfig(
        levels=("ToyGrid",),
        steps=16 * 32 * 16,
        num_envs=16,
        num_evaluations=4,
        episodes=32,
        out=str(tmp_path_factory.mktemp("out")),
    )
    return config, babyai.learn_levels(config)


def test_what_is_told_of_a_level(learned):
    config, result = learned
    row = result["levels"]["ToyGrid"]
    assert len(row["steps"]) == len(row["success"]) == config.num_evaluations
    assert row["steps"] == sorted(set(row["steps"]))
    assert row["steps"][-1] >= config.steps
    assert row["episodes"] > 0
    assert row["compile_seconds"] > 0
    for rate in (*row["success"], row["sampled"], row["greedy"]):
        assert rate * config.episodes == pytest.approx(round(rate * config.episodes))
    assert (row["solved_at"] is None) == (max(row["success"]) < 0.99 or row["sampled"] < 0.99)


def test_what_is_written_and_shown(learned):
    config, result = learned
    with open(f"{config.out}/babyai.json") as file:
        assert json.load(file) == result
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(babyai.table(result))
    text = console.export_text()
    for part in ("ToyGrid", f"{result['levels']['ToyGrid']['sampled']:.1%}", "solved: "):
        assert part in text


def test_levels_are_not_trained_twice(learned, monkeypatch):
    config, result = learned

    def never(*arguments):
        raise AssertionError(arguments)

    monkeypatch.setattr(babyai, "learn", never)
    assert babyai.learn_levels(config) == result
    with pytest.raises(SettingError, match="different settings"):
        babyai.learn_levels(dataclasses.replace(config, steps=config.steps + 1))


def test_the_papers_levels():
    levels = BabyAIConfig().levels
    assert len(set(levels)) == 19
    assert set(babyai.PUBLISHED) <= set(levels)
    for name in levels:
        make(name)


def test_bad_settings_are_told_first(tmp_path):
    good = BabyAIConfig(out=str(tmp_path))
    with pytest.raises(SettingError, match=r"--num-evaluations is 0"):
        babyai.learn_levels(dataclasses.replace(good, num_evaluations=0))
    with pytest.raises(SettingError, match="Nowhere"):
        babyai.learn_levels(dataclasses.replace(good, levels=("Nowhere",)))
