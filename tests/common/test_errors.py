"""The sentence of an error."""

import pytest

from didact.common.errors import LONGEST, SettingError

VALUES = ["x" * 100_000, 10**5000, -(10**5000), list(range(10_000))]


@pytest.mark.parametrize("value", VALUES, ids=["text", "large", "negative", "list"])
def test_long_values_are_cut(value):
    said = str(SettingError("--steps", value, "a number"))
    assert said.startswith("--steps is ")
    assert said.endswith(", but must be a number.")
    assert len(said) < LONGEST + 60


def test_short_values_are_shown():
    assert str(SettingError("rows", 0, "from 1 to 3")) == "rows is 0, but must be from 1 to 3."
