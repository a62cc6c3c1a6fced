"""The vocabulary of missions, against every mission the official package makes."""

import contextlib
import io

import gymnasium
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.grid import cells
from didact.environments.language import vocabulary


def official_missions():
    names = [n for n in gymnasium.registry if n.startswith(("BabyAI-", "MiniGrid-"))]
    for name in names:
        if "WFC" in name:
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            e = gymnasium.make(name, disable_env_checker=True).unwrapped
            e.reset(seed=len(name))
        yield name, e.mission


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_official_mission_can_be_written_and_read():
    count, longest = 0, 0
    for name, mission in official_missions():
        ids = vocabulary.tokens(mission)
        assert vocabulary.decode(ids) == mission, name
        count, longest = count + 1, max(longest, len(ids))
    assert count > 150
    assert longest > vocabulary.DEFAULT_LENGTH  # so the next test is about something


def test_unknown_words_and_long_missions_are_refused():
    with pytest.raises(SettingError, match="'dance'"):
        vocabulary.encode("dance to the red ball")
    with pytest.raises(SettingError, match="at most 4"):
        vocabulary.encode("go to the red ball", length=4)


def test_padding_and_commas():
    text = "go to the red ball, then pick up a key"
    ids = vocabulary.encode(text)
    assert ids.shape == (16,)
    assert ids.dtype == np.uint8
    assert (ids[11:] == 0).all()
    assert vocabulary.decode(ids) == text


def test_go_to_is_the_sentence_of_its_target():
    for word, kind in cells.TYPES.items():
        for color, name in enumerate(cells.COLORS):
            target = np.full(2, kind), np.full(2, color)
            ids = np.asarray(vocabulary.go_to(*target, np.array([False, True])))
            assert vocabulary.decode(ids[0]) == f"go to the {name} {word}"
            assert vocabulary.decode(ids[1]) == f"go to a {name} {word}"


@pytest.mark.parametrize("wrong", [len(vocabulary.WORDS), 255, -1])
def test_numbers_of_no_word_are_refused(wrong):
    with pytest.raises(SettingError, match=f"token is {wrong}, but must be from 0 to"):
        vocabulary.decode([1, wrong])
