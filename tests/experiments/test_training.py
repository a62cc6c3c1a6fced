"""Trainings from Python and from the command line, to their end."""

import json
import subprocess
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest

from didact.common.intervals import t_interval
from didact.experiments.cli import main
from didact.experiments.evaluation.fixed_tasks import UNIFORM
from didact.experiments.runs import logs
from didact.experiments.runs.curriculum_snapshots import load_snapshots
from didact.experiments.training import train
from didact.students import NetworkConfig, PPOConfig, load_policy

OBJECT = "BabyAI-GoToObjS4-v0"
TINY = PPOConfig(network=NetworkConfig(hidden=16, memory=8), num_minibatches=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One training in five lines, long enough to learn something: (folder, result)."""
    folder = tmp_path_factory.mktemp("runs")
    result = train(
        env=OBJECT,
        teacher="uniform",
        steps=80_000,
        num_envs=256,
        rollout_length=16,
        evaluation_episodes=64,
        evaluate_every=0.3,
        ppo=PPOConfig(num_minibatches=8),
        run=str(folder / "run"),
    )
    return folder / "run", result


def assert_whole(run, result):
    """What the docstring of `train` promises."""
    assert result["run"] == str(run)
    assert result["finished"] is True
    assert result["updates"] * 16 <= result["steps"]
    for path in result["files"].values():
        assert Path(path).exists()
    for name in ("config.json", "metrics.jsonl", "checkpoints", "tensorboard", "video.gif"):
        assert (run / name).exists()
    json.dumps(result)  # plain numbers and words
    assert not [p for p in run.rglob(".*") if "part" in p.name or "draft" in p.name]


def test_one_room_with_one_object_is_learned(trained):
    """A regression of learning shows here: some 40,000 steps are enough."""
    _, result = trained
    assert result["evaluation"][OBJECT]["sampled"]["success"] >= 0.9
    assert result["evaluation"][OBJECT]["greedy"]["success"] >= 0.9


def test_what_a_training_leaves_behind(trained):
    run, result = trained
    assert_whole(run, result)
    assert set(result["files"]) >= {"policy", "learning curve", "video"}
    rows = logs.read(run / "metrics.jsonl")
    assert rows[-1]["steps"] == result["steps"] >= 80_000
    assert [row["updates"] for row in rows] == list(range(2, result["updates"] + 1, 2))
    assert rows[0]["success"] < 0.8 < rows[-1]["success"]
    assert "evaluation" in rows[-1]
    assert load_snapshots(run / "curriculum")[-1].steps == result["steps"]
    told = load_policy(run).card
    assert told["environment"] == OBJECT
    assert told["training"]["steps"] == result["steps"]
    assert told["name"] == run.name
    assert told["made_by"].startswith(f"didact train --env {OBJECT} ")
    command = told["scores"][OBJECT]["command"]
    assert command.startswith(f"didact evaluate {run / 'policy'} --env {OBJECT} --episodes ")
    assert told["scores"][OBJECT]["sampled"] == result["evaluation"][OBJECT]["sampled"]["success"]


def test_tensorboard_reads_the_events(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _ = trained
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()
    assert {"success", "return", "learning/entropy"} <= set(tags["scalars"])
    assert tags["images"]
    rows = logs.read(run / "metrics.jsonl")
    found = [(event.step, event.value) for event in events.Scalars("success")]
    expected = [(row["steps"], row["success"]) for row in rows if row["success"] is not None]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("arguments", [[], ["--greedy"], ["--official"]])
def test_evaluate(trained, capsys, arguments):
    run, _ = trained
    capsys.readouterr()
    main(["evaluate", str(run), "--episodes", "48", "--json", *arguments])
    out = capsys.readouterr().out
    told = json.loads(out)
    assert told["episodes"] == 48
    assert told["success"] >= 0.85
    assert told["engine"] == ("minigrid" if "--official" in arguments else "didact")
    assert told["actions"] == ("greedy" if "--greedy" in arguments else "sampled")
    if "--official" in arguments:
        main(["evaluate", str(run / "policy"), "--episodes", "48", *arguments])
        assert f"{told['success']:.1%}" in capsys.readouterr().out


@pytest.mark.slow
def test_evaluate_prints_nothing_but_json(trained):
    """In a process of its own, for packages greet when they are imported."""
    run, _ = trained
    code = "from didact.experiments.cli import main; main()"
    command = ["evaluate", run, "--official", "--episodes", 4, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["episodes"] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--env Nowhere", ("--env is 'Nowhere'",)),
        ("--env ToyGrid", ("observation", "as in training")),
        ("--env Nowhere-v0 --official", ("--env is 'Nowhere-v0'", "minigrid package")),
        ("--env CartPole-v1 --official", ("--env is 'CartPole-v1'", "minigrid package")),
        ("--official --tasks rows=1", ("--tasks",)),
        ("--official --engine envpool", ("--engine is 'envpool'", "--official")),
        ("--tasks rows=2", ("--tasks rows is 2",)),
    ],
)
def test_evaluations_that_are_refused(trained, refused, arguments, words):
    message = refused("evaluate", trained[0], *arguments.split())
    for word in words:
        assert word in message


@pytest.mark.slow
def test_watch(trained, capsys, tmp_path, refused):
    import imageio.v3 as imageio

    run, _ = trained
    out = tmp_path / "film.gif"
    capsys.readouterr()
    main(["watch", str(run), "--episodes", "2", "--out", str(out), "--json"])
    assert json.loads(capsys.readouterr().out) == {"video": str(out)}
    assert len(imageio.imread(out, index=None)) > 2
    assert "*.gif or *.mp4" in refused("watch", run, "--episodes", 1, "--out", tmp_path / "x.txt")
    assert "--out is '/proc/film.gif'" in refused(
        "watch", run, "--episodes", 1, "--out", "/proc/film.gif"
    )


SMALL = (
    "--num-envs 16 --rollout-length 4 --steps 512 --checkpoint-every 1 --evaluation-episodes 4"
    " --ppo.num-minibatches 2 --ppo.network.hidden 16"
)


@pytest.mark.slow
def test_environments_without_evaluation_tasks(tmp_path, capsys):
    """Students are tested on a sample of all tasks, and only JSON is printed."""
    main(f"train --env Counting --run {tmp_path / 'run'} {SMALL} --json".split())
    result = json.loads(capsys.readouterr().out)
    assert_whole(tmp_path / "run", result)
    assert set(result["evaluation"]) == {UNIFORM}
    assert "curriculum" in result["files"]
    row = logs.read(tmp_path / "run" / "metrics.jsonl")[-1]
    assert set(row["evaluation"]) == {UNIFORM}
    policy = load_policy(tmp_path / "run")
    command = policy.card["scores"][UNIFORM]["command"]
    assert command == f"didact evaluate {tmp_path}/run/policy --env Counting --episodes 16"


def test_an_environment_of_one_task_and_the_table_at_the_end(tmp_path, capsys):
    """It is its own evaluation task, and there is no curriculum to draw."""
    run = tmp_path / "run"
    main(f"train --env Point --teacher uniform --run {run} {SMALL}".split())
    out = capsys.readouterr().out
    assert "512 steps" in out
    assert "Point" in out
    assert f"{run / 'video.gif'}\n" in out
    assert f"tensorboard --logdir {run}" in out.replace("\n", "")
    assert not (run / "curriculum.png").exists()
    assert list(load_policy(run).card["scores"]) == ["Point"]


@pytest.mark.slow
def test_several_seeds(tmp_path):
    result = train(
        env="Point",
        teacher="uniform",
        steps=1024,
        num_envs=16,
        rollout_length=4,
        num_seeds=2,
        seed=3,
        ppo=TINY,
        evaluation_episodes=8,
        run=tmp_path / "run",
    )
    run = tmp_path / "run"
    assert_whole(run, result)
    reported = result["evaluation"]["Point"]["sampled"]
    assert len(reported["success_by_seed"]) == 2
    assert reported["success"] == pytest.approx(np.mean(reported["success_by_seed"]))
    low, high = reported["interval"]
    assert [low, high] == pytest.approx(np.clip(t_interval(reported["success_by_seed"]), 0, 1))
    policies = [load_policy(run / name) for name in ("policy", "policy-seed-4")]
    assert [p.card["training"]["seed"] for p in policies] == [3, 4]
    for i, policy in enumerate(policies):
        assert policy.card["scores"]["Point"]["sampled"] == reported["success_by_seed"][i]
    one, two = (np.asarray(p.params["params"]["trunk"]["body"]["kernel"]) for p in policies)
    assert not np.array_equal(one, two)
    row = logs.read(run / "metrics.jsonl")[-1]
    assert len(row["success_by_seed"]) == 2
    assert row["success"] == pytest.approx(np.mean(row["success_by_seed"]))


def test_rows_without_finished_episodes():
    """Means over nothing are left out, with one seed and with several."""
    metrics = {
        "episodes": np.array([[0.0, 0.0], [2.0, 1.0]]),
        "return_sum": np.array([[0.0, 0.0], [3.0, 3.0]]),
        "success_sum": np.array([[0.0, 0.0], [1.0, 1.0]]),
        "length_sum": np.array([[0.0, 0.0], [6.0, 6.0]]),
        "loss": np.array([[1.0, 2.0], [3.0, 4.0]]),
    }
    row = logs.chunk_row(dict(metrics))
    assert row["episodes"] == 3
    assert row["return"] is None
    assert row["learning"] == {"loss": 2.5}
    assert logs.chunk_row({k: v[0] for k, v in metrics.items()})["success"] is None
    second = logs.chunk_row({k: v[1] for k, v in metrics.items()})
    assert (second["return"], second["length"]) == (2.0, 4.0)
    assert second["success"] == pytest.approx(2 / 3)


def test_rows_of_teachers_with_several_students():
    """The regret is a mean over levels, not over updates, most of which may finish none."""
    names = ("episodes", "return_sum", "success_sum", "length_sum")
    metrics = {name: np.array([4.0, 0.0]) for name in names}
    metrics |= {"levels": np.array([4.0, 0.0]), "regret_sum": np.array([2.0, 0.0])}
    assert logs.chunk_row(dict(metrics))["learning"] == {"levels": 4, "regret": 0.5}
    seeds = {name: np.stack([x, x[::-1] / 2]) for name, x in metrics.items()}
    assert logs.chunk_row(seeds)["learning"] == {"levels": 6, "regret": 0.5}
    none = metrics | {"levels": np.zeros(2), "regret_sum": np.zeros(2)}
    assert logs.chunk_row(none)["learning"] == {"levels": 0, "regret": None}


def test_curves_of_runs_where_episodes_end_late(tmp_path):
    """Rows without a mean stand among rows with one for each seed."""
    from types import SimpleNamespace

    from didact.experiments.runs import report

    rows = [{"updates": i, "steps": 10 * i, "success": None if i < 3 else 0.5} for i in range(1, 6)]
    for row in rows[2:]:
        row["success_by_seed"] = [0.25, 0.75]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    training = SimpleNamespace(
        run=tmp_path,
        evaluation_tasks={},
        config=SimpleNamespace(env="somewhere"),
        environment=SimpleNamespace(task_space=fakes.SPACE),
    )
    assert "learning curve" in report.pictures(training)


def test_logs_go_on(tmp_path):
    """Rows beyond the checkpoint are dropped, and so is a line that was cut off."""
    log = logs.Log(tmp_path, 0)
    for updates in (2, 4, 6):
        row = {"updates": updates, "steps": 10 * updates, "seconds": updates / 2}
        log.write(row | {"a": {"b": 1}})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"updates": 8, "st')
    log = logs.Log(tmp_path, 4)
    assert log.seconds == 2.0
    log.write({"updates": 6, "steps": 60, "seconds": 3.5})
    assert [row["updates"] for row in logs.read(tmp_path / "metrics.jsonl")] == [2, 4, 6]


def test_the_row_of_the_checkpoint_is_lost(tmp_path):
    """Its evaluation belongs to no other row."""
    log = logs.Log(tmp_path, 0)
    assert not log.lost
    assert not log.unevaluated
    log.write({"updates": 98, "steps": 980, "seconds": 1.0})
    log = logs.Log(tmp_path, 98)
    assert not log.lost
    assert log.unevaluated
    log = logs.Log(tmp_path, 100)
    assert log.lost
    assert not log.unevaluated


@pytest.mark.slow
def test_go_to_local_is_learned_in_a_minute(tmp_path):
    """BabyAI's GoToLocal: 98 % within 2.5 million steps, about a minute on two cores."""
    result = train(
        env="BabyAI-GoToLocal-v0", steps=2_500_000, run=tmp_path / "run", evaluate_every=0.2
    )
    assert result["evaluation"]["BabyAI-GoToLocal-v0"]["sampled"]["success"] >= 0.98
