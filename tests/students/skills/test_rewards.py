"""Models of rewards as files, and as a setting of environments."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make
from didact.environments.text_settings import make_with_text_settings
from didact.students.skills.rewards import (
    WithRewardModel,
    initial_reward_model,
    load_rewards,
    save_rewards,
)

NAMES = ("blue", "purple", "yellow", "ball", "box")  # of MovingTargets
LABELS = np.random.default_rng(0).random((50, 5)) < 0.4


def test_a_file_holds_all_of_a_model(tmp_path):
    model = initial_reward_model(7, 5, seed=3).scaled(LABELS)
    file = save_rewards(model, NAMES, tmp_path / "new" / "wish.json")
    again = load_rewards(file, NAMES)
    np.testing.assert_array_equal(again(jnp.asarray(LABELS)), model(jnp.asarray(LABELS)))
    assert [each.name for each in file.parent.iterdir()] == ["wish.json"]


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(SettingError, match=r"rewards is .*a file that can be written"):
        save_rewards(initial_reward_model(7, 5), NAMES, tmp_path)


def test_a_scaled_model_only_changes_its_size():
    model = initial_reward_model(7, 5, seed=3)
    before, after = model(jnp.asarray(LABELS)), model.scaled(LABELS)(jnp.asarray(LABELS))
    assert float(jnp.max(jnp.abs(after))) == pytest.approx(1)
    ratio = float(jnp.max(jnp.abs(before)))
    np.testing.assert_allclose(after * ratio, before, rtol=1e-5, atol=1e-6)
    assert model.scaled(np.zeros((3, 5), bool)) == model  # nothing tells how large they are


def test_the_setting_pays_what_the_file_says(tmp_path):
    model = initial_reward_model(7, 5, seed=3)
    file = save_rewards(model, NAMES, tmp_path / "wish.json")
    world = make_with_text_settings(
        "MovingTargets", (f"rewards={file}",), "--env", "--env-settings"
    )
    assert isinstance(world, WithRewardModel)
    state, seen = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), 16))
    step, paid = jax.jit(world.step), 0.0
    for t in range(20):
        key = jax.random.key(t)
        state, seen = step(key, state, jax.random.randint(key, (16,), 0, 4))
        np.testing.assert_allclose(seen.reward, model(seen.labels), rtol=1e-5, atol=1e-7)
        paid += float(jnp.abs(seen.reward).sum())
    assert paid > 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda told: "{", "in JSON"),
        (lambda told: [], "of format 1"),
        (lambda told: told | {"format": 2}, "of format 1"),
        (lambda told: told | {"propositions": ["blue"]}, "for the propositions blue, purple"),
        (lambda told: told | {"layers": {}}, "with all its layers"),
        (lambda told: told | {"layers": 3}, "with all its layers"),
        (lambda told: told | {"scale": None}, "with all its layers"),
        (lambda told: told | {"scale": float("nan")}, "finite numbers"),
        (lambda told: told | {"scale": 10**400}, "with all its layers"),
        (lambda told: _with(told, "bias", [0.0]), "finite numbers and matching shapes"),
        (lambda told: _with(told, "bias", [float("inf")] * 7), "finite numbers"),
        (lambda told: _with(told, "kernel", [["a"]]), "with all its layers"),
        (lambda told: _with(told, "kernel", [[0.0] * 7] * 4), "finite numbers and matching shapes"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, change, why):
    file = save_rewards(initial_reward_model(7, 5), NAMES, tmp_path / "wish.json")
    told = change(json.loads(file.read_text()))
    file.write_text(told if isinstance(told, str) else json.dumps(told))
    with pytest.raises(SettingError, match=why) as caught:
        load_rewards(file, NAMES)
    assert caught.value.setting == "rewards"
    assert str(file) in str(caught.value)


def _with(told, name, rows):
    layers = told["layers"] | {"seen": told["layers"]["seen"] | {name: rows}}
    return told | {"layers": layers}


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SettingError, match="No such file"):
        load_rewards(tmp_path / "no.json", NAMES)


def test_rewards_stay_within_the_range_that_teachers_are_told():
    """Also for labels beyond those by which the model was scaled."""
    model = initial_reward_model(7, 5, seed=3)._replace(scale=1000.0)
    world = WithRewardModel(make("MovingTargets"), model)
    state, _ = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), 64))
    rewards = []
    for i in range(10):
        actions = jax.random.randint(jax.random.key(i), (64,), 0, 4)
        state, seen = world.step(jax.random.key(i), state, actions)
        rewards.append(seen.reward)
    assert float(jnp.max(jnp.abs(jnp.stack(rewards)))) == 1
    assert world.return_range == (-world.max_steps, world.max_steps)


def test_a_goal_is_replaced_only_once(tmp_path):
    model = save_rewards(initial_reward_model(7, 5), NAMES, tmp_path / "wish.json")
    for other in ({"formula": "F ball"}, {"formulas": 4}):
        (name,) = other
        with pytest.raises(SettingError, match=f"{name} is .* omitted with rewards"):
            make("MovingTargets", rewards=str(model), **other)
    with pytest.raises(SettingError, match="omitted with formula, which replaces the goal"):
        make("MovingTargets", formula="F ball", formulas=4)
