"""Sweeps: which trainings a file means, and what is run, skipped and reported."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from didact.environments import SettingError
from didact.experiments.cli import main
from didact.experiments.config import TrainConfig, to_dict
from didact.experiments.sweeps import sweep as sweeps
from didact.experiments.sweeps.sweep_files import read_sweep

TOY = {
    "env": "ToyGrid",
    "num_envs": 8,
    "rollout_length": 4,
    "evaluation_episodes": 2,
    "warm_up": 0,
    "steps": 64,
    "evaluate_every": 1,
    "checkpoint_every": 1,
    "pictures": False,
    "video": False,
    "ppo": {"num_minibatches": 1, "network": {"memory": 8, "hidden": 8}},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def file_of(values, name="my.yaml"):
    Path(name).write_text(yaml.safe_dump(values, sort_keys=False))
    return Path(name)


def read(**values):
    return read_sweep(file_of(values))


def test_a_grid_is_every_combination(here):
    text = """
    base:
      env: ToyGrid
      ppo: {clip: 0.1, network: {hidden: 64}}
      student: ppo
    grid:
      teacher: [uniform, alp_gmm]
      ppo.learning-rate: [1e-3, 3.0e-4]
      ppo:
        network.memory: [0]
    seeds: 3
    """
    (here / "my.yaml").write_text(text)
    found = read_sweep(here / "my.yaml")
    assert found.out == Path("runs/my")
    assert [(c.config.teacher, c.config.ppo.learning_rate) for c in found.combinations] == [
        ("uniform", 1e-3),
        ("uniform", 3e-4),
        ("alp_gmm", 1e-3),
        ("alp_gmm", 3e-4),
    ]
    for each in found.combinations:
        config = each.config
        assert (config.num_seeds, config.ppo.clip, config.run) == (3, 0.1, None)
        assert (config.ppo.network.hidden, config.ppo.network.memory) == (64, 0)
        assert list(each.varied) == ["teacher", "ppo.learning_rate", "ppo.network.memory"]
    names = [c.name for c in found.combinations]
    assert len(set(names)) == 4
    assert names[0].startswith("teacher-uniform_learning_rate-0.001_memory-0-")
    # A name depends on the varied settings only, and however these are written.
    again = read(base={"steps": 7}, grid={"ppo.network.memory": [0, 1], "teacher": ["uniform"]})
    assert again.combinations[0].config.steps == 7
    one = read(grid={"ppo.learning_rate": ["1e-3", 0.001]}).combinations
    assert len(one) == 1


def test_names_of_folders_are_harmless(here):
    found = read(grid={"imports": [["../a b"], ["[x]*?"], ["y" * 300]], "env": ["$(x)/..", "é"]})
    for each in found.combinations:
        assert set(each.name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
        )
        assert len(each.name) <= 100


def test_samples_are_repeatable_and_the_first_ones_stay(here):
    ranges = {
        "ppo.learning_rate": {"low": "1e-5", "high": 1e-1, "log": True},
        "ppo.discount": {"low": 0.9, "high": 1},
        "num_envs": {"low": 16, "high": 64, "log": True},
        "chunk": {"low": 1, "high": 3},
        "teacher": ["uniform", "alp_gmm"],
    }
    many = read(random=ranges, samples=200).combinations
    few = read(random=ranges, samples=5).combinations
    assert few == many[:5]
    assert read(random=ranges, samples=5, sample_seed=1).combinations != few
    more = {**ranges, "seed": [1, 2, 3]}
    assert [c.config.chunk for c in read(random=more, samples=5).combinations] == [
        c.config.chunk for c in few
    ]
    configs = [c.config for c in many]
    rates = np.log10([c.ppo.learning_rate for c in configs])
    assert -5 <= rates.min() < -4.5
    assert -1.5 < rates.max() <= -1
    assert abs(np.median(rates) + 3) < 0.5
    assert {c.chunk for c in configs} == {1, 2, 3}
    assert {c.teacher for c in configs} == {"uniform", "alp_gmm"}
    assert min(c.num_envs for c in configs) >= 16 > 0
    assert max(c.num_envs for c in configs) <= 64
    both = read(random={"ppo.discount": [0.9]}, samples=1, grid={"chunk": [1, 2]}).combinations
    assert [(c.config.ppo.discount, c.config.chunk) for c in both] == [(0.9, 1), (0.9, 2)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "FILE is .*a file with the parts base, grid"),
        ({"gird": {}}, r"part of my.yaml is 'gird', .*grid"),
        ({3: {}}, "part of my.yaml is '3'"),
        ({"base": {"env": "GoTo"}}, "grid is None, but must be a mapping"),
        ({"grid": {}}, "grid is {}, but must be a mapping"),
        ({"grid": [1]}, r"grid is \[1\], but must be a mapping"),
        ({"grid": {"chunk": 3}}, "grid chunk is 3, but must be a list of values"),
        ({"grid": {"chunk": []}}, r"grid chunk is \[\]"),
        ({"grid": {"chunk": {"low": 1, "high": 2}}}, "grid chunk.low is 1, but must be a list"),
        ({"grid": {"chunkk": [1]}}, "setting in my.yaml is 'chunkk', .*chunk"),
        ({"grid": {"chunk": [1, "x"]}}, "chunk in my.yaml is 'x', but must be a whole number"),
        ({"grid": {"chunk": [0]}}, "chunk in my.yaml is 0, but must be a whole number from 1"),
        ({"grid": {"ppo.clipp": [0]}}, "'ppo.clipp', .*ppo.clip"),
        ({"grid": {"ppo.clip.a": [0], "ppo.clip": [0.1]}}, "ppo.clip is 0.1, .*mapping"),
        (
            {"grid": {"ppo.clip": [1], "ppo": {"clip": [2]}}},
            "is 'ppo.clip', but must be given once",
        ),
        ({"grid": {"num_envs": [1], "num-envs": [2]}}, "'num_envs', but must be given once"),
        ({"grid": {"run": ["a"]}}, "'run', but must be omitted"),
        ({"base": {"run": "a"}, "grid": {"chunk": [1]}}, "'run', but must be omitted"),
        ({"base": {"ppo": 3}, "grid": {"ppo.clip": [0.1]}}, "ppo is 3, but must be a mapping"),
        (
            {"base": {"ppo.clip": 0.1, "ppo": {"clip": 0.2}}, "grid": {"chunk": [1]}},
            "setting in base is 'ppo.clip', but must be given once",
        ),
        ({"base": 3, "grid": {"chunk": [1]}}, "base is 3, but must be a mapping"),
        ({"grid": {"chunk": [1]}, "seeds": 0}, "num_seeds in my.yaml is 0"),
        ({"grid": {"chunk": [1]}, "seeds": [1, 2]}, r"num_seeds in my.yaml is \[1, 2\]"),
        ({"grid": {"num_seeds": [1]}, "seeds": 2}, "num_seeds is 2, but must be omitted with"),
        ({"grid": {"chunk": [1]}, "samples": 2}, "samples is 2, but must be omitted without"),
        ({"grid": {"chunk": [1]}, "out": 3}, "out is 3"),
        ({"random": {"chunk": [1]}}, "samples is None, but must be a whole number from 1"),
        ({"random": {"chunk": [1]}, "samples": 10**9}, "samples is 1000000000"),
        ({"random": {"chunk": {"low": 1}}, "samples": 1}, "random chunk.high is None"),
        (
            {"random": {"chunk": {"low": 2, "high": 1}}, "samples": 1},
            "random chunk.low is 2.0, .*high",
        ),
        (
            {"random": {"chunk": {"low": 0, "high": 1, "log": True}}, "samples": 1},
            "random chunk.low is 0.0, but must be above 0 with log",
        ),
        ({"random": {"chunk": {"low": 1, "high": 2, "lg": True}}, "samples": 1}, "'lg', .*log"),
        ({"random": {"chunk": {"low": "x", "high": 2}}, "samples": 1}, "chunk.low is 'x'"),
        ({"random": {"chunk": {"low": "nan", "high": 2}}, "samples": 1}, "chunk.low is nan"),
        (
            {"random": {"num_envs": {"low": 8.2, "high": 8.8}}, "samples": 1},
            "random num_envs is .*, but must be a range that contains a whole number",
        ),
        ({"random": {"steps": {"low": 1, "high": 1e19}}, "samples": 1}, "random steps.high is"),
        ({"random": {"steps": {"low": 0, "high": 9}}, "samples": 1}, "random steps.low is 0"),
        ({"random": {"llm.retries": {"low": 1, "high": 1e19}}, "samples": 1}, "llm.retries.high"),
        (
            {"random": {"seed": {"low": 1, "high": 1e300, "log": True}}, "samples": 1},
            "random seed.high is",
        ),
        ({"random": {"chunk": [1]}, "grid": {"chunk": [1]}, "samples": 1}, "random is 'chunk'"),
        ({"grid": {n: list(range(1, 60)) for n in ("chunk", "seed", "steps")}}, "at most 10,000"),
    ],
)
def test_wrong_files_are_refused(here, values, message):
    with pytest.raises(SettingError, match=message):
        read_sweep(file_of(values))


def test_files_that_cannot_be_read(here, refused):
    assert "FILE is 'none.yaml', but must be a readable file" in refused("sweep", "none.yaml")
    Path("bad.yaml").write_text("grid: [")
    assert "valid YAML" in refused("sweep", "bad.yaml")
    assert "a whole number" in refused("sweep", str(file_of({"grid": {"chunk": ["x"]}})))
    assert not (here / "runs").exists()


class FakeTraining:
    """Writes what a finished training leaves behind."""

    def __init__(self, monkeypatch):
        self.calls, self.fails, self.stops, self.breaks = [], set(), set(), set()
        monkeypatch.setattr(sweeps, "train_or_resume", self)
        monkeypatch.setattr(sweeps.setup, "loop_of", lambda *arguments: None)

    def __call__(self, config, console):
        self.calls.append(config.chunk)
        config.run.mkdir(exist_ok=True)
        (config.run / "config.json").write_text(json.dumps(to_dict(config)))
        if config.chunk in self.fails:
            raise SettingError("loss", float("nan"), "finite [/red]")
        if config.chunk in self.breaks:
            raise TypeError("unsupported operand\nin an environment")
        if config.chunk in self.stops:
            return {"run": str(config.run), "finished": False}
        part = {"success": config.chunk / 10, "return": 1.0, "length": 1.0}
        if config.num_seeds > 1:
            part["success_by_seed"] = [config.chunk / 10] * config.num_seeds
        row = {"updates": 1, "steps": 5, "seconds": 1.0, "evaluation": {"A": part}}
        (config.run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        (config.run / "policy").mkdir()
        return {"run": str(config.run), "finished": True}


def test_the_interval_of_a_few_seeds_is_students():
    # By hand: t of 1 degree is 12.706, and the standard error 0.01.
    assert sweeps._rate([0.5, 0.52]) == "51.0% [38.3%, 63.7%]"
    assert sweeps._rate([0.1, 0.9]) == "50.0% [0.0%, 100.0%]"
    assert sweeps._rate([0.5]) == "50.0%"
    assert sweeps._rate([]) == "-"


def test_finished_runs_are_skipped_and_failed_ones_are_reported(here, monkeypatch, capsys):
    training = FakeTraining(monkeypatch)
    file = file_of({"base": {"env": "ToyGrid"}, "grid": {"chunk": [1, 2, 3]}, "seeds": 2})
    training.stops = {3}
    training.fails = {1}
    with pytest.raises(SystemExit) as exit:
        main(["sweep", str(file), "--out", "all"])
    assert exit.value.code == 130  # as after Ctrl-C
    assert training.calls == [1, 2, 3]
    training.stops = set()
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        main(["sweep", str(file), "--out", "all"])
    out, err = capsys.readouterr()
    assert exit.value.code == 1
    assert training.calls == [1, 2, 3, 1, 3]
    lines = [line.split() for line in out.splitlines()]
    order = [words[1] for words in lines if "finished" in words or "failed" in words]
    assert order == ["3", "2", "1"]  # the best first, failures last
    assert "30.0% [30.0%, 30.0%]" in out
    assert "loss is nan, but must be finite [/red]." in out
    assert "[/red]" in err
    training.fails = set()
    main(["sweep", str(file), "--out", "all", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert training.calls == [1, 2, 3, 1, 3, 1]
    assert [run["success"] for run in result["runs"]] == [[0.1] * 2, [0.2] * 2, [0.3] * 2]
    assert {run["status"] for run in result["runs"]} == {"finished"}
    assert json.loads(Path("all/sweep.json").read_text()) == result
    # Other base settings in the same folder are refused before anything is trained.
    file_of({"base": {"env": "ToyGrid", "steps": 9}, "grid": {"chunk": [1, 4]}})
    with pytest.raises(SettingError, match=r"--out is 'all', .* different settings"):
        sweeps.sweep(file, "all")
    assert len(training.calls) == 6


def test_bugs_in_a_training_do_not_end_a_sweep(here, monkeypatch):
    training = FakeTraining(monkeypatch)
    file = file_of({"base": {"env": "ToyGrid"}, "grid": {"chunk": [1, 2]}})
    training.breaks = {1}
    first, second = sweeps.sweep(file, "all")["runs"]
    assert (first["status"], second["status"]) == ("failed", "finished")
    assert first["error"].startswith("TypeError: unsupported operand (test_sweep.py, line")


def test_the_results_are_written_however_a_sweep_ends(here, monkeypatch):
    training = FakeTraining(monkeypatch)
    file = file_of({"base": {"env": "ToyGrid"}, "grid": {"chunk": [1, 2]}})
    training.stops = {1}

    def statuses():
        return [run["status"] for run in json.loads(Path("all/sweep.json").read_text())["runs"]]

    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(file, "all")
    assert statuses() == ["pending", "pending"]
    training.stops = set()
    result = sweeps.sweep(file, "all")
    Path("all/sweep.json").unlink()  # as if it was killed before it wrote them
    assert sweeps.sweep(file, "all") == result
    assert statuses() == ["finished", "finished"]


def test_all_settings_are_checked_before_the_first_training(here, refused):
    file = file_of({"base": TOY, "grid": {"num_envs": [8, 9], "ppo.num_minibatches": [2]}})
    assert "--num-envs is 9, but must be a multiple of 2" in refused("sweep", file)
    file = file_of({"base": TOY, "grid": {"teacher": ["uniform", "alp"]}})
    assert "--teacher is 'alp'" in refused("sweep", file)
    assert list(here.rglob("config.json")) == []


@pytest.mark.slow
def test_a_sweep_trains(here, capsys):
    file = file_of({"base": TOY, "grid": {"teacher": ["uniform", "alp_gmm"]}, "seeds": 2})
    main(["sweep", str(file), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert [run["status"] for run in result["runs"]] == ["finished"] * 2
    folders = [Path("runs/my") / run["name"] for run in result["runs"]]
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    main(["sweep", str(file)])
    after = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    assert before == after
    capsys.readouterr()
    main(["plot", *map(str, folders), "--json"])
    assert list(json.loads(capsys.readouterr().out)["curves"]) == ["uniform", "alp_gmm"]
    assert TrainConfig().teacher == "auto"
