"""Spaces of observations and actions: what they accept, and as JSON."""

import json

import numpy as np
import pytest

from didact.environments import ArraySpace, Discrete, SettingError
from didact.environments.spaces import action_space_from_json


@pytest.mark.parametrize(
    ("n", "names", "sentence"),
    [
        (0, (), "n is 0, but must be a whole number from 1"),
        (True, (), "n is True"),
        (2.0, (), "n is 2.0"),
        (3, ("a",), "3 different texts, or none"),
        (2, ("a", "a"), "2 different texts"),
        (2, ("a", 1), "2 different texts"),
    ],
)
def test_numbers_and_names_of_actions_must_fit(n, names, sentence):
    with pytest.raises(SettingError, match=sentence):
        Discrete(n, names)


@pytest.mark.parametrize("space", [Discrete(np.int64(3)), Discrete(2, ["left", "right"])])
def test_actions_survive_a_round_trip_through_json(space):
    again = action_space_from_json(json.loads(json.dumps(space.to_json())))
    assert again.n == space.n
    assert again.action_names == space.action_names


def test_bounds_of_numpy_are_written_as_json():
    space = ArraySpace((2,), np.float32, np.float32(-1), np.int64(1))
    again = ArraySpace.from_json(json.loads(json.dumps(space.to_json())))
    assert (again.low, again.high) == (-1, 1)
