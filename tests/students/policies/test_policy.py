"""Policies: saved, loaded, acting."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_policy
from small_policy import SPACES, edit, observation

from didact.environments import ArraySpace, Continuous, Discrete, SettingError
from didact.students import NetworkConfig, Policy, PPOConfig, card, load_policy, save_policy
from didact.students.policies import storage


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


def test_episodes_that_start_have_the_initial_carry(policy):
    seen = observation()
    _, carry = policy.act(seen)
    start = np.arange(5) % 2 == 0
    _, mixed = policy.act(seen, carry, start=start)
    (_, new), (_, later) = policy.act(seen), policy.act(seen, carry)
    np.testing.assert_array_equal(mixed, np.where(start[:, None], new, later))
    single = {name: x[1] for name, x in seen.items()}
    _, memory = policy.act(single, carry[1], start=True)
    np.testing.assert_allclose(memory, new[1], atol=1e-6)
    with pytest.raises(SettingError, match="start is"):
        policy.act(seen, carry, start=[True])


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
        SPACES | {"image": ArraySpace((7, 7), np.uint8, 0, 10, "cells", (11,))},
        SPACES | {"image": ArraySpace((7, 7, 3), np.uint8, 0, 10, "cells", (11, 3, 6))},
        SPACES | {"image": ArraySpace((7, 7, 3), np.uint8, 0, 10, "pixels")},
        SPACES | {"instruction": ArraySpace((), np.uint8, 0, 9)},
    ):
        with pytest.raises(SettingError, match="as in training"):
            policy.check(other)
    higher = ArraySpace((7, 7, 3), np.uint8, 0, 12, "cells", (11, 6, 3))
    with pytest.raises(SettingError, match=r"with values up to 12', but .* up to 10, as in train"):
        policy.check(SPACES | {"image": higher})


def test_real_numbers_in_place_of_whole_ones_are_refused(policy):
    """Pixels from 0 to 1 would be divided by 255 again, and codes be rounded."""
    seen = observation()
    for name, x in seen.items():
        sentence = f"observation '{name}' is 'float32', but must be {x.dtype}, as in training"
        with pytest.raises(SettingError, match=sentence):
            policy.act(seen | {name: np.float32(x)})
    # Whole numbers of another size, in lists, too; and vectors may have either.
    wide = {name: x.astype(np.int64) for name, x in seen.items()}
    np.testing.assert_array_equal(policy.act(wide)[0], policy.act(seen)[0])
    np.testing.assert_array_equal(policy.act(wide | {"direction": [0, 1, 2, 3, 0]})[0].shape, (5,))
    vectors = small_policy.made(small_policy.NUMBERS, small_policy.JOINTS)
    assert vectors.act({"numbers": np.ones((5, 3), int)})[0].shape == (5, 2)


def test_other_actions_are_refused(policy):
    policy.check(SPACES, Discrete(3, ("left", "right", "forward")))
    for other in (Discrete(4, ("left", "right", "forward", "done")), Discrete(3)):
        with pytest.raises(SettingError, match="those of training: left, right, forward"):
            policy.check(SPACES, other)


def test_continuous_actions_there_and_back(tmp_path):
    """The bounds, names and spread of continuous actions are saved with a policy."""
    policy = small_policy.made(small_policy.NUMBERS, small_policy.JOINTS)
    loaded = load_policy(save_policy(tmp_path / "policy", policy.card, policy.params))
    assert loaded.action_space == small_policy.JOINTS
    seen = small_policy.numbers()
    low, high = np.float32(small_policy.JOINTS.low), np.float32(small_policy.JOINTS.high)
    memory, other = None, None
    for key in (None, jax.random.key(0), jax.random.key(1)):
        one, memory = policy.act(seen, memory, key)
        two, other = loaded.act(seen, other, key)
        np.testing.assert_array_equal(one, two)
        assert one.shape == (5, 2)
        assert one.dtype == np.float32
        assert ((one >= low) & (one <= high)).all()
        assert np.unique(one, axis=0).shape == (5, 2)
    single, _ = loaded.act({"numbers": seen["numbers"][3]})
    np.testing.assert_allclose(single, policy.act(seen)[0][3], atol=1e-5)
    loaded.check(small_policy.NUMBERS, small_policy.JOINTS)
    others = (
        Continuous((2,), -1.0, 1.0, small_policy.JOINTS.names),  # other bounds
        Continuous((2,), small_policy.JOINTS.low, small_policy.JOINTS.high),  # other names
        Discrete(2, small_policy.JOINTS.names),
    )
    for space in others:
        with pytest.raises(SettingError, match="of training"):
            loaded.check(small_policy.NUMBERS, space)


def test_it_makes_its_environment():
    from didact.environments import make

    world = make("GoTo", phrasing="test")
    spaces = world.observation_space, world.action_space
    policy = Policy(
        card("GoTo", *spaces, NetworkConfig(), environment_settings=["phrasing=test"]), None
    )
    assert policy.make_environment().phrasing == "test"
    assert policy.make_environment().name == "GoTo"
    # As cards of earlier versions tell it.
    training = {"settings": {"env_settings": ["phrasing=test"]}}
    earlier = Policy(card("GoTo", *spaces, NetworkConfig(), training=training), None)
    assert earlier.make_environment().phrasing == "test"
    for name, settings, words in (
        ("Gato", [], "environment is 'Gato', but .* GoTo"),
        ("GoTo", ["loud=1"], "environment setting is 'loud'"),
        ("ToyGrid", [], "as in training"),
    ):
        other = Policy(card(name, *spaces, NetworkConfig(), environment_settings=settings), None)
        with pytest.raises(SettingError, match=words):
            other.make_environment()


def test_instructions_may_be_of_any_length(policy):
    """Zeros at the end are padding, so they do not matter; a longer sentence can be read, too."""
    seen = observation()
    words = seen["instruction"]
    padded = np.concatenate([words, np.zeros((5, 30), words.dtype)], axis=1)
    for a, b in zip(policy.act(seen), policy.act(seen | {"instruction": padded}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    length = SPACES["instruction"].shape[0]

    def words(*shape):
        tokens = ArraySpace(shape, np.uint8, 0, 9, "tokens", role="instruction")
        return SPACES | {"instruction": tokens}

    policy.check(words(length + 3))
    with pytest.raises(SettingError, match="as in training"):
        policy.check(words(length, 1))


def test_a_policy_survives_other_defaults(policy, copy, monkeypatch):
    """Every size is on the card, so the defaults of a later version do not matter."""
    expected = policy.act(observation())[0]
    defaults = NetworkConfig.__init__.__defaults__
    later = tuple(size + 3 if type(size) is int else size for size in defaults)
    monkeypatch.setattr(NetworkConfig.__init__, "__defaults__", later)
    defaults = PPOConfig.__init__.__defaults__
    more = tuple(x * 1.5 if isinstance(x, float) and x < 0.6 else x for x in defaults)
    monkeypatch.setattr(PPOConfig.__init__, "__defaults__", more)
    network = NetworkConfig(max_instructions=1)
    assert (network.hidden, network.memory) == (131, 131)
    assert PPOConfig(network=network).learning_rate == pytest.approx(3e-3)
    np.testing.assert_array_equal(load_policy(copy).act(observation())[0], expected)


def test_a_missing_size_is_told(policy, copy):
    whole = dict(policy.card["network"])
    for name in ("hidden", "initial_std", "normalise_observations", "pixel_channels"):
        rest = {k: v for k, v in whole.items() if k != name}
        edit(copy, lambda values, rest=rest: values.update(network=rest))
        assert_refused(copy, f"network.{name} in .* is None")


def assert_refused(folder, match="must be"):
    with pytest.raises(SettingError, match=match) as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)


def test_no_policy(tmp_path):
    assert_refused(tmp_path / "nothing", "nothing")
    assert_refused("", "the name of a policy")
    assert_refused("a\0b")
    assert_refused("n" * 5000)
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
        assert "with valid parameters" in told
        assert "\n" not in told
    shutil.rmtree(copy / "params")
    assert_refused(copy, "with valid parameters")
    assert capfd.readouterr().err == ""


def test_a_card_that_asks_for_another_network_is_refused(copy, capfd):
    edit(copy, lambda values: values["network"].update(hidden=16))
    assert_refused(copy, "do not match these settings")
    edit(copy, lambda values: values["action_space"]["names"].append("jump"))
    assert_refused(copy, "do not match these settings")
    assert capfd.readouterr().err == ""


def sentence(folder):
    try:
        load_policy(folder)
    except SettingError as error:
        return str(error)
    return None


def test_what_is_saved_does_not_tell_where(policy, tmp_path):
    """Policies are shared: the folders of whoever made one are nobody's business."""
    folder = save_policy(tmp_path / "somewhere" / "mine", policy.card, policy.params)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        assert str(tmp_path).encode() not in path.read_bytes(), path
    assert load_policy(folder).environment == policy.environment


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_neither_saved_nor_loaded(
    policy, saved, tmp_path, bad, monkeypatch
):
    leaves, tree = jax.tree.flatten(policy.params)
    for number in (0, len(leaves) - 1):
        spoilt = [np.array(x) for x in leaves]
        spoilt[number].flat[-1] = bad
        params = jax.tree.unflatten(tree, spoilt)
        before = sorted(saved.rglob("*"))
        with pytest.raises(SettingError, match="finite parameters"):
            save_policy(saved, policy.card, params)
        assert sorted(saved.rglob("*")) == before
        load_policy(saved)
        with pytest.raises(SettingError, match="finite parameters"):
            save_policy(tmp_path / "new", policy.card, params)
        assert not (tmp_path / "new").exists()
    with monkeypatch.context() as patch:  # as earlier versions wrote them
        patch.setattr(storage, "require_finite", lambda folder, params: None)
        save_policy(tmp_path / "old", policy.card, params)
    with pytest.raises(SettingError, match="finite parameters"):
        load_policy(tmp_path / "old")


def test_cards_have_no_infinite_numbers(tmp_path):
    spaces = {"numbers": ArraySpace((3,), np.float32, -np.inf, np.inf)}
    blank = Policy(small_policy.told(spaces), None)
    params = jax.device_get(jax.jit(blank.student.init)(jax.random.key(0)).params)
    folder = save_policy(tmp_path / "policy", blank.card | {"scores": {"A": {"x": np.nan}}}, params)
    text = (folder / "policy.json").read_text()
    assert "Infinity" not in text
    assert "NaN" not in text
    assert load_policy(folder).observation_space == spaces


@pytest.mark.parametrize(
    "foreign",
    [
        "notes.txt",
        ".git/config",
        "params/notes.txt",
        "params/arrays/notes.txt",
        "params/results/table.csv",
        "policy.json.orig",
    ],
)
def test_a_policy_with_foreign_files_is_not_replaced(policy, copy, foreign):
    (copy / foreign).parent.mkdir(parents=True, exist_ok=True)
    (copy / foreign).write_text("years of work")
    before = sorted(copy.rglob("*"))
    top = foreign if foreign.startswith("params") else foreign.partition("/")[0]
    with pytest.raises(SettingError, match="nothing but a policy to replace") as error:
        save_policy(copy, policy.card, policy.params)
    assert repr(top) in str(error.value) or repr("params/results") in str(error.value)
    assert sorted(copy.rglob("*")) == before
    assert (copy / foreign).read_text() == "years of work"


@pytest.mark.parametrize("what", ["other json", "not json", "empty", "no manifest", "links"])
def test_folders_that_only_look_like_policies_are_not_replaced(policy, copy, tmp_path, what):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("years of work")
    if what == "no manifest":
        (copy / "params" / "manifest.json").unlink()
    elif what == "links":
        shutil.rmtree(copy / "params")
        (copy / "params").symlink_to(outside)
    else:
        shutil.rmtree(copy)
        copy.mkdir()
        text = {"other json": '{"Version": 1}', "not json": "{", "empty": ""}[what]
        (copy / "policy.json").write_text(text)
    before = sorted(copy.rglob("*"))
    with pytest.raises(SettingError, match="nothing but a policy to replace"):
        save_policy(copy, policy.card, policy.params)
    assert sorted(copy.rglob("*")) == before
    assert (outside / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
