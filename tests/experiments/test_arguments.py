"""Arguments of `train` that are of another kind: one sentence, before anything is done."""

import pytest

import didact
from didact.environments import SettingError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"callbacks": 5}, "callbacks is 5, but must be a list of Callback objects"),
        ({"callbacks": None}, "callbacks is None"),
        ({"callbacks": "x"}, "callbacks is 'x'"),
        ({"callbacks": lambda row: None}, "callbacks is .*, but must be a list"),
        ({"callbacks": [5]}, "callbacks is 5"),
        ({"config": 5}, "config is 5, but must be a TrainConfig"),
        ({"config": {"env": "ToyGrid"}}, "config is .* but must be a TrainConfig"),
        ({"resume": 5}, "resume is 5, but must be the path of a run folder"),
        ({"resume": "nowhere", "checkpoint": "x"}, "checkpoint is 'x'"),
        ({"resume": "nowhere", "checkpoint": -1}, "checkpoint is -1"),
        ({"checkpoint": 5}, "checkpoint is 5, but must be given together with resume"),
        ({"imports": "my.py"}, r"--import is 'my\.py'"),
    ],
)
def test_arguments_of_another_kind(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=message):
        didact.train(**arguments)
    assert not list(tmp_path.iterdir())
