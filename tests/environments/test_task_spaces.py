"""Task spaces: on the device, and as JSON."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.environments import Box, Dimension, SettingError

SPACE = Box(
    (
        Dimension("height", 0.1, 0.7, unit="m", description="Height of a stump."),
        Dimension("rooms", -1, 3, integer=True, description="Number of rooms."),
        Dimension("fixed", 2.5, 2.5),
    )
)

number = st.floats(-1e4, 1e4, allow_nan=False)


@st.composite
def boxes(draw):
    dimensions = []
    for i in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            low = draw(st.integers(-1000, 1000))
            high = low + draw(st.integers(0, 1000))
            dimensions.append(Dimension(f"d{i}", low, high, integer=True))
        else:
            low, high = sorted((draw(number), draw(number)))
            dimensions.append(Dimension(f"d{i}", low, draw(st.sampled_from([low, high]))))
    return Box(tuple(dimensions))


@given(boxes(), st.integers(0, 2**31 - 1))
def test_whatever_a_space_gives_lies_inside(space, seed):
    key = jax.random.key(seed)
    tasks = space.sample(key, 64)
    assert np.all(space.contains(tasks))
    assert np.all(space.contains(space.mutate(key, tasks, 0.5)))
    wild = jax.random.normal(key, (64, space.size)) * 1e5
    assert np.all(space.contains(space.clip(wild)))
    assert np.all(space.contains(space.denormalise(jax.random.normal(key, (64, space.size)))))
    unit = np.asarray(space.normalise(tasks))
    assert np.all((unit >= 0) & (unit <= 1.0001))
    np.testing.assert_allclose(
        space.denormalise(jnp.asarray(unit)), tasks, atol=1e-6 * 2e4, rtol=1e-6
    )


@given(boxes(), st.integers(0, 2**31 - 1))
def test_json_gives_back_the_same_task(space, seed):
    tasks = np.asarray(space.sample(jax.random.key(seed), 8))
    for task in (*tasks, space.low, space.high):
        text = space.to_json(task)
        obey(space.json_schema(), json.loads(text))
        np.testing.assert_array_equal(space.from_json(text), task)
        np.testing.assert_array_equal(space.from_json(json.loads(text)), task)


def test_bounds_that_devices_take_for_zero_are_zero():
    space = Box((Dimension("d", -1e-44, 1e-39),))
    assert space.low == space.high == 0
    task = np.asarray(space.sample(jax.random.key(0), 1))[0]
    obey(space.json_schema(), json.loads(space.to_json(task)))


def obey(schema, value):
    """Checks a value against the few words of JSON schema that a space uses."""
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(value) == set(schema["required"]) == set(schema["properties"])
    for name, rule in schema["properties"].items():
        assert isinstance(value[name], int if rule["type"] == "integer" else (int, float))
        assert rule["minimum"] <= value[name] <= rule["maximum"]


def test_schema_tells_all():
    schema = SPACE.json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["properties"]["height"] == {
        "type": "number",
        "minimum": 0.1,
        "maximum": 0.7,
        "description": "Height of a stump. [m]",
    }
    assert schema["properties"]["rooms"]["type"] == "integer"
    assert schema["required"] == ["height", "rooms", "fixed"]


GOOD = {"height": 0.3, "rooms": 2, "fixed": 2.5}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "JSON object"),
        (b"\xff\xfe", "JSON object"),
        ("[" * 100_000, "JSON object"),
        ("[0.3, 2, 2.5]", "JSON object"),
        ("3", "JSON object"),
        ({**GOOD, "colour": 1}, "unknown name"),
        ({"height": 0.3, "rooms": 2}, "missing name"),
        ({**GOOD, "height": 0.8}, "height is 0.8, but must be a number from 0.1 to 0.7"),
        ({**GOOD, "height": "0.3"}, "height"),
        ({**GOOD, "height": None}, "height"),
        ({**GOOD, "height": True}, "height"),
        ({**GOOD, "height": float("nan")}, "height"),
        ({**GOOD, "rooms": 1.5}, "a whole number from -1 to 3"),
        ({**GOOD, "rooms": 10**400}, "rooms"),
        ('{"height": 0.3, "rooms": 2, "fixed": 2.5, "height": 0.4}', "without repeated names"),
        ('{"height": 0.3, "rooms": Infinity, "fixed": 2.5}', "rooms"),
    ],
)
def test_bad_json_is_told_in_one_sentence(text, told):
    with pytest.raises(SettingError, match="but must be") as error:
        SPACE.from_json(text)
    assert told in str(error.value)


def test_whole_numbers_may_be_written_as_floats():
    np.testing.assert_array_equal(SPACE.from_json({**GOOD, "rooms": 2.0})[1], 2)


def test_integers_are_equally_likely():
    column = np.asarray(SPACE.sample(jax.random.key(0), 50_000))[:, 1]
    values, counts = np.unique(column, return_counts=True)
    np.testing.assert_array_equal(values, [-1, 0, 1, 2, 3])
    assert np.all(np.abs(counts - 10_000) < 400)


def test_reals_are_uniform():
    column = np.asarray(SPACE.sample(jax.random.key(0), 50_000))[:, 0]
    counts = np.histogram(column, bins=10, range=(0.1, 0.7))[0]
    assert np.all(np.abs(counts - 5_000) < 300)


def test_mutation_has_the_scale_asked_for():
    space = Box((Dimension("x", 0, 20), Dimension("n", 0, 4, integer=True)))
    start = jnp.broadcast_to(jnp.array([10.0, 2.0]), (20_000, 2))
    children = np.asarray(space.mutate(jax.random.key(0), start, 0.05))
    assert abs(children[:, 0].mean() - 10) < 0.03
    assert abs(children[:, 0].std() - 1) < 0.03
    # A twentieth of 4 would round to nothing: beyond one standard deviation it is a step of 1.
    moved = children[:, 1] - 2
    assert set(np.unique(moved)) == {-1, 0, 1}
    assert abs((moved == 1).mean() - 0.159) < 0.01
    assert abs((moved == -1).mean() - 0.159) < 0.01


@pytest.mark.parametrize("edits", [1, 2, 5])
def test_edits_change_as_many_of_the_parameters_that_are_free(edits):
    flags = [Dimension(f"flag{i}", 0, 1, integer=True) for i in range(2)]
    fixed = [Dimension(f"fixed{i}", 3, 3, integer=i % 2 > 0) for i in range(8)]
    space = Box((*fixed, *flags, Dimension("n", 0, 4, integer=True), Dimension("x", -1, 1)))
    tasks = space.sample(jax.random.key(0), 1000).at[:100].set(space.high)
    children = space.mutate(jax.random.key(1), tasks, edits=edits)
    assert space.contains(children).all()
    changed = np.asarray(children != tasks)
    np.testing.assert_array_equal(changed.sum(axis=1), min(edits, 4))
    np.testing.assert_allclose(changed[:, 8:].mean(axis=0), min(edits, 4) / 4, atol=0.05)


def test_clip_gives_the_nearest_task():
    tasks = SPACE.clip(jnp.array([[0.0, 1.4, 9.0], [0.5, 7.0, 2.5], [0.9, -0.6, 0.0]]))
    np.testing.assert_allclose(tasks, [[0.1, 1, 2.5], [0.5, 3, 2.5], [0.7, -1, 2.5]])


def test_contains_says_which():
    rows = [[0.3, 2, 2.5], [0.3, 1.5, 2.5], [0.8, 2, 2.5], [0.3, 2, 2.4], [np.nan, 2, 2.5]]
    np.testing.assert_array_equal(
        SPACE.contains(jnp.array(rows)), [True, False, False, False, False]
    )


def test_restricted_narrows_and_checks():
    small = SPACE.restricted(rooms=2, height=(0.2, 0.3))
    np.testing.assert_allclose(small.low, [0.2, 2, 2.5])
    np.testing.assert_allclose(small.high, [0.3, 2, 2.5])
    assert small.names == SPACE.names
    for bad in ({"rooms": 9}, {"rooms": 1.5}, {"colour": 1}, {"height": (0.3, 0.2)}):
        with pytest.raises(SettingError, match="but must be"):
            SPACE.restricted(**bad)


def test_bad_spaces_are_refused():
    for make in (
        lambda: Box(()),
        lambda: Box((Dimension("x", 0, 1), Dimension("x", 0, 2))),
        lambda: Dimension("x", 1, 0),
        lambda: Dimension("x", 0, float("inf")),
        lambda: Dimension("x", float("nan"), 1),
        lambda: Dimension("x", 0, 1.5, integer=True),
    ):
        with pytest.raises(SettingError, match="but must be"):
            make()
    assert SPACE.column("rooms") == 1
    with pytest.raises(SettingError, match="height, rooms, fixed"):
        SPACE.column("colour")


@pytest.mark.parametrize(
    ("bounds", "integer", "sentence"),
    [
        ((0, 2**31 - 1), True, "integer bounds from -16777216 to 16777216"),
        ((-(2**24) - 2, 0), True, "integer bounds from"),
        ((-3e38, 3e38), False, "difference float32 can hold"),
    ],
)
def test_numbers_that_float32_cannot_hold_are_refused(bounds, integer, sentence):
    with pytest.raises(SettingError, match=sentence):
        Dimension("seed", *bounds, integer=integer)


def test_the_largest_bounds_work():
    space = Box((Dimension("seed", 0, 2**24, integer=True), Dimension("x", -1.7e38, 1.7e38)))
    tasks = np.asarray(space.sample(jax.random.key(0), 1000))
    assert len(np.unique(tasks[:, 1])) > 900
    assert np.isfinite(space.normalise(jnp.asarray(tasks))).all()
    for seed in (2**24, 2**24 - 1):
        assert space.from_json({"seed": seed, "x": 0})[0] == seed


def test_numbers_of_numpy_are_numbers():
    space = Box((Dimension("n", np.int64(0), np.int32(4), integer=True), Dimension("x", 0, 1)))
    same = Box((Dimension("n", 0, 4, integer=True), Dimension("x", np.float32(0), np.float32(1))))
    assert space == same
    for bound in ((1, 2), [1, 2], np.array([1, 2]), (np.int64(1), np.float32(2))):
        assert space.restricted(n=bound) == space.restricted(n=(1, 2))
    assert space.restricted(n=np.int64(3)).low[0] == 3
    task = same.restricted(x=np.float32(0.5)).from_json({"n": 1, "x": 0.5})
    assert json.loads(same.to_json(task)) == {"n": 1, "x": 0.5}
    for wrong in ([1, 2, 3], "ab", np.bool_(True), np.float32(1.5)):
        with pytest.raises(SettingError, match="n is"):
            space.restricted(n=wrong)
