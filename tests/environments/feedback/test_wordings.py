"""The pools of wordings: the built-in one, and files that users bring."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make, with_feedback
from didact.environments.capabilities import SILENT, Remark
from didact.environments.feedback.messages import (
    MORE_WORDS,
    VOCABULARY_SIZE,
    Message,
    Speech,
)
from didact.environments.feedback.wordings import (
    ACTIONS,
    POOL,
    REMARKS,
    SPLITS,
    THING,
    WITH_THING,
    checked_pool,
    read_pool,
    words_of,
)
from didact.environments.grid.feedback.solver_feedback import THINGS
from didact.environments.language import vocabulary

GRID = make("BabyAI-GoToLocal-v0").feedback()


def wordings(pool, *splits):
    return [text for name in pool for split in splits for text in pool[name][split]]


def test_the_pool_is_split_for_good():
    for name in REMARKS:
        sizes = [len(POOL[name][split]) for split in SPLITS]
        assert sizes[0] == 0.8 * sum(sizes), name
        assert sizes[1] == sizes[2], name
        for text in wordings({name: POOL[name]}, *SPLITS):
            assert (THING in text) == (name in WITH_THING)
    everything = [tuple(words_of(text)) for text in wordings(POOL, *SPLITS)]
    assert len(set(everything)) == len(everything)


def test_words_said_in_test_are_hardly_ever_new():
    known = {word for text in wordings(POOL, "train") for word in words_of(text)}
    new = [text for text in wordings(POOL, "test") if not set(words_of(text)) <= known]
    assert len(new) <= len(REMARKS) // 4


def test_ids_of_words_are_those_of_missions_and_then_their_own():
    # This word is newer in instructions (of bodies); in feedback it keeps the id that it had.
    assert set(MORE_WORDS) & set(vocabulary.WORDS) == {"stop"}
    assert vocabulary.VOCABULARY_SIZE + len(MORE_WORDS) <= VOCABULARY_SIZE
    speeches = [Speech(GRID, phrasing=phrasing) for phrasing in ("template", *SPLITS)]
    assert len({speech.length for speech in speeches}) == 1
    assert {speech.vocabulary for speech in speeches} == {VOCABULARY_SIZE}


def said(speech):
    """All that is said of every action, in many draws."""
    n, none = 40, jnp.full(40 * len(ACTIONS), SILENT)
    actions = jnp.arange(len(ACTIONS)).repeat(n)
    thing = jnp.full(len(actions), THINGS.index("red ball"))
    draws = jax.random.uniform(jax.random.key(0), (len(actions), 3))
    message = Message(*(Remark(number, thing) for number in (none, actions, none)))
    rows = speech.tokens(message, draws)
    texts = [speech.text(row) for row in np.asarray(rows)]
    return {name: set(texts[i * n : (i + 1) * n]) for i, name in enumerate(ACTIONS)}


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_said_is_of_the_split(split):
    for name, texts in said(Speech(GRID, phrasing=split)).items():
        expected = {text.replace(THING, "red ball") for text in POOL[name][split]}
        assert texts == {text.replace(" ,", ",") for text in expected}


def test_a_file_of_wordings_is_read(tmp_path):
    path = tmp_path / "pool.json"
    told = {
        "left": [f"kindly veer left {n}" for n in ("now", "soon", "please", "sir", "dear")],
        "pick up": {
            "train": ["hoist the {thing}"],
            "validation": ["heave the {thing}"],
            "test": ["snap up the {thing}"],
        },
    }
    path.write_text(json.dumps(told))
    pool = read_pool(path)
    assert [len(pool["left"][split]) for split in SPLITS] == [3, 1, 1]
    assert pool["right"] == POOL["right"]
    speech = Speech(GRID, pool, "train")
    new = {"dear", "heave", "hoist", "kindly", "sir", "snap", "veer"}
    assert speech.vocabulary == VOCABULARY_SIZE + len(new) - len(new & set(vocabulary.WORDS))
    assert said(speech)["left"] == {f"kindly veer left {n}" for n in ("now", "soon", "please")}
    assert said(speech)["pick up"] == {"hoist the red ball"}
    world = with_feedback(make("BabyAI-GoToLocalS6N4-v0"), pool=path, phrasing="train")
    assert world.observation_space["feedback"].high == speech.vocabulary - 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([], "an object"),
        ({"sing": ["a", "b", "c"]}, "sing"),
        ({"left": ["turn left", "go left"]}, "left, train"),
        ({"left": "turn left"}, "a list of wordings"),
        ({"left": {"train": ["a"], "test": ["b"]}}, "validation"),
        ({"left": ["a b", "A  b", "c"]}, "only once"),
        ({"left": ["turn right", "b", "c"]}, "only once"),
        ({"left": ["a", "b", "the {thing}"]}, "without {thing}"),
        ({"pick up": ["take it", "take the {thing}", "get the {thing}"]}, "once"),
        ({"left": ["a", "b", 3]}, "words of"),
        ({"left": ["a", "b", ""]}, "words of"),
        ({"left": ["a", "b", "<b>x</b>"]}, "words of"),
        ({"left": ["a", "b", "c " * 40]}, "words of"),
        ({"left": ["a", "b", "look at the red wall"]}, "without names of colors"),
    ],
)
def test_bad_pools_are_refused(told, message):
    with pytest.raises(SettingError, match=message):
        checked_pool(told)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b" " * 2_000_000, None])
def test_bad_files_are_refused(content, tmp_path):
    path = tmp_path / "pool.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError, match=r"pool is .*pool\.json"):
        read_pool(path)
