"""Settings of all benchmarks: the defaults are valid, and all numbers have bounds."""

import dataclasses
import typing

import pytest

from didact.benchmarks.registry import BENCHMARKS
from didact.common.setting_types import Range, kinds_of
from didact.common.settings import checked
from didact.environments import SettingError
from didact.experiments.cli import main


def numbers(kind, bounded=False):
    """Yield for each number in a kind whether it has bounds."""
    parts = typing.get_args(kind)
    if kind in (int, float):
        yield bounded
    elif typing.get_origin(kind) is typing.Annotated:
        yield from numbers(parts[0], any(isinstance(part, Range) for part in parts))
    elif not dataclasses.is_dataclass(kind):
        for part in parts:
            yield from numbers(part, bounded)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_settings(name):
    config = BENCHMARKS[name].config
    assert checked(config(), "--") == config()
    for field, kind in kinds_of(config).items():
        assert all(numbers(kind)), field


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("envgen", "--seeds", "1" + "0" * 30), "--seeds is"),
        (("toy", "--seeds", "1"), "--seeds is 1, but must be a whole number from 2 to 4,096"),
        (("curriculum", "--suite", "crossing", "--workers", "0"), "--workers is 0"),
        (("curriculum", "--steps", "0"), "--steps is 0"),
        (("sac", "--learning-rate", "nan"), "--learning-rate is nan"),
        (("commits", "--rounds", "-1"), "--rounds is -1"),
    ],
)
def test_the_command_line_checks_them(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(["benchmark", *words])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_python_checks_them():
    with pytest.raises(SettingError, match="--cycles is 0"):
        checked(dataclasses.replace(BENCHMARKS["envgen"].config(), cycles=0), "--")
