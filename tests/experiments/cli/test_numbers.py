"""Numbers on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.experiments.cli._numbers import number, whole


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers(value):
    assert whole(str(value)) == value
    assert whole(f"{value:_}") == value
    assert whole(f"{value}e6") == value * 10**6


@pytest.mark.parametrize(
    ("text", "value"),
    [("640", 640), ("+640", 640), ("5e6", 5_000_000), ("2.5E+6", 2_500_000), ("0e0", 0)],
)
def test_forms(text, value):
    assert (whole(text), type(whole(text))) == (value, int)


@pytest.mark.parametrize(
    "text",
    [
        *("", "²", "٦٤٠", "６４０", " 640", "640\n", "6__40", "_640", "1.5", "1e-1", "1.25e1"),
        *("nan", "inf", "1e400", "1e999999999", "0x10", "1" * 5000),
    ],
)
def test_what_is_no_whole_number(text):
    with pytest.raises(ValueError, match=r"is not a whole number, such as 640 or 5e6$") as error:
        whole(text)
    assert len(str(error.value)) < 100


@given(st.floats(allow_nan=False))
def test_numbers(value):
    assert number(repr(value)) == value


@pytest.mark.parametrize("text", ["", "x", "٠.٥", " 0.5", "0.5\n", "1__0", "0x1p3", "1,5"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match=r"is not a number, such as 0.5 or 3e-4$"):
        number(text)


@pytest.mark.parametrize(
    "words",
    [
        *("train --steps ²", "train --num-envs nan", "compose x --steps ٦٤٠", "train --warm-up ½"),
        *("compose x --steps nan", "benchmark curriculum --seeds x", "train --llm.max-cost 1e9x"),
    ],
)
def test_the_option_is_named(words, capsys):
    from didact.experiments.cli import main

    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    message = " ".join(capsys.readouterr().err.split())
    assert words.split()[-2] in message
    assert "number, such as" in message.replace("│ │ ", "")
