"""Policies on disk."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Discrete, SettingError
from didact.students import NetworkConfig, Policy, card, load_policy, policies, save_policy

SPACES = {
    "image": ArraySpace((7, 7, 3), np.uint8, 0, 10),
    "direction": ArraySpace((), np.int32, 0, 3),
    "instruction": ArraySpace((4,), np.uint8, 0, 9),
}
ACTIONS = Discrete(3, ("left", "right", "forward"))
NETWORK = NetworkConfig(
    cell_embedding=4,
    cell_features=3,
    token_embedding=4,
    instruction_features=6,
    hidden=8,
    memory=5,
)


def told(**more):
    return card("Somewhere", SPACES, ACTIONS, NETWORK, training={"steps": 5}, scores={}, **more)


def made() -> Policy:
    blank = Policy(told(), None)
    state = jax.jit(blank.student.init)(jax.random.key(0))
    params = jax.tree.map(
        lambda x: x + 0.2 * jax.random.normal(jax.random.key(x.size), x.shape), state.params
    )
    return Policy(told(), jax.device_get(params))


@pytest.fixture(scope="module")
def policy():
    return made()


@pytest.fixture(scope="module")
def saved(policy, tmp_path_factory):
    return save_policy(tmp_path_factory.mktemp("run") / "policy", policy.card, policy.params)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "policy")


def observation(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 3, (n, 7, 7, 3)).astype(np.uint8),
        "direction": rng.integers(0, 4, n).astype(np.int32),
        "instruction": rng.integers(0, 9, (n, 4)).astype(np.uint8),
    }


def edit(folder, change):
    path = folder / policies.CARD
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_what_was_saved_acts_the_same(policy, saved):
    loaded = load_policy(saved)
    assert loaded.card == policy.card
    assert loaded.environment == "Somewhere"
    carry = one = two = None
    for step in range(4):
        seen, key = observation(seed=step), jax.random.key(step)
        first, one = policy.act(seen, one, key)
        second, two = loaded.act(seen, two, key)
        np.testing.assert_array_equal(first, second)
        jax.tree.map(np.testing.assert_array_equal, one, two)
        carry = one
    assert np.abs(np.asarray(carry)).max() > 0
    for a, b in zip(*map(jax.tree.leaves, (policy.params, loaded.params)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_folder_leads_to_its_policy(saved):
    assert load_policy(saved.parent).card == load_policy(str(saved)).card


@pytest.mark.parametrize("key", [None, 0])
def test_one_world_is_one_of_many(policy, key):
    seen = observation()
    action, carry = policy.act(seen, None, None)
    _, later = policy.act(seen, carry, None)
    assert np.abs(later - carry).max(axis=1).min() > 1e-3
    for i in range(5):
        single = {name: x[i] for name, x in seen.items()}
        one, memory = policy.act(single)
        assert one.shape == ()
        assert int(one) == int(action[i])
        np.testing.assert_allclose(memory, carry[i], atol=1e-5)
        again, memory = policy.act(single, memory, None if key is None else jax.random.key(key))
        assert again.shape == ()
        np.testing.assert_allclose(memory, later[i], atol=1e-5)  # it went on from what it knew
    assert policy.initial_carry().shape == memory.shape
    assert policy.initial_carry(5).shape == carry.shape


def test_numpy_and_jax_are_the_same_to_it(policy):
    seen = observation()
    one, _ = policy.act(seen)
    two, _ = policy.act(jax.tree.map(jnp.asarray, seen))
    np.testing.assert_array_equal(one, two)
    # What it does not read does not matter.
    three, _ = policy.act(seen | {"smell": np.zeros((5, 100))})
    np.testing.assert_array_equal(one, three)


def test_it_acts_inside_a_compiled_program(policy):
    seen = observation()
    outside = policy.act(seen)[0]
    inside = jax.jit(lambda seen: policy.act(seen)[0])(seen)
    np.testing.assert_array_equal(inside, outside)


def test_other_observations_are_refused(policy):
    seen = observation()
    with pytest.raises(SettingError, match="observation 'direction' is None"):
        policy.act({name: seen[name] for name in ("image", "instruction")})
    with pytest.raises(SettingError, match=r"observation 'image' is \(5, 5, 5, 3\).*\(7, 7, 3\)"):
        policy.act(seen | {"image": seen["image"][:, :5, :5]})
    with pytest.raises(SettingError, match="observation 'instruction'"):
        policy.act(seen | {"instruction": seen["instruction"][:3]})
    with pytest.raises(SettingError, match="observation 'instruction'"):
        policy.act(seen | {"instruction": seen["instruction"][..., None]})
    policy.check(SPACES)
    for other in (
        {"image": SPACES["image"]},
        SPACES | {"image": ArraySpace((7, 7), np.uint8, 0, 10)},
        SPACES | {"instruction": ArraySpace((), np.uint8, 0, 9)},
    ):
        with pytest.raises(SettingError, match="as in training"):
            policy.check(other)


def test_instructions_may_be_of_any_length(policy):
    """Zeros at the end are padding, so they do not matter; a longer sentence can be read, too."""
    seen = observation()
    words = seen["instruction"]
    padded = np.concatenate([words, np.zeros((5, 30), words.dtype)], axis=1)
    for a, b in zip(policy.act(seen), policy.act(seen | {"instruction": padded}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    length = SPACES["instruction"].shape[0]
    policy.check(SPACES | {"instruction": ArraySpace((length + 3,), np.uint8, 0, 9)})
    with pytest.raises(SettingError, match="as in training"):
        policy.check(SPACES | {"instruction": ArraySpace((length, 1), np.uint8, 0, 9)})


def test_a_card_without_newer_settings_loads(policy, copy):
    """A setting that the network got after the policy was trained has its default."""
    edit(copy, lambda values: values["network"].pop("max_instructions"))
    np.testing.assert_array_equal(
        load_policy(copy).act(observation())[0], policy.act(observation())[0]
    )


def test_a_card_survives_other_defaults(policy, copy, monkeypatch):
    """Every size is on the card, so the defaults of a later version do not matter."""
    later = dataclasses.make_dataclass(
        "NetworkConfig",
        [
            (field.name, int, dataclasses.field(default=field.default + 3))
            for field in dataclasses.fields(NetworkConfig)
        ],
        frozen=True,
    )
    monkeypatch.setattr(policies, "NetworkConfig", later)
    np.testing.assert_array_equal(
        load_policy(copy).act(observation())[0], policy.act(observation())[0]
    )


def assert_refused(folder, match="must be"):
    with pytest.raises(SettingError, match=match) as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)


def test_no_policy(tmp_path):
    assert_refused(tmp_path / "nothing", "nothing")
    assert_refused(tmp_path, "a policy folder, or a run with a final policy")
    (tmp_path / "file").write_text("")
    assert_refused(tmp_path / "file")


@pytest.mark.parametrize("how", ["truncated", "edited", "removed"])
def test_missing_or_damaged_parameters_are_refused(copy, tmp_path, how, capfd):
    files = [p for p in (copy / "params").rglob("*") if p.is_file() and p.stat().st_size]
    assert len(files) > 5
    for number, file in enumerate(files):
        other = shutil.copytree(copy, tmp_path / f"copy{number}")
        damaged = other / file.relative_to(copy)
        content = damaged.read_bytes()
        middle = len(content) // 2
        if how == "truncated":
            damaged.write_bytes(content[:middle])
        elif how == "edited":
            changed = bytes([content[middle] ^ 1])
            damaged.write_bytes(content[:middle] + changed + content[middle + 1 :])
        else:
            damaged.unlink()
        told = sentence(other)
        assert "parameters as they were saved" in told
        assert "\n" not in told
    shutil.rmtree(copy / "params")
    assert_refused(copy, "parameters as they were saved")
    assert capfd.readouterr().err == ""


def test_a_card_that_asks_for_another_network_is_refused(copy, capfd):
    edit(copy, lambda values: values["network"].update(hidden=16))
    assert_refused(copy, "not those that these settings make")
    edit(copy, lambda values: values["actions"].__setitem__(1, 5))
    assert_refused(copy, "actions are not names")
    assert capfd.readouterr().err == ""


def sentence(folder):
    try:
        load_policy(folder)
    except SettingError as error:
        return str(error)
    return None


def test_saving_replaces_a_policy_and_nothing_else(policy, copy, tmp_path):
    other = policy.card | {"environment": "Elsewhere"}
    save_policy(copy, other, policy.params)
    assert load_policy(copy).environment == "Elsewhere"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["policy"]  # no drafts
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(SettingError, match="thesis"):
        save_policy(tmp_path / "thesis", other, policy.params)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    save_policy(tmp_path / "empty", other, policy.params)
    assert load_policy(tmp_path / "empty").environment == "Elsewhere"


def test_found(policy, tmp_path):
    scores = {"Somewhere": {"sampled": 0.5, "greedy": 0.75}}
    whole = policy.card | {"scores": scores, "training": {"steps": 2_000_000}}
    save_policy(tmp_path / "a" / "policy", whole, policy.params)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / policies.CARD).write_text("[]")
    rows = policies.found(tmp_path)
    assert [row["name"] for row in rows] == [str(tmp_path / "a" / "policy")]
    assert rows[0]["description"] == "Somewhere, 2.0M steps; success: Somewhere 50.0%"
    assert load_policy(rows[0]["name"]).environment == "Somewhere"
    assert policies.found(tmp_path / "nothing") == []
