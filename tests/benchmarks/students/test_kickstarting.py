"""The figure of kickstarting: small trainings, and its numbers by hand."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

import didact
from didact.benchmarks.config import KickstartingConfig
from didact.benchmarks.students import kickstarting
from didact.environments import SettingError
from didact.environments.language import vocabulary
from didact.experiments import setup
from didact.experiments.config import to_dict
from didact.students import card, save_policy

SMALL = {"tasks": ("go-to", "open"), "steps": 3 * 2048, "expert_steps": 2048, "seeds": 2}
SMALL |= {"num_envs": 64, "num_evaluations": 3, "episodes": 4}


def finished_expert(settings):
    """What the training of an expert leaves behind; this one has learned nothing."""
    environment = setup.environment_of(settings)
    student = setup.student_of(settings, environment, alone=True)
    about = card(
        settings.env,
        environment.observation_space,
        environment.action_space,
        settings.distill.network,
        training={"settings": {"tasks": list(settings.tasks)}},
    )
    save_policy(settings.run / "policy", about, student.init(jax.random.key(0)).params)
    (settings.run / "config.json").write_text(json.dumps(to_dict(settings)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    config = KickstartingConfig(**SMALL, students=("scratch", "annealed"), out=str(out))
    for name in config.tasks:
        finished_expert(kickstarting.expert_settings(name, config, out))
    return config, kickstarting.kickstarting(config)


@pytest.mark.slow
def test_from_the_experts_to_the_figure(tmp_path):
    """Everything by itself, learning enough to be seen: who is kickstarted is far ahead."""
    config = KickstartingConfig(
        tasks=("go-to", "pick-up"),
        students=("scratch", "annealed", "population", "distilled"),
        steps=300_000,
        expert_steps=1_000_000,
        seeds=2,
        num_envs=512,
        num_evaluations=6,
        out=str(tmp_path),
    )
    result = kickstarting.kickstarting(config)
    assert min(result["experts"].values()) > 0.9
    for name in config.students[1:]:
        assert result["students"][name]["steps_ratio"] > 1.5
        assert result["students"][name]["final_ratio"] > 1.2
    assert (tmp_path / "curves.png").is_file()


@pytest.mark.slow
def test_curves(trained):
    config, result = trained
    assert list(result["students"]) == list(config.students)
    for name, row in result["students"].items():
        success = np.array(row["success"])
        assert success.shape == (config.seeds, len(row["steps"]), len(config.tasks))
        assert ((success >= 0) & (success <= 1)).all()
        assert row["steps"][-1] == config.steps
        assert ("steps_ratio" in row) == (name != "scratch")
    assert set(result["experts"]) == set(config.tasks)
    console = Console(file=io.StringIO(), width=120)
    console.print(kickstarting.table(result))
    assert "go-to" in console.file.getvalue()


@pytest.mark.slow
def test_what_is_there_is_not_trained_again(trained, monkeypatch):
    config, before = trained
    monkeypatch.setattr(kickstarting.Trial, "follow", lambda *given: pytest.fail(given[-1]))
    again = kickstarting.kickstarting(config)
    assert json.dumps(again["students"]) == json.dumps(before["students"])
    # Asked for a part of them, it forgets none.
    path = Path(config.out) / "kickstarting.json"
    part = kickstarting.kickstarting(dataclasses.replace(config, students=("annealed",)))
    assert list(part["students"]) == ["annealed"]
    assert json.loads(path.read_text())["students"] == before["students"]


@pytest.mark.slow
def test_stopped_between_two_seeds_it_goes_on(trained, tmp_path, monkeypatch):
    config, _ = trained
    shutil.copytree(config.out, tmp_path / "out")
    config = dataclasses.replace(config, out=str(tmp_path / "out"), students=("scratch",))
    path = tmp_path / "out" / "kickstarting.json"
    values = json.loads(path.read_text())
    full = values["students"]["scratch"]["success"]
    values["students"] = {"scratch": values["students"]["scratch"] | {"success": full[:1]}}
    path.write_text(json.dumps(values))
    seeds, follow = [], kickstarting.Trial.follow
    monkeypatch.setattr(
        kickstarting.Trial,
        "follow",
        lambda self, loop, seed, *rest: seeds.append(seed) or follow(self, loop, seed, *rest),
    )
    again = kickstarting.kickstarting(config)
    assert seeds == [1]
    assert again["students"]["scratch"]["success"] == full


@pytest.mark.slow
def test_results_of_other_settings_are_left_alone(trained):
    config, _ = trained
    path = Path(config.out) / "kickstarting.json"
    content = path.read_bytes()
    with pytest.raises(SettingError, match=r"--out is .* different settings"):
        kickstarting.kickstarting(dataclasses.replace(config, seeds=3))
    assert path.read_bytes() == content
    other = dataclasses.replace(config, expert_steps=4096)
    with pytest.raises(SettingError, match=r"--run is .* different settings"):
        kickstarting.expert("go-to", other, Path(config.out))


@pytest.mark.slow
def test_each_task_says_what_its_name_says():
    environment = didact.make("MiniSynth")
    reset = jax.jit(environment.reset)
    verbs = {"go-to": "go", "open": "open", "pick-up": "pick", "put-next": "put"}
    for name, texts in kickstarting.TASKS.items():
        space = setup.narrow_task_space(environment.task_space, texts)
        assert environment.task_space.intersection(space) == space
        _, first = reset(jax.random.key(0), space.sample(jax.random.key(1), 50))
        said = [vocabulary.decode(row) for row in first.observation["instruction"]]
        if name in verbs:
            assert {text.split()[0] for text in said} == {verbs[name]}
            assert not any(" and " in text or "then" in text or "after" in text for text in said)
        elif name == "both":
            assert all(" and " in text and "then" not in text for text in said)
        else:
            assert all("then" in text or "after you" in text for text in said)
            assert all(text.startswith("go to") for text in said)


def test_ratios_by_hand():
    scratch = {"steps": [1, 2, 4, 8], "success": [[[0.1], [0.2], [0.4], [0.5]]] * 3}
    sooner = {"steps": [1, 2, 4, 8], "success": [[[0.2], [0.6], [0.4], [0.75]]] * 3}
    told = kickstarting.compared(sooner, scratch)
    assert told["steps_ratio"] == 4.0  # 8 / 2
    assert told["steps_ratio_interval"] == [4.0, 4.0]
    np.testing.assert_allclose(told["final_ratio"], 1.5)
    never = kickstarting.compared(scratch | {"success": [[[0.1]] * 4] * 3}, scratch)
    assert never["steps_ratio"] == 0.0
    nothing = {"steps": [1, 2], "success": [[[0.1], [0.0]]] * 3}
    assert kickstarting.compared(sooner, nothing) == {}


def test_an_interval_holds_what_seeds_differ_in():
    steps = [1, 2, 4, 8]
    rng = np.random.default_rng(0)
    curves = np.sort(rng.random((6, 4, 2)), axis=1)
    scratch = {"steps": steps, "success": (curves * 0.5).tolist()}
    told = kickstarting.compared({"steps": steps, "success": curves.tolist()}, scratch)
    low, high = told["final_ratio_interval"]
    assert low < told["final_ratio"] < high
    assert low > 1.0


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_of_a_success_is_students(seeds):
    curves = np.array([[[0.2]], [[0.5]], [[0.3]]])[:seeds]
    row = {"success": curves.tolist(), "seconds": 1.0}
    settings = {"tasks": ["go-to"], "env": "E", "steps": 9, "seeds": seeds}
    result = {"settings": settings, "students": {"scratch": row}, "experts": {"go-to": 1.0}}
    console = Console(file=io.StringIO(), width=120)
    console.print(kickstarting.table(result))
    # By hand: t of 2 degrees is 4.3027, and the standard deviation 0.1528.
    expected = "33.3% [0.0%, 71.3%]" if seeds == 3 else "20.0% "
    assert expected in console.file.getvalue()


def test_tests_come_early_and_at_the_end():
    marks = kickstarting.points(100, 8)
    assert marks[0] == 1
    assert kickstarting.points(100, 1) == [1, 100]
    assert marks[-1] == 100
    assert np.all(np.diff(marks) > 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": ("sing",)}, "--tasks"),
        ({"tasks": ()}, "--tasks"),
        ({"students": ("scratch", "scratch")}, "--students"),
        ({"seeds": 1}, "--seeds is 1.*population"),
        ({"steps": 0}, "--steps is 0"),
        ({"anneal_until": 2.0}, "--anneal-until is 2"),
        ({"weight": -1.0}, "--weight is -1"),
        ({"num_envs": 100}, "--num-envs is 100"),
    ],
)
def test_settings_without_meaning_are_refused(settings, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        kickstarting.kickstarting(KickstartingConfig(**settings, out=str(tmp_path)))
