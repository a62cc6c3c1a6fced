"""The command line: what it says, and what it refuses."""

import errno
import json
import os

import pytest

from didact.environments import SettingError
from didact.experiments.cli import main
from didact.experiments.evaluation import watch

TINY = ["--num-envs", "16", "--rollout-length", "4", "--steps", "128", "--ppo.num-minibatches", "2"]


def contents(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--env GoToo", ("--env is 'GoToo'", "GoTo")),
        ("--env ../etc", ("--env is '../etc'",)),
        ("--teacher alp", ("--teacher is 'alp'", "alp_gmm")),
        ("--student dqn", ("--student is 'dqn'", "ppo")),
        ("--steps 0", ("--steps is 0", "from 1 to")),
        ("--steps -5", ("--steps is -5", "from 1 to")),
        ("--seed -1", ("--seed is -1", "from 0 to")),
        ("--seed 2147483647 --num-seeds 2", ("--seed", "2147483648")),
        ("--num-seeds 0", ("--num-seeds is 0", "from 1 to")),
        ("--num-envs 1000", ("--num-envs is 1000", "multiple of 16")),
        ("--num-envs 0", ("--num-envs is 0", "from 1 to")),
        ("--rollout-length 0", ("--rollout-length is 0",)),
        ("--chunk 0", ("--chunk is 0",)),
        ("--evaluate-every 0", ("--evaluate-every is 0.0", "above 0")),
        ("--checkpoint-every 1.5", ("--checkpoint-every is 1.5", "at most 1")),
        ("--checkpoint-every nan", ("--checkpoint-every is nan",)),
        ("--evaluation-episodes 0", ("--evaluation-episodes is 0",)),
        ("--warm-up 2", ("--warm-up is 2.0", "from 0 to 1")),
        ("--evaluate-on GoToLocal", ("--evaluate-on is 'GoToLocal'", "BabyAI-GoToLocal-v0")),
        ("--evaluate-on ToyGrid", ("--evaluate-on is 'ToyGrid'", "task space of MiniSynth")),
        ("--tasks roomsize=8", ("--tasks is 'roomsize'", "room_size")),
        ("--env GoTo --tasks room_size=99", ("--tasks room_size is 99", "from 4 to")),
        ("--tasks room_size=8..5", ("--tasks room_size is '8..5'", "LOW at most HIGH")),
        ("--tasks room_size=5..3", ("--tasks room_size is '5..3'", "LOW at most HIGH")),
        ("--tasks room_size=5.5", ("--tasks room_size is 5.5", "a whole number")),
        ("--tasks room_size=big", ("--tasks room_size is 'big'", "LOW..HIGH")),
        ("--tasks room_size", ("--tasks is 'room_size'", "NAME=VALUE")),
        ("--env-settings mode=3", ("--env-settings is 'mode'", "phrasing")),
        ("--env-settings phrasing=loud", ("--env-settings phrasing is 'loud'", "validation")),
        ("--env-settings done_action=7", ("--env-settings done_action is '7'", "true or false")),
        ("--env Counting --env-settings a=1", ("--env-settings is 'a'", "step_limit")),
        (
            "--teacher alp_gmm --teacher-settings rate=3",
            ("--teacher-settings is 'rate'", "fit_rate"),
        ),
        (
            "--teacher alp_gmm --teacher-settings fit_rate=0",
            ("--teacher-settings fit_rate is 0", "more than"),
        ),
        (
            "--teacher alp_gmm --teacher-settings fit_rate=lots",
            ("--teacher-settings fit_rate is 'lots'", "whole"),
        ),
        (
            "--teacher alp_gmm --teacher-settings fit_rate=250.5",
            ("--teacher-settings fit_rate is '250.5'", "whole"),
        ),
        (
            "--teacher alp_gmm --teacher-settings outcome=fun",
            ("--teacher-settings outcome is 'fun'", "success"),
        ),
        (
            "--teacher alp_gmm --teacher-settings window=[1]",
            ("--teacher-settings window is '[1]'",),
        ),
        ("--teacher uniform --teacher-settings a=1", ("--teacher-settings is 'a'", "no settings")),
        ("--ppo.discount 2", ("--ppo.discount is 2.0", "from 0 to 1")),
        ("--ppo.num-minibatches 0", ("--ppo.num-minibatches is 0",)),
        ("--import nowhere.py", ("--import is 'nowhere.py'", "a .py file that exists")),
        ("--import nowhere_at_all", ("--import is 'nowhere_at_all'", "a module that is installed")),
        ("--config nowhere.yaml", ("--config is 'nowhere.yaml'", "a readable file (No such file")),
        ("--num-envs 999999999", ("--num-envs is 999999999", "from 1 to 16,777,216")),
        (f"--steps 1{'0' * 30}", ("--steps is 1000000000", "from 1 to")),
        ("--student-settings a=1", ("--student-settings is", "omitted with --student ppo")),
        ("--ppo.network.hidden 0", ("--ppo.network.hidden is 0", "from 1 to")),
    ],
)
def test_bad_settings_of_a_training(arguments, words, refused, here):
    message = refused("train", *arguments.split())
    for word in words:
        assert word in message
    assert contents(here) == []  # nothing was written


def test_without_a_command_there_is_help(capsys):
    with pytest.raises(SystemExit) as exit:
        main([])
    assert exit.value.code == 0
    assert "usage: didact" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "near"), [("trian", "train"), ("benchmark sca", "sac")])
def test_unknown_commands_name_the_nearest(arguments, near, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments.split())
    assert exit.value.code == 2
    assert f"such as {near}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "train --stepz 5",
        "train --steps many",
        "train --steps 1e-6",
        "list cats",
        "evaluate",
        "benchmark",
    ],
)
def test_what_cannot_be_read_is_refused(arguments, here, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments.split())
    out, err = capsys.readouterr()
    assert exit.value.code == 2
    assert out == ""
    assert "Traceback" not in err
    assert contents(here) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "--env is None, but must be given with the policy random"),
        ("--env GoTo --official", "must be a trained policy with --official"),
        ("--engine envpool", "must be a trained policy with --engine envpool"),
    ],
)
def test_what_random_actions_need(arguments, words, refused, here):
    assert words in refused("evaluate", "random", *arguments.split())


def test_settings_of_an_environment_are_taken(here):
    from didact.environments.language.paraphrases import max_paraphrase_length
    from didact.experiments import setup
    from didact.experiments.config import TrainConfig

    texts = ("phrasing=train", "mission_length=5", "done_action=true")
    world = setup.environment_of(TrainConfig(env="GoTo", env_settings=texts))
    assert world.phrasing == "train"
    assert world.observation_space["instruction"].shape == (max_paraphrase_length(5),)
    assert setup.environment_of(TrainConfig(env="GoTo")).phrasing is None


def test_settings_of_mazes_are_taken(here, capsys):
    """Those that makers of mazes pass on, and numbers that may also be pairs."""
    from didact.experiments import setup

    texts = ("size=9", "max_walls=12", "max_steps=100", "view_size=5", "packed=true")
    maze = setup.make_environment("Maze", texts)
    assert (maze.width, maze.height, maze.max_steps) == (11, 11, 100)
    assert maze.observation_space["image"].shape == (5, 5)
    assert setup.make_environment("Maze", ("size=[5, 9]",)).task_space.shape == (5, 9)
    labyrinth = setup.make_environment(
        "Maze-Labyrinth", ("max_steps=450", "text=true", "text_length=90")
    )
    assert labyrinth.max_steps == 450
    assert labyrinth.observation_space["text"].shape == (90,)
    with pytest.raises(SettingError, match=r"--env-settings view_size is 6, .* 5 or 7"):
        setup.make_environment("Maze-Labyrinth", ("view_size=6",))
    with pytest.raises(SettingError, match="--env-settings size is '9x9'"):
        setup.make_environment("Maze", ("size=9x9",))
    with pytest.raises(
        SettingError, match=r"'easy_space', .* one of size, max_walls, draws, packed"
    ):
        setup.make_environment("Maze", ("easy_space=null",))
    arguments = "evaluate random --env Maze --episodes 2 --env-settings max_steps=3 --json"
    main(arguments.split())
    assert json.loads(capsys.readouterr().out)["length"] <= 3


def test_settings_of_a_teacher_are_taken(here, monkeypatch):
    """Numbers, words, lists and nulls reach the teacher as what they are."""
    from didact.experiments import setup
    from didact.experiments.config import TrainConfig

    seen = {}

    def made(name, space, **settings):
        seen.update(settings)
        return setup.teachers.uniform(space)

    monkeypatch.setattr(setup.teachers, "make", made)
    texts = ("fit_rate=500", "window=null", "outcome=success", "return_range=[0, 2.5]")
    config = TrainConfig(teacher="alp_gmm", teacher_settings=(*texts, "random-fraction=0.5"))
    setup.teacher_of(config, setup.environment_of(config))
    assert seen == {
        "fit_rate": 500,
        "window": None,
        "outcome": "success",
        "return_range": (0.0, 2.5),
        "random_fraction": 0.5,
    }


@pytest.mark.parametrize(
    ("tasks", "easy"),
    [
        ((), {"rows": (1, 1), "room_size": (4, 8)}),
        (("room_size=6..8",), {"rows": (1, 1), "room_size": (6, 8)}),
        (("rows=1..2", "distractors=2..17"), {"rows": (1, 1), "distractors": (2, 17)}),
        (("rows=2..3",), None),  # none of these tasks is easy
        (("rows=1", "columns=1"), None),  # all of them are
    ],
)
def test_the_warm_up_is_in_the_easy_tasks_that_are_left(tasks, easy):
    import jax
    import numpy as np

    from didact.experiments import setup
    from didact.experiments.config import TrainConfig
    from didact.teachers import propose
    from didact.teachers.combinators import WarmStartedState

    config = TrainConfig(env="GoTo", teacher="alp_gmm", tasks=tasks)
    environment = setup.environment_of(config)
    space = setup.space_of(config, environment)
    teacher = setup.teacher_of(config, environment)
    state = teacher.init(jax.random.key(0))
    assert isinstance(state, WarmStartedState) == (easy is not None)
    proposed = np.asarray(propose(teacher, state, jax.random.key(1), 500)[0].tasks)
    assert space.contains(proposed).all()
    for name, (low, high) in (easy or {}).items():
        column = proposed[:, space.column(name)]
        assert (column.min(), column.max()) == (low, high)


def test_folders_that_are_no_place_for_a_run(here, refused):
    (here / "file").write_text("mine")
    (here / "full").mkdir()
    (here / "full" / "thesis.tex").write_text("mine")
    (here / "other").mkdir()
    (here / "other" / "config.json").write_text("{}")
    before = contents(here)
    for folder, words in {
        "file": "a new or empty folder",
        "file/below": "a folder that can be written to",
        "full": "a new or empty folder",
        "other": "--resume other resumes it",
        "/proc/run": "a folder that can be written to",
    }.items():
        message = refused("train", *TINY, "--run", folder)
        assert f"--run is '{folder}'" in message
        assert words in message
    assert contents(here) == before
    assert (here / "full" / "thesis.tex").read_text() == "mine"


def test_a_folder_without_permission(here, refused, monkeypatch):
    """The superuser may write anywhere, so the refusal is played."""
    from didact.common import files

    def forbidden(self, *arguments, **more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(files.Path, "touch", forbidden)
    message = refused("train", *TINY, "--run", "new")
    assert "a folder that can be written to (Permission denied)" in message


def test_resuming_what_is_no_run(here, refused):
    (here / "empty").mkdir()
    (here / "file").write_text("")
    for folder in ("missing", "empty", "file", "file/below"):
        message = refused("train", "--resume", folder)
        assert f"--resume is '{folder}', but must be a run folder" in message
    assert contents(here) == ["empty", "file"]


def test_a_full_disk_at_the_very_start(here, refused, monkeypatch):
    from didact.experiments.runs import folder

    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder, "write_new", full)
    message = refused("train", *TINY, "--run", "new")
    assert "No space left on device; no checkpoint was saved" in message


@pytest.mark.parametrize("command", ["evaluate", "watch"])
def test_policies_that_are_none(command, here, refused):
    (here / "card").mkdir()
    (here / "card" / "policy.json").write_text("{}")
    assert "policy is 'missing'" in refused(command, "missing")
    assert "format in card/policy.json is None" in refused(command, "card")
    for episodes in (0, -3):
        message = refused(command, "missing", "--episodes", episodes)
        assert f"--episodes is {episodes}, but must be a whole number from 1 to" in message
    for seed in (-1, 2**31):
        assert f"--seed is {seed}" in refused(command, "missing", "--seed", seed)
    assert contents(here) == ["card", "card/policy.json"]


def test_the_file_of_a_video_is_checked_before_it_is_recorded(here, refused, monkeypatch):
    monkeypatch.setattr(watch, "record", lambda *given, **more: pytest.fail("recorded"))
    for name in ("a.exe", "a", "a.png"):
        message = refused("watch", "goto-local", "--out", name)
        assert f"--out is '{name}', but must be a file called *.gif or *.mp4" in message


@pytest.mark.parametrize(
    ("options", "water"),
    [
        ("", (0.9, 1)),
        ("--tasks water_level=0.2", (0.2, 0.2)),
        ("--env-settings body=fish", (0, 1)),
    ],
)
def test_a_policy_is_watched_on_the_tasks_of_its_training(options, water, here, monkeypatch):
    spaces = []
    monkeypatch.setattr(watch, "record", lambda *given, space, **more: spaces.append(space))
    main(["watch", "swimmer", *options.split()])
    level = spaces[0].dimensions[spaces[0].column("water_level")]
    assert (level.low, level.high) == pytest.approx(water)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--teachers alp_gmm", ("--teachers",)),
        ("--teachers alp_gmm nobody", ("nobody",)),
        ("--teachers uniform uniform", ("--teachers",)),
        ("--seeds 1", ("--seeds is 1", "from 2 to")),
        ("--num-evaluations 0", ("--num-evaluations is 0", "from 1 to")),
        ("--test-tasks 0", ("--test-tasks is 0",)),
        ("--steps 0", ("--steps is 0",)),
        ("--env Nowhere", ("--env is 'Nowhere'",)),
        ("--num-envs 7", ("--num-envs is 7",)),
        ("--out /proc/curves", ("--out is '/proc/curves'", "can be written")),
    ],
)
def test_bad_settings_of_the_comparison(arguments, words, here, refused):
    """Told before the first teacher has trained, not after."""
    message = refused("benchmark", "curriculum", *arguments.split())
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "command",
    [
        "",
        "train",
        "evaluate",
        "watch",
        "play",
        "list",
        "benchmark",
        "benchmark throughput",
        "policies",
        "policies export",
        "policies pull",
        "benchmark curriculum",
    ],
)
def test_help_pages(command, capsys):
    with pytest.raises(SystemExit) as exit:
        main([*command.split(), "--help"])
    out, _ = capsys.readouterr()
    assert exit.value.code == 0
    assert len(out.splitlines()) > 5
    words = command.split()
    assert f"usage: didact {' '.join(words)}".strip() in " ".join(out.split())


def printed(capsys, *arguments):
    capsys.readouterr()
    main(list(arguments))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("envs", "GoTo"),
        ("teachers", "alp_gmm"),
        ("students", "ppo"),
        ("proposers", "scripted"),
        ("benchmarks", "curriculum"),
    ],
)
def test_list(what, name, capsys):
    rows = json.loads(printed(capsys, "list", what, "--json"))
    assert name in [row["name"] for row in rows]
    assert all(row["description"] for row in rows)
    assert name in printed(capsys, "list", what)
    if what == "envs":
        schema = next(row["task_schema"] for row in rows if row["name"] == "GoTo")
        assert "room_size" in schema["properties"]


def test_no_policies(here, capsys, monkeypatch):
    from didact.students.policies import lookup

    monkeypatch.setattr(lookup, "SHIPPED", here / "none")
    monkeypatch.setenv("DIDACT_POLICIES", str(here / "none"))
    assert json.loads(printed(capsys, "list", "policies", "--json")) == []
    assert "didact train" in printed(capsys, "list", "policies")
