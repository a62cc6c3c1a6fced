"""`didact compose`: from a formula to a policy that loads, and what is told where that fails."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import environments
from didact.benchmarks.skills.zero_shot_office import planned, played
from didact.environments import SettingError
from didact.environments.toys.office import Office
from didact.experiments.cli import main
from didact.experiments.skills.compose import Compose, composed
from didact.experiments.skills.exploration import explore
from didact.experiments.skills.formula_q_learning import q_learning
from didact.students import load_policy
from didact.students.skills import automaton, with_formula

FORMULA = "F(coffee & X F office) & G !decoration"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compose") / "run"
    told = "bring the coffee to the office and never touch a decoration"
    choice = Compose(told, env="office", steps=50_000, episodes=40, run=folder)
    return folder, composed(choice)


def test_english_is_the_same_as_the_formula(made):
    folder, result = made
    assert automaton(result["formula"]).same_as(automaton(FORMULA))
    assert result["success"] == 1
    assert result["steps"] == 50_000
    for name in ("automaton", "values", "video"):
        assert (folder / f"{name}.{'gif' if name == 'video' else 'png'}").stat().st_size > 1000


def test_the_policy_loads_and_acts_like_any_other(made, capsys):
    folder, result = made
    policy = load_policy(folder)
    world = policy.make_environment()
    assert world.instruction_text({}) == result["formula"]
    state, seen = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), 8))
    carry, ever = None, np.zeros(8, bool)
    for _ in range(60):
        action, carry = policy.act(seen.observation, carry)
        state, seen = world.step(jax.random.key(2), state, action)
        ever |= np.asarray(seen.success)
    assert ever.all()
    main(["evaluate", str(folder), "--episodes", "50", "--json"])
    assert json.loads(capsys.readouterr().out)["success"] == 1


def test_a_card_with_continuous_actions_is_refused(made, tmp_path):
    shutil.copytree(made[0] / "policy", tmp_path / "policy")
    path = tmp_path / "policy" / "policy.json"
    card = json.loads(path.read_text())
    card["action_space"] = environments.make("Pendulum").action_space.to_json()
    path.write_text(json.dumps(card))
    with pytest.raises(SettingError, match="must be discrete actions"):
        load_policy(tmp_path / "policy")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"states": 3}, "with valid parameters"),
        ({"places": 0}, "composed.places in .* is 0"),
        ({"states": 1 << 24, "places": 1 << 24}, "at most 1 GiB"),
        ({"other": 1}, "an object with states, places, or"),
    ],
)
def test_an_edited_card_is_refused(made, tmp_path, change, sentence):
    shutil.copytree(made[0] / "policy", tmp_path / "policy")
    path = tmp_path / "policy" / "policy.json"
    card = json.loads(path.read_text())
    card["composed"] |= change
    card["observation_space"]["progress"]["shape"] = [card["composed"]["states"]]
    path.write_text(json.dumps(card))
    with pytest.raises(SettingError, match=sentence):
        load_policy(tmp_path / "policy")


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("progress", None, "observation 'progress' in .* is None, but must be of shape"),
        ("progress", [3], r"observation 'progress' in .* is \[3\], but must be of shape"),
        ("place", None, r"observation 'place' in .* is None, but must be of shape \[\]"),
        ("place", [2], r"observation 'place' in .* is \[2\], but must be of shape \[\]"),
    ],
)
def test_a_card_without_what_a_table_reads_is_refused(made, tmp_path, name, shape, sentence):
    shutil.copytree(made[0] / "policy", tmp_path / "policy")
    path = tmp_path / "policy" / "policy.json"
    card = json.loads(path.read_text())
    if shape is None:
        del card["observation_space"][name]
    else:
        card["observation_space"][name]["shape"] = shape
    path.write_text(json.dumps(card))
    with pytest.raises(SettingError, match=sentence):
        load_policy(tmp_path / "policy")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["F(coffee &"], "at character"),
        (["bring the cofee to the office"], "'cofee' is neither"),
        (["F tea"], "'tea' is unknown"),
        (["F coffee", "--env", "GoTo"], "an environment with propositions"),
        (["F red_ball", "--env", "GoTo", "--env-settings", "facts=1"], "images of packed cells"),
        (["F coffee", "--steps", "3"], "--steps is 3"),
        (["F coffee", "--steps", "1" + "0" * 13], "--steps is"),
        (["F coffee", "--steps", "1" + "0" * 9], "--steps is 1000000000, but must be from 64 to"),
        (["F coffee", "--steps", "1" + "0" * 30], "--steps is"),
        (["F coffee", "--episodes", "0"], "--episodes is 0"),
        (["F coffee", "--episodes", "1" + "0" * 20], "--episodes is"),
        (["F coffee", "--seed", "-1"], "--seed is -1"),
        (["F coffee & G !coffee"], "must be satisfiable"),
        (["F(coffee & mail)", "--steps", "2000"], "no plan was found"),
        (["F coffee", "--env-settings", "formula=F mail"], "sets the formula"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["compose", *arguments])
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not [path for path in tmp_path.glob("runs/*") if path.is_dir()]


@pytest.mark.slow
def test_an_automaton_too_large_to_be_read_is_composed_all_the_same(tmp_path, capsys):
    places = ("coffee", "mail", "office", "A", "B", "C", "D")
    formula = " & ".join(f"F {place}" for place in places)
    main(["compose", formula, "--steps", "50000", "--episodes", "20", "--run", str(tmp_path / "r")])
    said = capsys.readouterr().out
    assert "128 states" in said
    assert "100.0% success" in said
    assert "too many states" in said
    assert not (tmp_path / "r" / "automaton.png").exists()
    assert (tmp_path / "r" / "video.gif").exists()


def test_exploration_is_the_same_again_and_of_the_length_asked_for():
    world = Office(max_steps=7)
    one, two = (explore(world, 1000, seed=1, num_envs=8) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(one.place) == 1000
    np.testing.assert_array_equal(world.moves[one.place, one.action], one.after)
    np.testing.assert_array_equal(world.places[one.after], one.labels)


def test_few_steps_refine_what_was_composed():
    """From values of which nothing is known, and from poor ones that lead astray at first."""
    world = Office()
    task = with_formula(world, "F coffee")
    optimum = planned(world, task.automaton)[task.automaton.initial, world.free]
    right = jnp.zeros((task.automaton.num_states, world.places.shape[0], 4)).at[..., 0].set(1.0)
    learn = jax.jit(q_learning(task, 30_000))
    for prior in (None, right):
        success, steps = played(world, task.automaton, np.asarray(learn(jax.random.key(0), prior)))
        assert success.all()
        assert optimum.sum() <= steps.sum() <= 1.02 * optimum.sum()
    for setting in ({"exploration": 1}, {"learning_rate": 0}, {"discount": 1}):
        with pytest.raises(SettingError, match=next(iter(setting))):
            q_learning(task, 1000, **setting)
