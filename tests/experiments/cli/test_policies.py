"""Policies on the command line: by name, in files, with what made them."""

import json
import shlex

import jax
import pytest
import tyro

from didact.environments import make
from didact.experiments.cli import main
from didact.experiments.cli.train import Options
from didact.experiments.config import TrainConfig
from didact.experiments.runs import policy_files
from didact.experiments.runs.reproduction import score_command, train_command
from didact.students import NetworkConfig, Policy, PPOConfig, card, save_policy
from didact.students.policies import lookup

TINY = NetworkConfig(
    cell_embedding=4,
    cell_features=3,
    token_embedding=4,
    instruction_features=6,
    hidden=8,
    memory=5,
)
SCORES = {"Counting": {"sampled": 0.25, "greedy": 0.5, "command": "didact evaluate counter"}}


def save(folder, environment, **more):
    world = make(environment)
    told = card(environment, world.observation_space, world.action_space, TINY, **more)
    blank = Policy(told, None)
    params = jax.device_get(jax.jit(blank.student.init)(jax.random.key(0)).params)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return save_policy(folder, told, params)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder; didact brings along `counter` alone, and the user has `goer`."""
    monkeypatch.setattr(lookup, "SHIPPED", tmp_path / "pretrained")
    monkeypatch.setenv("DIDACT_POLICIES", str(tmp_path / "home"))
    about = {"name": "counter", "description": "Counts", "made_by": "didact train --env Counting"}
    save(tmp_path / "pretrained" / "counter", "Counting", scores=SCORES, **about)
    save(tmp_path / "home" / "goer", "GoTo")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def told(capsys, *arguments):
    capsys.readouterr()
    main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def test_evaluate_and_watch_by_name(here, capsys):
    row = json.loads(told(capsys, "evaluate", "counter", "--episodes", 8, "--json"))
    assert (row["policy"], row["environment"], row["episodes"]) == ("counter", "Counting", 8)
    out = told(capsys, "watch", "counter", "--episodes", 1)
    assert out == "counter.gif\n"
    assert (here / "counter.gif").read_bytes()[:3] == b"GIF"
    assert [path.name for path in (lookup.SHIPPED / "counter").iterdir() if path.suffix] == [
        "policy.json"
    ]


@pytest.mark.parametrize("command", ["evaluate", "watch"])
def test_another_environment_is_told_in_one_sentence(command, here, refused):
    message = refused(command, "goer", "--env", "Counting")
    assert "must be some that include observation 'image', as in training" in message
    message = refused(command, "counter", "--env", "ToyGrid")
    assert "observation 'numbers'" in message
    assert "must be a known name, such as counter" in refused(command, "conter")


def test_the_same_observations_but_other_actions(here, refused):
    save(here / "policy", "Counting")
    path = here / "policy" / "policy.json"
    values = json.loads(path.read_text())
    values["action_space"]["names"] = ["a", "b", "c", "z"]
    path.write_text(json.dumps(values))
    message = refused("evaluate", "policy")
    assert "actions is ['a', 'b', 'c', 'd'], but must be those of training: a, b, c, z" in message


def test_list(here, capsys):
    save(here / "runs" / "mine" / "policy", "Counting", description="[/] of \x1b[31mmine")
    rows = json.loads(told(capsys, "list", "policies", "--json"))
    assert [row["name"] for row in rows] == ["counter", "goer", "runs/mine/policy"]
    assert rows[0]["card"]["scores"] == SCORES
    assert rows[0]["card"]["made_by"] == "didact train --env Counting"
    out = told(capsys, "list", "policies")
    assert "Counts; success: Counting 25.0%" in " ".join(out.split())
    assert "[/] of  [31mmine" in out  # said, not obeyed


def test_export_and_import(here, capsys, refused):
    assert told(capsys, "policies", "export", "counter", "it.zip") == "it.zip\n"
    assert "--name is 'counter'" in refused("policies", "import", "it.zip")  # didact has it
    row = json.loads(told(capsys, "policies", "import", "it.zip", "--name", "mine", "--json"))
    assert row == {"name": "mine", "folder": str(here.parent / "home" / "mine")}
    assert "25.0%" in told(capsys, "list", "policies")
    message = refused("policies", "import", "it.zip", "--name", "mine")
    assert "--name is 'mine', but must be a new name (use --replace" in message
    told(capsys, "policies", "import", "it.zip", "--name", "mine", "--replace")
    assert json.loads(told(capsys, "evaluate", "mine", "--episodes", 4, "--json"))["episodes"] == 4
    assert "file is 'it.zip'" in refused("policies", "export", "mine", "it.zip")


def test_the_hub_is_an_extra(here, refused, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for arguments in (("push", "counter", "me/counter"), ("pull", "me/counter")):
        assert "pip install -e '.[hub]'" in refused("policies", *arguments)


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(env="BabyAI-GoToLocal-v0", teacher="uniform", steps=2_000_000, warm_up=0.0),
        TrainConfig(
            tasks=("rows=1", "distractors=2..5"),
            env_settings=("phrasing=train",),
            teacher_settings=("return_range=[0, 2.5]",),
            evaluate_on=("BabyAI-GoToLocal-v0",),
            ppo=PPOConfig(learning_rate=1e-3, network=NetworkConfig(hidden=64)),
        ),
    ],
)
def test_the_command_of_a_training_makes_the_same_settings(config):
    words = shlex.split(train_command(config))
    assert words[:2] == ["didact", "train"]
    read = tyro.cli(Options, args=words[2:])
    assert {f: getattr(read, f) for f in ("env", "teacher", "steps", "warm_up")} == {
        f: getattr(config, f) for f in ("env", "teacher", "steps", "warm_up")
    }
    for name in ("tasks", "env_settings", "teacher_settings", "evaluate_on"):
        assert getattr(read, name) == getattr(config, name)
    assert read.ppo.learning_rate == config.ppo.learning_rate
    assert read.ppo.network.hidden == config.ppo.network.hidden


def test_the_command_of_a_score():
    assert score_command("runs/a b/policy", "GoTo", ("phrasing=test",), 512) == (
        "didact evaluate 'runs/a b/policy' --env GoTo --episodes 512 --env-settings phrasing=test"
    )


def test_scores_of_named_tasks_can_be_measured_again(tmp_path):
    """Evaluation tasks that are no environments of their own are given by their parameters."""
    config = TrainConfig(env="StumpTracks", teacher="uniform")
    environment = make("StumpTracks")
    rates = {name: {"sampled": {"success": 0.5}} for name in environment.evaluation_tasks}
    card = policy_files.card_of(config, environment, tmp_path, 0, 0, rates)
    command = card["scores"]["low"]["command"]
    assert "--env StumpTracks" in command
    assert command.endswith("--tasks stump_height=0.2 obstacle_spacing=5")
