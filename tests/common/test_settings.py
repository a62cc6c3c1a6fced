"""Kinds of settings, and settings as dataclasses."""

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.common.setting_types import (
    Hidden,
    NotNegative,
    Positive,
    PositiveShare,
    Range,
    from_text,
    in_words,
    kinds_of,
    shown,
    value_of,
)
from didact.common.settings import (
    Names,
    accepted,
    check_numbers,
    checked,
    flat_kinds,
    nested,
    pairs,
    parsed,
    plain,
    updated,
)
from didact.environments import SettingError
from didact.experiments.config import TrainConfig

Small = Annotated[int, Range(1, 100)]


@dataclasses.dataclass(frozen=True)
class Inner:
    width: Small = 8
    rate: Positive = 0.5


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str = "a"
    path: Path | None = None
    share: PositiveShare = 1.0
    words: tuple[str, ...] = ()
    pair: tuple[float, float] | None = None
    way: Literal["up", "down"] = "up"
    flag: bool = False
    secret: Annotated[str | None, Hidden()] = None
    inner: Inner = dataclasses.field(default_factory=lambda: Inner(width=3))


GOOD = [
    (Small, 1, 1),
    (Small, 100, 100),
    (Small, np.int32(7), 7),
    (float, 2, 2.0),
    (float, np.float32(0.5), 0.5),
    (int | None, None, None),
    (tuple[str, ...], ["a", "b"], ("a", "b")),
    (tuple[int, ...], (), ()),
    (tuple[float, float] | None, [1, 2.5], (1.0, 2.5)),
    (Literal["up", "down"], "up", "up"),
    (Path | None, "a/b", Path("a/b")),
    (Path | None, Path("a/b"), Path("a/b")),
    (bool, True, True),
    (np.ndarray, "anything", "anything"),  # nothing that can be written: not looked at
]
BAD = [
    (Small, 0, "a whole number from 1 to 100"),
    (Small, 101, "a whole number from 1 to 100"),
    (Small, True, "a whole number"),
    (Small, "5", "a whole number"),
    (Small, 5.0, "a whole number"),
    pytest.param(Small, 10**5000, "a whole number", id="long"),
    (int, None, "a whole number"),
    (float, "0.5", "a number"),
    (float, math.nan, "a finite number"),
    (float, math.inf, "a finite number"),
    (Positive, 0, "a number above 0"),
    (PositiveShare, 1.5, "a number above 0 and at most 1"),
    (Annotated[float, Range(0)], -1, "a number of at least 0"),
    (bool, 1, "true or false"),
    (str, 5, "a string"),
    (str, b"a", "a string"),
    (tuple[str, ...], "ab", "a list, each item a string"),
    (tuple[str, ...], ["a", 5], "a list, each item a string"),
    (tuple[float, float] | None, [1], "a list of 2: a number, a number, or null"),
    (Literal["up", "down"], "left", "one of up, down"),
    (Path, 5, "a path"),
    (int, {1, 2}, "a whole number"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD)
def test_values_of_a_kind(kind, value, expected):
    found = value_of("x", value, kind)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("kind", "value", "words"), BAD)
def test_values_of_another_kind(kind, value, words):
    with pytest.raises(SettingError) as error:
        value_of("x", value, kind)
    assert str(error.value).startswith("x is ")
    assert words in str(error.value)
    assert len(str(error.value)) < 250


@given(st.floats() | st.integers() | st.booleans() | st.none() | st.text(max_size=5))
def test_bounds_are_those_of_comparison(value):
    """Against plain comparisons of Python."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fine = number and math.isfinite(value) and 0 < value <= 1
    try:
        assert value_of("x", value, PositiveShare) == value
    except SettingError:
        assert not fine
    else:
        assert fine


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (int, "5", 5),
        (str, "5", "5"),
        (str, 'say "a"', 'say "a"'),
        (int | None, "null", None),
        (int | tuple[int, int], "[5, 9]", (5, 9)),
        (bool, "true", True),
        (float, "1e-3", 1e-3),
        (Path, "a b", Path("a b")),
        (Literal["up", "down"], "up", "up"),
    ],
)
def test_texts_of_a_kind(kind, text, expected):
    assert from_text("x", text, kind) == expected


@pytest.mark.parametrize(
    ("kind", "text"), [(int, "5.0"), (int, "a"), (bool, "7"), (float, "Infinity"), (Small, "0")]
)
def test_texts_of_another_kind(kind, text):
    with pytest.raises(SettingError, match=f"x is '{text}', but must be {in_words(kind)}"):
        from_text("x", text, kind)


def test_what_is_shown_of_a_value_is_short():
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    for value in ("a" * 10_000, 10**4000, 1 << 100_000, deep, {"a" * 999: [1] * 999}):
        assert len(repr(shown(value))) < 150
    assert shown("short") == "short"


def test_a_hidden_value_is_not_shown():
    for wrong in (3, ["sk-123"], {"sk-123": 1}):
        with pytest.raises(SettingError) as error:
            checked(Outer(secret=wrong), "--")
        assert str(error.value).startswith("--secret is '[hidden]'")
        assert "123" not in str(error.value)


def test_settings_are_checked_and_put_right():
    given = Outer(words=["a"], pair=[1, 2], path="x", share=1, inner=Inner(rate=1))
    found = checked(given)
    expected = Outer("a", Path("x"), 1.0, ("a",), (1.0, 2.0), inner=Inner(rate=1.0))
    assert found == expected
    assert type(found.share) is type(found.inner.rate) is float
    assert checked(found) == found


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Outer(share=0), "--share"),
        (Outer(inner=Inner(width=0)), "--inner.width"),
        (Outer(inner=Inner(rate=math.nan)), "--inner.rate"),
        (Outer(inner=Outer()), "--inner"),
        (Outer(inner=Inner), "--inner"),
        (Outer(inner=3), "--inner"),
    ],
)
def test_the_wrong_one_is_named(settings, name):
    with pytest.raises(SettingError, match=f"^{name} is "):
        checked(settings, "--")


def test_a_part_of_the_values():
    found = updated(Outer(), {"flag": True, "inner": {"rate": 2}}, Names())
    assert found == Outer(flag=True, inner=Inner(width=3, rate=2.0))  # of Outer's own default
    assert updated(Outer(), None, Names()) == updated(Outer(), {}, Names()) == Outer()
    assert updated(Outer(), {"inner": None}, Names()) == Outer()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (3, "f.yaml is 3, but must be a mapping"),
        ([1], r"f.yaml is \[1\], but must be a mapping"),
        ({"inner": 3}, "inner in f.yaml is 3, but must be a mapping"),
        ({"nam": 3}, "setting in f.yaml is 'nam', but must be a known name, such as name"),
        ({"inner": {"widht": 3}}, "setting in f.yaml is 'inner.widht', .* such as inner.width"),
        ({3: 3}, "setting in f.yaml is '3'"),
        ({None: 3}, "setting in f.yaml is 'None'"),
        ({"a-b": 3, "flag": 1}, "setting in f.yaml is 'a-b'"),
        ({"inner": {"width": 0}}, "inner.width in f.yaml is 0"),
        ({"way": ["up"]}, r"way in f.yaml is \['up'\], but must be one of up, down"),
    ],
)
def test_values_that_mean_nothing(values, sentence):
    with pytest.raises(SettingError) as error:
        updated(Outer(), values, Names(source="f.yaml"))
    assert re.match(sentence, str(error.value))


def test_names_may_have_dashes_once():
    @dataclasses.dataclass(frozen=True)
    class Dashed:
        two_words: int = 0

    assert updated(Dashed(), {"two-words": 3}, Names()) == Dashed(3)
    with pytest.raises(SettingError, match="two_words is 4, but must be given once"):
        updated(Dashed(), {"two-words": 3, "two_words": 4}, Names())


outers = st.builds(
    Outer,
    name=st.text(max_size=4),
    path=st.none() | st.just(Path("a/b")),
    share=st.floats(1e-9, 1),
    words=st.lists(st.text(max_size=3), max_size=3).map(tuple),
    pair=st.none() | st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    way=st.sampled_from(["up", "down"]),
    flag=st.booleans(),
    inner=st.builds(Inner, width=st.integers(1, 100), rate=st.floats(1e-9, 1e9)),
)


@given(outers)
def test_what_is_written_is_read_back(settings):
    values = json.loads(json.dumps(plain(settings)))
    assert updated(Outer(), values, Names()) == settings


def test_pairs_of_names_and_values():
    assert pairs("x", ["a=1", "b-c=d=e"]) == {"a": "1", "b_c": "d=e"}
    for texts in (["a"], ["=1"], ["a="], ["a=1", "a=2"]):
        with pytest.raises(SettingError, match=r"^x is "):
            pairs("x", texts)


def test_kinds_of_functions():
    def make(space: "Nowhere", a: int, *rest: int, b: "float | None" = None, c=3, **more: str):
        pass

    kinds = kinds_of(make)
    assert kinds == {"space": Any, "a": int, "b": float | None, "c": Any, "**": str}
    assert parsed("x", ["b=null", "a=2"], kinds, "thing") == {"b": None, "a": 2}
    with pytest.raises(SettingError, match="x is 'c', but must be one of a, b"):
        parsed("x", ["c=1"], kinds, "thing")
    assert accepted({"a": "2", "c": make, "other": 1}, kinds, "thing")["c"] is make
    with pytest.raises(SettingError, match="a is 'no', but must be a whole number"):
        accepted({"a": "no"}, kinds, "thing")


def test_dotted_names():
    kinds = flat_kinds(Outer())
    assert "inner" not in kinds
    assert kinds["inner.rate"] == Positive
    values = parsed("x", ["inner.rate=2", "inner.width=9", "flag=true"], kinds, "thing")
    assert updated(Outer(), nested(values), Names()) == Outer(flag=True, inner=Inner(9, 2.0))


@dataclasses.dataclass(frozen=True)
class InnerNumbers:
    rate: NotNegative = 0.5


@dataclasses.dataclass(frozen=True)
class Numbers:
    count: Annotated[int, Range(1, 10)] = 1
    maybe: Annotated[int, Range(1, 10)] | None = None
    many: tuple[Annotated[int, Range(1, 10)], ...] = ()
    free: float = 0.0
    text: str = "\udc80"  # as of an argument that is not UTF-8
    on: bool = True
    inner: InnerNumbers = InnerNumbers()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "--count is 0, but must be a whole number from 1 to 10"),
        ({"count": 10**30}, "--count is"),
        ({"maybe": 11}, r"--maybe is 11, but must be a whole number from 1 to 10\.$"),
        ({"many": (1, 11)}, "--many is"),
        ({"free": float("nan")}, "--free is nan, but must be a finite number"),
        ({"free": float("inf")}, "--free is inf"),
        ({"inner": InnerNumbers(-1)}, "--inner.rate is -1"),
    ],
)
def test_numbers_are_checked_alone(values, message):
    check_numbers(Numbers())
    check_numbers(Numbers(count=10, maybe=1, many=(1, 2), free=-1))
    with pytest.raises(SettingError, match=message):
        check_numbers(Numbers(**values))


def test_the_option_of_imports_has_another_name():
    with pytest.raises(SettingError, match=r"--import is 'my\.py'"):
        updated(TrainConfig(), {"imports": "my.py"}, Names("--"))
