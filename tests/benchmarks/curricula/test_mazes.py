"""The comparison of teachers on mazes: the protocol, its statistics, and resuming."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from didact.benchmarks.curricula import mazes
from didact.benchmarks.curricula.settings import MazesConfig
from didact.benchmarks.curricula.worst_levels import solvable_levels, success_rates, worst_success
from didact.environments import SettingError
from didact.environments.grid.mazes import EVALUATION, Levels, RepeatedBlocks
from didact.experiments.evaluation.evaluate import Results
from didact.students.config import NetworkConfig, PPOConfig

TEACHERS = ("uniform", "plr_robust", "accel edits=3", "sfl keep=10")


def test_the_worst_levels_are_chosen_by_one_pass_and_scored_by_another():
    """On levels of known success: one pass alone is biased, two are not."""
    rng = np.random.default_rng(0)
    p = np.repeat([0.5, 0.9, 1.0], [500, 500, 9000])
    first, second = (rng.binomial(10, p) / 10 for _ in range(2))
    shares = (0.0001, 0.01, 0.05, 1.0)
    two = worst_success(first, second, shares)
    assert two[1] == pytest.approx(0.5, abs=0.05)
    assert two[2] == pytest.approx(0.51, abs=0.03)
    assert two[3] == pytest.approx(second.mean())
    assert worst_success(first, first, shares)[1] < 0.3
    order = sorted(range(10_000), key=lambda i: first[i])
    for share, found in zip(shares, two, strict=True):
        assert found == pytest.approx(second[order[: max(1, round(share * 10_000))]].mean())


def test_solvable_levels():
    space = Levels(7, 7, RepeatedBlocks(25))
    levels = solvable_levels(space, 1300, seed=3)
    assert levels.shape == (1300, space.size)
    assert np.asarray(space.solvable(levels)).all()
    assert len(np.unique(levels, axis=0)) > 1290
    np.testing.assert_array_equal(levels[:5], solvable_levels(space, 5, seed=3))


def test_success_rates_are_those_of_each_level(monkeypatch):
    monkeypatch.setattr("didact.benchmarks.curricula.worst_levels.GROUP", 4)
    shapes = []

    def play(state, key, tasks):
        shapes.append(tasks.shape)
        success = np.asarray(tasks)[:, 0] * (np.arange(len(tasks)) % 2)
        return Results(success, success, success)

    tasks = np.array([[1.0, 5], [0, 5], [1, 6], [0, 6], [1, 7], [0, 7]])
    rates = success_rates(play, None, tasks, 2, 0)
    np.testing.assert_allclose(rates, [0.5, 0, 0.5, 0, 0.5, 0])
    assert set(shapes) == {(8, 2)}  # one program


def fake(calls, stop=None):
    def learn(name, seed, config, end=None):
        if (name, seed) == stop:
            raise mazes.OutOfTime
        calls.append((name, seed))
        rng = np.random.default_rng([len(name), seed])
        rates = (rng.random(8) * 0.5 + TEACHERS.index(name) / 10).tolist()
        return {
            "steps": [1, 2],
            "curve": [0.1, 0.2],
            "mazes": dict(zip(EVALUATION, rates, strict=True)),
            "mean": float(np.mean(rates)),
            "worst": np.sort(rng.random(6)).tolist(),
            "seconds": 1.0,
        }

    return learn


@pytest.fixture
def stopped(monkeypatch, tmp_path):
    """A comparison that ran out of time in its second seed."""
    config = MazesConfig(teachers=TEACHERS, seeds=3, out=str(tmp_path))
    calls = []
    monkeypatch.setattr(mazes, "learn", fake(calls, (TEACHERS[1], 1)))
    result = mazes.compare(config)
    monkeypatch.setattr(mazes, "learn", fake(calls))
    return config, calls, result


@pytest.mark.slow
def test_it_continues_where_it_was_stopped(stopped):
    config, calls, result = stopped
    assert calls == [*((name, 0) for name in TEACHERS), (TEACHERS[0], 1)]
    assert result["unfinished"] == 7
    assert result["teachers"]["sfl keep=10"]["seeds"] == 1
    assert "p" not in result["teachers"]["sfl keep=10"]
    shown(result)
    complete = mazes.compare(config)
    assert complete["unfinished"] == 0
    assert len(calls) == len(set(calls)) == 12
    more = mazes.compare(dataclasses.replace(config, seeds=4, teachers=TEACHERS[:2]))
    assert len(calls) == 14
    assert set(more["teachers"]) == set(TEACHERS[:2])
    with pytest.raises(SettingError, match="different settings"):
        mazes.compare(dataclasses.replace(config, draws=60))


def shown(result):
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(mazes.table(result))
    return console.export_text()


@pytest.mark.slow
def test_the_statistics_are_scipys(stopped):
    config, _, _ = stopped
    result = mazes.compare(config)
    assert json.loads(json.dumps(result)) == result
    means = {
        name: [result["trainings"][f"{name}/{seed}"]["mean"] for seed in range(3)]
        for name in TEACHERS
    }
    for name, row in result["teachers"].items():
        expected = stats.t.interval(0.95, 2, np.mean(means[name]), stats.sem(means[name]))
        np.testing.assert_allclose(row["mean_interval"], expected)
        assert row["mean"] == pytest.approx(np.mean(means[name]))
        if name == "uniform":
            assert "p" not in row
        else:
            test = stats.ttest_ind(means[name], means["uniform"], equal_var=False)
            assert row["p"] == pytest.approx(test.pvalue)
        rates = [list(result["trainings"][f"{name}/{s}"]["mazes"].values()) for s in range(3)]
        assert row["iqm"] == pytest.approx(stats.trim_mean(rates, 0.25, axis=None))
    text = shown(result)
    for part in ("uniform", "accel edits=3", "26", "published", "0.1 %", "Std3"):
        assert part in text


def test_time_runs_out_before_the_first_training(stopped):
    config, calls, _ = stopped
    result = mazes.compare(dataclasses.replace(config, minutes=1e-9, out=config.out + "-new"))
    assert result["unfinished"] == 12
    assert result["teachers"] == {}
    assert len(calls) == 5
    shown(result)


@pytest.mark.parametrize(
    "bad", [{"teachers": ("sfl", "sfl")}, {"teachers": ()}, {"num_evaluations": 0}]
)
def test_settings_without_meaning(bad, tmp_path):
    with pytest.raises(SettingError, match=next(iter(bad)).replace("_", "-")):
        mazes.compare(MazesConfig(out=str(tmp_path), **bad))


@pytest.mark.slow
def test_a_short_comparison(tmp_path):
    """In two pieces: the first is stopped within a training, which the second one resumes."""
    small = NetworkConfig(
        hidden=8, memory=8, cell_embedding=4, token_embedding=4, instruction_features=4
    )
    config = MazesConfig(
        teachers=("sfl candidates=40 keep=10 tries=2",),
        steps=40 * 32 * 8,
        seeds=1,
        num_envs=32,
        rollout_length=8,
        num_evaluations=2,
        episodes=2,
        levels=50,
        level_episodes=2,
        out=str(tmp_path / "pieces"),
        ppo=PPOConfig(num_minibatches=1, network=small),
    )
    first = mazes.compare(dataclasses.replace(config, minutes=0.02))
    assert first["unfinished"] == 1
    (run,) = [path for path in Path(config.out).iterdir() if path.is_dir()]
    assert (run / "checkpoints").is_dir()
    assert not (run / "policy").is_dir()
    pieces = mazes.compare(config)
    assert pieces["unfinished"] == 0
    whole = mazes.compare(dataclasses.replace(config, out=str(tmp_path / "whole")))
    one, other = (r["trainings"].popitem()[1] for r in (pieces, whole))
    for name in ("steps", "curve", "mazes", "mean", "worst"):
        assert one[name] == other[name]
