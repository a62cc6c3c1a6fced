"""JSON that every reader accepts."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.common import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refuse(text):
    raise AssertionError(f"{text} is not JSON")


def without_non_finite(value):
    if isinstance(value, dict):
        return {name: without_non_finite(x) for name, x in value.items()}
    if isinstance(value, list):
        return [without_non_finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(VALUES)
def test_non_finite_numbers_become_null_and_all_else_is_kept(value):
    text = strict_json.dumps(value)
    assert json.loads(text, parse_constant=refuse) == without_non_finite(value)
    assert strict_json.loads(text) == without_non_finite(value)


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", '{"a": -Infinity}', "1e400", "[-1e999]", "[" * 100_000, "", "{", "\0"],
)
def test_what_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        strict_json.loads(text)


def test_indents_and_refuses_objects():
    assert strict_json.dumps({"a": [1]}, indent=1) == json.dumps({"a": [1]}, indent=1)
    with pytest.raises(TypeError):
        strict_json.dumps({"a": object()})


def test_repeated_names_are_refused_on_request():
    text = '{"a": {"b": 1, "b": 2}}'
    assert strict_json.loads(text) == {"a": {"b": 2}}
    with pytest.raises(ValueError, match="duplicate key b"):
        strict_json.loads(text, repeated=False)
    assert strict_json.loads('{"a": {"b": 1}, "b": 2}', repeated=False) == {"a": {"b": 1}, "b": 2}
