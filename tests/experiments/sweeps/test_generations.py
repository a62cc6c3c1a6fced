"""One student after another."""

import dataclasses
import itertools
import json
import re

import pytest

from didact.environments import SettingError
from didact.experiments import training
from didact.experiments.config import to_dict
from didact.experiments.runs.stopping import Interrupted
from didact.experiments.sweeps import generations
from didact.experiments.sweeps.generations import Generations
from didact.students import load_policy

TINY = {"env": "ToyGrid", "steps": 3 * 16 * 32, "num_envs": 16, "teacher": "uniform"}


def learning(run, name):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["learning"].get(name) for row in rows]


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    choice = Generations(**TINY, generations=3, run=tmp_path_factory.mktemp("family"))
    return choice, generations.generations(choice)


@pytest.mark.slow
def test_each_is_drawn_towards_the_one_before(family):
    choice, done = family
    assert len(done) == 3
    runs = [choice.run / f"generation-{number}" for number in (1, 2, 3)]
    assert learning(runs[0], "kickstart_lambda") == [None] * len(learning(runs[0], "loss"))
    for before, run in itertools.pairwise(runs):
        assert learning(run, "kickstart_lambda")[0] > 0
        config = json.loads((run / "config.json").read_text())
        assert config["experts"] == [str(before)]
        assert load_policy(run / "experts" / "0").card == load_policy(before).card
    # New students, not the old ones trained on.
    assert [json.loads((run / "config.json").read_text())["seed"] for run in runs] == [0, 1, 2]
    assert (choice.run / "generations.png").stat().st_size > 1000


@pytest.mark.slow
def test_what_is_finished_is_kept(family):
    choice, done = family
    runs = [choice.run / f"generation-{number}" / "policy" for number in (1, 2, 3)]
    times = [run.stat().st_mtime_ns for run in runs]
    again = generations.generations(choice)
    assert [run.stat().st_mtime_ns for run in runs] == times
    assert [told["success"] for told in again] == [told["success"] for told in done]


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"steps": 2 * 16 * 32}, {"env": "GoTo"}, {"weight": 3.0}])
def test_a_folder_with_other_generations_is_refused(family, change):
    choice, _ = family
    with pytest.raises(SettingError, match=r"--run is .* different settings"):
        generations.generations(dataclasses.replace(choice, **change))


def test_no_episode_may_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        generations, "train_or_resume", lambda config: {"run": "here", "finished": True}
    )
    generations.main(["--env=ToyGrid", "--generations=1", "--run", str(tmp_path)])
    assert re.search(r"1 │ +- │ here", capsys.readouterr().out)


@pytest.mark.slow
def test_one_that_was_stopped_goes_on(tmp_path, monkeypatch):
    choice = Generations(**TINY, generations=1, run=tmp_path)
    calls = []

    def stopped(config=None, *, resume=None, **more):
        calls.append((config, resume))
        raise Interrupted({"run": "", "finished": False})

    monkeypatch.setattr(training, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        generations.generations(choice)
    config, resume = calls[0]
    assert config.run == tmp_path / "generation-1"
    assert resume is None
    config.run.mkdir()
    (config.run / "config.json").write_text(json.dumps(to_dict(config)))
    with pytest.raises(KeyboardInterrupt):
        generations.generations(choice)
    assert calls[1] == (None, tmp_path / "generation-1")


def test_none_are_refused():
    with pytest.raises(SettingError, match="--generations is 0"):
        generations.generations(Generations(generations=0))


@pytest.mark.slow
def test_the_command(family, capsys):
    choice, _ = family
    told = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    generations.main([*told, "--generations", "3", "--run", str(choice.run)])
    assert "ToyGrid, 1,536 steps each" in capsys.readouterr().out
