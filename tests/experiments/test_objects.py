"""Settings in Python: objects in place of names, dictionaries, and names that do not exist."""

import dataclasses
import json

import fakes
import jax.numpy as jnp
import numpy as np
import pytest

import didact
from didact.environments import Environment, SettingError
from didact.experiments import train
from didact.experiments.config import TrainConfig, checked, from_dict, to_dict
from didact.experiments.objects import ObjectConfig, Objects, label, objects_of, read
from didact.experiments.runs.reproduction import train_command
from didact.experiments.setup import loop_of, narrow_task_space, student_settings
from didact.students import experts, kickstart, load_policy, ppo
from didact.students.config import NetworkConfig, PPOConfig
from didact.teachers import uniform

TINY = PPOConfig(network=NetworkConfig(hidden=8, memory=0), num_minibatches=1)
SMALL = {"num_envs": 8, "rollout_length": 4, "evaluation_episodes": 2, "warm_up": 0.0}
SMALL |= {"evaluate_every": 0.5, "checkpoint_every": 0.5, "steps": 256}


class Blind(fakes.Counting):
    """It cannot be drawn."""

    name = "Blind"
    render = Environment.render


def trainee(environment):
    spaces = environment.observation_space, environment.action_space
    return ppo(*spaces, TINY, num_updates=8)


def pupil(environment):
    """A student that learns from a privileged expert."""
    lesson = kickstart(experts.privileged("solver", environment.action_space), 1.0)
    spaces = environment.observation_space, environment.action_space
    return ppo(*spaces, TINY, num_updates=8, auxiliary_losses=[lesson])


def dim_teacher(space):
    def picture(state):
        raise ValueError("no [/bold] picture")

    return uniform(space)._replace(picture=picture)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training of three objects, stopped by a callback in its middle."""
    import io

    from rich.console import Console

    run = tmp_path_factory.mktemp("objects") / "run"
    blind, rows, seen = Blind(), [], []

    class Recorder(didact.experiments.Callback):
        def on_start(self, run, config, steps):
            seen.append(("start", run, steps))

        def on_end(self, result):
            seen.append(("end", result))

    parts = {"env": blind, "teacher": dim_teacher(blind.task_space), "student": trainee(blind)}
    console = Console(file=io.StringIO(), width=60)
    callbacks = [Recorder(), lambda row: rows.append(row) or row["updates"] >= 4]
    result = train(**parts, **SMALL, run=run, console=console, callbacks=callbacks)
    return run, result, parts, rows, seen, console.file.getvalue()


def test_a_callback_ends_a_training(trained):
    """It is finished as after its last step: evaluated, with figures and a policy."""
    run, result, _, rows, seen, _ = trained
    assert result["finished"]
    assert (result["updates"], result["steps"]) == (4, 128)
    assert [row["updates"] for row in rows] == [2, 4]
    assert seen == [("start", run, 0), ("end", result)]
    assert result["evaluation"]["uniform sample of tasks"]["sampled"]["success"] is not None
    assert load_policy(run, trained[2]["student"]).card["training"]["steps"] == 128


def test_what_cannot_be_drawn_costs_a_line(trained):
    lines = trained[-1].splitlines()
    assert "No video: Blind does not implement render." in lines
    assert any(
        line.startswith("The picture of the curriculum could not be made: ValueError: no [/bold]")
        for line in lines
    )
    assert "video" not in trained[1]["files"]
    assert "learning curve" in trained[1]["files"]


def test_the_policy_of_a_student_object(trained):
    run, _, parts, *_ = trained
    with pytest.raises(SettingError, match=r"student in .* is '<Student object>', .* registered"):
        load_policy(run)
    policy = load_policy(run, student=parts["student"])
    assert policy.environment == "<Blind object>"
    assert "parameters)" in repr(policy)
    score = didact.evaluate(policy, parts["env"], episodes=3, tasks={"length": (1, 2)}, seed=1)
    assert score["environment"] == "Blind"
    assert score["episodes"] == 3
    assert 1 <= score["length"] <= 2
    with pytest.raises(SettingError, match=r"--env is '<Blind object>', .* only Python can pass"):
        didact.evaluate(policy)


def test_a_run_of_objects_is_resumed_with_the_same_objects(trained, refused):
    run, _, parts, *_ = trained
    config = json.loads((run / "config.json").read_text())
    labels = [config[part] for part in ("env", "teacher", "student")]
    assert labels == ["<Blind object>", "<Teacher object>", "<Student object>"]
    sentence = "resumed with the object that it was made with as env, <Blind object>"
    assert sentence in refused("train", "--resume", run)
    for part in parts:
        with pytest.raises(SettingError, match=f"made with as {part}, "):
            train(resume=run, **{k: v for k, v in parts.items() if k != part})
    with pytest.raises(SettingError, match=r"--env is '<Counting object>', but must be the object"):
        train(resume=run, **(parts | {"env": fakes.Counting()}))
    with pytest.raises(SettingError, match=r"--resume is .* without other settings"):
        train(resume=run, env="Counting")
    assert "--env is '<Blind object>'" in refused("train", "--config", run / "config.json")


@pytest.mark.slow
def test_an_exception_of_a_callback_is_raised_once_the_state_is_saved(trained):
    from didact.experiments.runs.checkpoints import Checkpoints

    run, _, parts, *_ = trained

    def fail(row):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        train(resume=run, **parts, callbacks=[fail])
    assert Checkpoints(run / "checkpoints").saved()[-1] == 6
    result = train(resume=run, **parts)
    assert (result["finished"], result["updates"]) == (True, 8)


def test_objects_that_do_not_fit(tmp_path):
    blind, other = Blind(), didact.make("ToyGrid")
    for settings, sentence in (
        ({"env": Blind}, "--env is .*, but must be a registered name, or an object of the class E"),
        ({"teacher": uniform}, "--teacher is .* an object of the class Teacher"),
        ({"student": 3}, "--student is 3, .* an object of the class Student"),
        ({"env": blind, "env_settings": ["a=1"]}, "--env-settings is .* omitted with a Env"),
        ({"teacher": uniform(other.task_space)}, r"--teacher is .* tasks of 3 numbers \(it has 2"),
        ({"student": trainee(blind), "hindsight": 0.1}, "--hindsight is 0.1, .* 0 with --student"),
        ({"student": trainee(blind), "experts": ["solver"]}, "--experts"),
        ({"student": pupil(blind)}, "--student is .* that acts without the observation 'solver'"),
    ):
        with pytest.raises(SettingError, match=sentence):
            train(**({"env": blind} | SMALL | {"num_envs": 32} | settings), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    for wrong in (3, Objects, "TensorBoard"):
        with pytest.raises(SettingError, match="callbacks is "):
            train(env=blind, **SMALL, run=tmp_path / "run", callbacks=[wrong])


def test_a_teacher_object_has_a_warm_up_like_a_named_one():
    from didact.experiments.setup import teacher_of

    blind = Blind()
    config = read({"env": blind, "teacher": uniform(blind.task_space)})
    state = teacher_of(config, blind).init(didact.environments.base.jax.random.key(0))
    assert type(state).__name__ == "WarmStartedState"


def test_settings_as_dictionaries():
    config = read(
        {
            "tasks": {"rows": (1, 2), "distractors": 5, "open_doors": np.float32(0.5)},
            "env_settings": {"phrasing": "train", "done_action": True, "odd": "1", "none": None},
            "teacher_settings": {"window": None, "return_range": [0, 2.5], "outcome": "success"},
            "ppo": {"learning_rate": 1e-3, "network": {"hidden": 64}},
            "kickstart": {"weight": 2},
            "run": "here",
        }
    )
    usual = TrainConfig()
    assert config.tasks == ("rows=1..2", "distractors=5", "open_doors=0.5")
    assert config.env_settings == ("phrasing=train", "done_action=true", 'odd="1"', "none=null")
    assert config.teacher_settings == ("window=null", "return_range=[0, 2.5]", "outcome=success")
    assert config.ppo == dataclasses.replace(
        usual.ppo, learning_rate=1e-3, network=dataclasses.replace(usual.ppo.network, hidden=64)
    )
    assert config.kickstart.weight == 2.0
    assert from_dict(to_dict(config)) == dataclasses.replace(config, run=None)
    space = didact.make("GoTo").task_space
    narrowed = narrow_task_space(space, config.tasks)
    assert narrowed == space.restricted(rows=(1, 2), distractors=5, open_doors=0.5)
    assert read({"steps": 7}, config) == dataclasses.replace(config, steps=7)
    assert read({"student": "sac"}).num_envs == 16
    nested = read({"student_settings": {"network": {"hidden": 3}}})
    assert nested.student_settings == ("network.hidden=3",)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"stepz": 5}, "setting is 'stepz', but must be a known name, such as steps"),
        ({"ppo": {"clipp": 1}}, "setting is 'ppo.clipp', .* such as ppo.clip"),
        ({"ppo": {"clip": 0}}, "--ppo.clip is 0, but must be a number above 0"),
        ({"ppo": 3}, "--ppo is 3, but must be a"),
        ({"steps": 0}, "--steps is 0, but must be a whole number from 1 to"),
        ({"tasks": {"rows": "few", "columns": {}}}, None),
        ({"tasks": {"rows": (1, 2, 3)}}, r"--tasks rows is \(1, 2, 3\), but must be a number or"),
        ({"tasks": {"rows": None}}, "--tasks rows is None, but must be a number or a pair"),
        ({"tasks": 3}, "--tasks is 3, but must be a list"),
        ({"teacher_settings": {"fit_rate": print}}, "--teacher-settings fit_rate is <built-in"),
    ],
)
def test_settings_that_are_refused(settings, sentence):
    if sentence is None:
        with pytest.raises(SettingError, match="--tasks rows is 'few'"):
            narrow_task_space(didact.make("GoTo").task_space, read(settings).tasks)
        return
    with pytest.raises(SettingError, match=sentence):
        read(settings)


def test_objects_stay_with_their_settings():
    blind = Blind()
    config = checked(read({"env": blind, "steps": 9}))
    assert isinstance(config, ObjectConfig)
    assert objects_of(config).env is blind
    assert objects_of(dataclasses.replace(config, seed=3)).env is blind
    assert config.env == label(blind) == "<Blind object>"
    assert "objects" not in to_dict(config)
    assert train_command(config) == "didact.train in Python, with objects as env"
    assert student_settings(config) == config.ppo
    assert loop_of(read(SMALL | {"ppo": TINY}, config), blind, [jnp.zeros(1).device])


def test_the_names_of_the_package():
    names = {"train", "evaluate", "make", "load_policy", "environments", "students"}
    assert names <= set(dir(didact))
    assert {"ppo", "register", "Student"} <= set(dir(didact.students))
    assert didact.train is train
    with pytest.raises(AttributeError, match="no attribute 'trane'"):
        didact.trane  # noqa: B018


def test_reprs_of_task_spaces():
    space = fakes.SPACE.restricted(ending=1)
    assert repr(space) == "Box(length=1..7, ending=1, serial=0..1000000)"
    assert "open_doors=0.0..1.0" in repr(didact.make("GoTo").task_space)
    assert repr(didact.make("Maze").task_space).startswith("Levels(13 x 13, Blocks(fewest=0")
    assert len(repr(didact.make("Maze-Labyrinth").task_space)) < 100
