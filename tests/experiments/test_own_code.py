"""Environments, teachers and students of a user's own, from a file outside the package."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from didact.environments import SettingError
from didact.experiments import train
from didact.experiments.cli import main
from didact.experiments.config import read_run
from didact.students import load_policy
from didact.students import register as register_student
from didact.students.registry import STUDENTS
from didact.teachers.registry import TEACHERS

pytestmark = pytest.mark.slow

FILE = Path(__file__).parent / "support" / "own.py"
OWN = {
    "--env-settings": ["pay=2"],
    "--teacher-settings": ["share=0.4"],
    "--student-settings": ["pace=0.003", "width=48"],
}
LOOP = (
    "--num-envs 64 --rollout-length 4 --steps 40000 --warm-up 0 --chunk 5 --no-pictures --no-video"
)
WORDS = ["--env", "Signs", "--teacher", "part", *LOOP.split()]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What is registered here is forgotten afterwards, as by a new process."""
    from didact.environments.registry import ENVIRONMENTS

    for registry in (ENVIRONMENTS, TEACHERS, STUDENTS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in list(sys.modules):
        if name.startswith("didact_import_"):
            del sys.modules[name]


def as_in_a_new_process():
    from didact.environments.registry import ENVIRONMENTS

    for registry, name in ((ENVIRONMENTS, "Signs"), (TEACHERS, "part"), (STUDENTS, "shy")):
        registry._entries.pop(name, None)
    for name in list(sys.modules):
        if name.startswith("didact_import_"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="module")
def run(folder, finished):
    """Trained on the command line, by a relative path of the file."""
    shutil.copy(FILE, folder / "my.py")
    words = ["train", "--import", "my.py", *WORDS, "--student", "shy"]
    for name, texts in OWN.items():
        words += [name, *texts]
    words += ["--run", "run", "--json"]
    code, out, err = finished(*words, folder=folder, code=MAIN)
    assert code == 0, err
    assert json.loads(out)["finished"]
    return folder / "run"


MAIN = "from didact.__main__ import main; main()"  # without the environments of `fakes`


def printed(capsys, *words):
    capsys.readouterr()
    main([str(word) for word in words])
    return capsys.readouterr().out


def test_the_settings_reach_all_three(run, capsys):
    """It has learned the lower part of the signs, and is paid twice for each."""
    config = read_run(run / "config.json", run)
    assert config.imports == (str(run.parent / "my.py"),)
    assert config.student_settings == ("pace=0.003", "width=48")
    code = ["--import", run.parent / "my.py"]
    words = ["evaluate", run, *code, "--json", "--greedy", "--episodes", 64]
    for sign in (0, 1):
        row = json.loads(printed(capsys, *words, "--tasks", f"sign={sign}"))
        assert (row["success"], row["return"], row["length"]) == (1, 2, 1)
    # The other part it never saw.
    assert json.loads(printed(capsys, *words, "--tasks", "sign=3"))["success"] < 1
    card = load_policy(run).card
    assert card["student"] == {"name": "shy", "settings": ["pace=0.003", "width=48"]}
    assert "network" not in card
    assert load_policy(run).params["params"]  # of width 48:
    sizes = {size for x in leaves(load_policy(run).params) for size in x.shape}
    assert 48 in sizes
    assert 16 not in sizes


def leaves(tree):
    import jax

    return jax.tree.leaves(tree)


def test_a_card_names_the_code_and_no_folder_of_the_user(run):
    text = (run / "policy" / "policy.json").read_text()
    assert json.loads(text)["imports"] == ["my.py"]
    assert "--import my.py" in json.loads(text)["made_by"]
    assert str(run.parent) not in text


def test_nothing_is_imported_for_a_card(run, refused, monkeypatch, tmp_path):
    as_in_a_new_process()
    monkeypatch.chdir(run.parent)  # even though the file lies here
    sentence = "registered here; training used --import my.py"
    for command in ("evaluate", "watch"):
        message = refused(command, run)
        assert f"student in {run}/policy/policy.json is 'shy', but must be {sentence}" in message
    # Of an environment that is not known, with a student that is.
    copy = tmp_path / "copy"
    shutil.copytree(run / "policy", copy)
    card = json.loads((copy / "policy.json").read_text())
    card["imports"] = ["\x1b[31mmy.py\n" + "x" * 500]
    (copy / "policy.json").write_text(json.dumps(card))
    load = "from didact.students import register, ppo; register('shy', ppo, 'another')"
    (tmp_path / "other.py").write_text(load)
    message = refused("evaluate", copy, "--import", tmp_path / "other.py")
    assert "\x1b" not in message
    assert len(message) < 500


def test_an_unknown_environment_of_a_card(run, refused, tmp_path):
    as_in_a_new_process()
    source = FILE.read_text().replace('register_environment("Signs"', '("Signs"')
    (tmp_path / "half.py").write_text(source)
    message = refused("evaluate", run, "--import", tmp_path / "half.py")
    assert "--env is 'Signs', but must be registered here; training used --import" in message


def test_it_is_listed(run, capsys):
    as_in_a_new_process()
    for what, name, settings in (
        ("envs", "Signs", {"pay": "a number", "length": "a whole number"}),
        ("teachers", "part", {"share": "a number"}),
        ("students", "shy", {"pace": "a number", "width": "a whole number"}),
    ):
        rows = json.loads(printed(capsys, "list", what, "--json", "--import", FILE))
        (row,) = (row for row in rows if row["name"] == name)
        assert row["settings"] == settings
        assert name in printed(capsys, "list", what, "--import", FILE)


def test_a_resumed_run_imports_the_same_again(run, refused, tmp_path):
    """And it ends with the same parameters as without a pause."""
    import jax
    import numpy as np

    from didact.experiments.runs.checkpoints import Checkpoints

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    saved = Checkpoints(copy / "checkpoints").saved()
    before = load_policy(run).params if load(FILE) else None
    as_in_a_new_process()
    result = train(resume=copy, checkpoint=saved[-2], imports=[str(run.parent / "my.py")])
    assert result["finished"]
    jax.tree.map(np.testing.assert_array_equal, load_policy(copy).params, before)
    # The file has gone elsewhere.
    as_in_a_new_process()
    values = json.loads((copy / "config.json").read_text())
    values["imports"] = ["/no/longer/there.py"]
    (copy / "config.json").write_text(json.dumps(values))
    message = refused("train", "--resume", copy)
    assert "--import /no/longer/there.py" in message
    assert train(resume=copy, imports=[str(FILE)])["finished"]


def test_files_alone_never_run_code(run, tmp_path, refused):
    """A run of a stranger, its settings, and a sweep."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    evil = copy / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'EXECUTED')!r}, 'w')")
    values = json.loads((copy / "config.json").read_text()) | {"imports": [str(evil)]}
    (copy / "config.json").write_text(json.dumps(values))
    file = tmp_path / "sweep.yaml"
    file.write_text(json.dumps({"base": {"imports": [str(evil)]}, "grid": {"steps": [64]}}))
    for words in (["train", "--resume", copy], ["train", "--config", copy / "config.json"]):
        message = refused(*words)
        assert f"given together with --import {evil} if you trust that code" in message
    assert f"given together with --import {evil}" in refused("sweep", file)
    assert not (tmp_path / "EXECUTED").exists()


def test_the_settings_of_a_run_serve_another(run, folder, capsys):
    """`--config` takes the file that a run writes, and options come before it."""
    as_in_a_new_process()
    words = ["--config", run / "config.json", "--import", run.parent / "my.py"]
    words += ["--steps", 512, "--run", folder / "other"]
    result = json.loads(printed(capsys, "train", *words, "--json"))
    assert result["steps"] < 3000
    one, other = (json.loads((r / "config.json").read_text()) for r in (run, folder / "other"))
    assert one | {"steps": 512} == other


def test_settings_and_a_run_do_not_go_together(run, folder, refused):
    (folder / "empty.yaml").write_text("")
    message = refused("train", "--resume", run, "--config", folder / "empty.yaml")
    assert "empty.yaml', but must be omitted with --resume" in message


def load(file):
    from didact.common.extensions import import_all

    return import_all([str(file)])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--student-settings pase=1", "--student-settings is 'pase', but must be one of pace, w"),
        ("--student-settings width=wide", "--student-settings width is 'wide', but must be a who"),
        ("--teacher-settings share=x", "--teacher-settings share is 'x', but must be a number"),
        ("--env-settings pays=1", "--env-settings is 'pays', but must be one of pay, length"),
        ("--hindsight 0.1", "--hindsight is 0.1, but must be 0 with --student shy"),
        ("--experts solver", "--experts is 'solver', but must be"),
        ("--student shay", "--student is 'shay', but must be a known name, such as shy"),
        (
            "--student ppo --student-settings clip=0.1",
            "--student-settings is ('clip=0.1',), but must be omitted with --student ppo, which "
            "has options --ppo.NAME",
        ),
    ],
)
def test_settings_that_mean_nothing(words, sentence, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = [*WORDS, *([] if "--student " in words else ["--student", "shy"])]
    assert sentence in refused("train", "--import", FILE, *base, *words.split())
    assert list(tmp_path.iterdir()) == []


def without_axes(observation_space, action_space, *, num_updates):
    return STUDENTS["ppo"].make(observation_space, action_space, num_updates=num_updates)


def forgetful(observation_space, action_space, **offered):
    student = STUDENTS["ppo"].make(observation_space, action_space, **offered)
    return student._replace(init=lambda key: 3)


def test_students_that_cannot_be_trained(tmp_path):
    """What would go wrong later is refused at once."""
    import jax

    from didact.experiments import setup
    from didact.experiments.config import TrainConfig

    register_student("alone", without_axes, "for one device")
    register_student("forgetful", forgetful, "keeps nothing")
    small = {"env": "ToyGrid", "num_envs": 32}

    def loop(name, devices, **more):
        config = TrainConfig(**small, student=name, **more)
        return setup.loop_of(config, setup.environment_of(config), devices)

    with pytest.raises(SettingError, match=r"--student is 'alone', .* `axes` .* 2 devices"):
        loop("alone", [*jax.devices()[:1]] * 2)
    with pytest.raises(SettingError, match=r"--student is 'forgetful', .* field `params`"):
        loop("forgetful", jax.devices()[:1])
    with pytest.raises(SettingError, match=r"--experts is .* omitted with --student alone"):
        setup.student_of(
            TrainConfig(**small, student="alone", experts=("solver",)),
            setup.environment_of(TrainConfig(**small)),
            experts=["an expert"],
        )
    loop("alone", jax.devices()[:1])
