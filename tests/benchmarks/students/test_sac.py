"""SAC beside Stable-Baselines3: what is written seed by seed, and the comparison."""

import dataclasses
import json
import sys
import types

import pytest

from didact.benchmarks.config import SACBenchmarkConfig
from didact.benchmarks.students import sac
from didact.common import display
from didact.environments import SettingError


@pytest.fixture
def calls(monkeypatch):
    """Trainings of both libraries that are fast."""
    made = []

    def train(config, seed):
        if seed == 2 and len(made) < 5:
            raise KeyboardInterrupt
        made.append(("ours", seed))
        return {"return": -150.0 - seed, "seconds": 10.0, "compile_seconds": 2.0}

    def train_peer(config, seed):
        made.append(("theirs", seed))
        return {"return": -149.0 - seed, "seconds": 40.0}

    monkeypatch.setattr(sac, "_train", train)
    monkeypatch.setattr(sac, "_train_peer", train_peer)
    monkeypatch.setitem(sys.modules, "stable_baselines3", types.ModuleType("stable_baselines3"))
    return made


@pytest.mark.parametrize("steps", [3, 10_001, 10_999])
def test_both_train_for_as_many_steps(calls, tmp_path, steps):
    with pytest.raises(SettingError, match=f"--steps is {steps}, but must be a multiple of 10"):
        sac.compare(SACBenchmarkConfig(steps=steps, out=str(tmp_path)))
    assert not calls


def test_seeds_are_written_one_by_one(calls, tmp_path):
    config = SACBenchmarkConfig(seeds=3, steps=400, out=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        sac.compare(config)
    assert list(json.loads((tmp_path / "sac.json").read_text())["seeds"]) == ["0", "1"]
    calls.append(("more", 9))
    result = sac.compare(config)
    assert calls[-2:] == [("ours", 2), ("theirs", 2)]
    assert result["didact"]["returns"] == [-150, -151, -152]
    assert result["didact"]["steps_per_second"] == [40, 40, 40]
    assert result["stable-baselines3"]["ratio"] == 4
    assert result["stable-baselines3"]["p"] == pytest.approx(0.2879, abs=1e-4)
    console = display.PlainConsole(record=True, width=120)
    console.print(sac.table(result))
    assert "-151.0" in console.export_text()
    with pytest.raises(SettingError, match="different settings"):
        sac.compare(dataclasses.replace(config, steps=500))
    (tmp_path / "sac.json").write_text("{}")
    with pytest.raises(SettingError, match="undamaged"):
        sac.compare(config)
