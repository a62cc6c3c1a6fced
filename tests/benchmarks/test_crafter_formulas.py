"""Sequences of achievements in Crafter: goal skills, composed by formulas, and controls."""

import io

import numpy as np
import pytest
from rich.console import Console

from didact.benchmarks.crafting import formulas
from didact.benchmarks.crafting.settings import CrafterFormulasConfig
from didact.environments import SettingError
from didact.environments.language import vocabulary
from didact.experiments import setup
from didact.students.config import NetworkConfig, PPOConfig

TOOL = "collect_wood,place_table,make_wood_pickaxe"
TINY = CrafterFormulasConfig(
    sequences=(TOOL,), goals=("collect_wood", "place_table", "make_wood_pickaxe"), steps=64,
    max_steps=8, seeds=2, test_episodes=2, num_envs=4, rollout_length=8,
    ppo=PPOConfig(num_minibatches=1, network=NetworkConfig(hidden=8, memory=8)),
)  # fmt: skip


def replaced(**more):
    return CrafterFormulasConfig(**(vars(TINY) | more))


def test_a_sequence_is_a_formula():
    assert formulas.formula_of(("collect_wood",)) == "F collect_wood"
    assert formulas.formula_of(formulas.names_of("collect_wood, place_table, collect_drink")) == (
        "F(collect_wood & X F(place_table & X F collect_drink))"
    )


def test_the_plan_of_a_composed_policy_gives_one_instruction_after_another():
    world, tasks = formulas._formula_world(TINY, TOOL)
    assert tasks.shape == (2, world.task_space.size)
    student = setup.student_of(formulas._settings(TINY, 0), world, alone=True)
    _, plan = formulas._composed(world, student)
    said = [vocabulary.decode(np.asarray(words)) for words in plan["words"]]
    state, asked = world.automaton.initial, []
    for _ in range(3):
        (skill,) = np.flatnonzero(plan["leads"][state])
        asked.append(said[skill])
        letter = world.automaton.letter([formulas.names_of(TOOL)[len(asked) - 1]])
        state = int(world.automaton.transitions[state, letter])
    assert asked == ["collect wood", "place a table", "make a wood pickaxe"]
    assert world.automaton.accepting[state]
    assert not plan["leads"][state].any()


def fake_skills(config, seed):
    rates = {name: [0.5, 0.9] for name in (*config.goals, *config.sequences)}
    return {"steps": [32, 64], "success": rates, "seconds": 1.0}


def fake_control(config, text, seed):
    return {"steps": [32, 64], "success": {text: [0.0, 0.1 * seed]}, "seconds": 1.0}


def test_finished_trainings_are_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(formulas, "train_skills", fake_skills)
    monkeypatch.setattr(formulas, "train_control", fake_control)
    config = replaced(out=str(tmp_path))
    result = formulas.compare(config)
    assert result["summary"][TOOL] == {"composed": [0.9, 0.9], "trained": [0.0, 0.1]}
    console = Console(file=io.StringIO(), width=160)
    console.print(formulas.table(result))
    assert "collect wood, place table, make wood pickaxe" in console.file.getvalue()
    for name in ("train_skills", "train_control"):
        monkeypatch.setattr(formulas, name, lambda *given: pytest.fail("trained"))
    assert formulas.compare(config)["summary"] == result["summary"]
    with pytest.raises(SettingError, match="different settings"):
        formulas.compare(replaced(out=str(tmp_path), steps=128))


def test_settings_are_checked_before_the_first_training(tmp_path):
    with pytest.raises(SettingError, match="missing: eat_cow"):
        formulas.compare(replaced(out=str(tmp_path), sequences=("collect_wood,eat_cow",)))
    with pytest.raises(SettingError, match="fly"):
        formulas.compare(replaced(out=str(tmp_path), goals=(*TINY.goals, "fly")))
    with pytest.raises(SettingError, match="1 to 3 achievements"):
        formulas.compare(replaced(out=str(tmp_path), sequences=(TOOL + ",collect_wood",)))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_short_training_of_skills_and_control():
    skills = formulas.train_skills(TINY, 0)
    assert set(skills["success"]) == {*TINY.goals, TOOL}
    control = formulas.train_control(TINY, TOOL, 0)
    assert set(control["success"]) == {TOOL}
    assert formulas.is_row(skills)
    assert formulas.is_row(control)
