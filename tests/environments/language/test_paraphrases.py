"""Paraphrases: the pool and its splits, and what the device makes of missions."""

import contextlib
import io
import itertools
from collections import Counter

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import paraphrase_reader
import pytest
from scipy import stats

from didact.environments import SettingError, make
from didact.environments.grid import GridWorld, minigrid_import
from didact.environments.grid.levels import GROUPS
from didact.environments.grid.levels.family import babyai_step
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import POOL, SPLITS
from didact.environments.language.paraphrases import (
    all_paraphrases,
    max_paraphrase_length,
    paraphrase,
)

LENGTH = vocabulary.MAX_LENGTH
rephrase_ = jax.jit(paraphrase, static_argnames=("split", "length"))


def sentences(n, seed=0, places=True):
    rng = np.random.default_rng(seed)
    return [paraphrase_reader.some_sentence(rng, places) for _ in range(n)]


def rephrased(texts, split, seed=0, length=LENGTH):
    rows = jnp.asarray(np.stack([vocabulary.encode(text, length) for text in texts]))
    keys = jax.random.split(jax.random.key(seed), len(texts))
    return [vocabulary.decode(row) for row in np.asarray(rephrase_(keys, rows, split=split))]


@pytest.mark.parametrize("phrase", POOL)
def test_each_phrase_is_split_in_80_10_10(phrase):
    wordings = [POOL[phrase][split] for split in SPLITS]
    train, validation, test = map(len, wordings)
    assert train == 8 * validation == 8 * test
    assert wordings[0][0] == phrase
    everything = list(itertools.chain(*wordings))
    assert len(set(everything)) == len(everything) >= 10


def test_no_wording_stands_in_two_splits():
    found = [
        {wording for phrase in POOL for wording in POOL[phrase][split] if wording}
        for split in SPLITS
    ]
    for one, other in itertools.combinations(found, 2):
        assert not one & other


def test_all_words_are_in_the_vocabulary():
    for phrase in POOL:
        for wording in itertools.chain(*POOL[phrase].values()):
            vocabulary.tokens(wording.replace(" / ", " "))


def test_joiners_keep_the_order_of_doing():
    """In English: what decides which side comes first, whichever phrase the pool has it under."""

    def second_first(wording):
        ahead, _, between = wording.rpartition(" / ")
        if ahead:  # "before you A, B" or "after you A, B" or "first A, then B"
            return "before" in ahead.split()
        return "you" in between or "first" in between or "before" in between

    for phrase, expected in ((", then", False), ("after you", True)):
        for wording in itertools.chain(*POOL[phrase].values()):
            assert second_first(wording) == expected, wording


@pytest.mark.parametrize("split", SPLITS)
def test_every_paraphrase_is_read_as_what_was_said(split):
    told = sentences(300, seed=len(split))
    texts = [paraphrase_reader.plain(said) for said in told]
    others = rephrased(texts, split)
    changed = 0
    for said, text, other in zip(told, texts, others, strict=True):
        assert paraphrase_reader.readings(text) == {said}
        assert paraphrase_reader.readings(other) == {said}, other
        changed += other != text
    assert changed > 290
    everything = " / ".join(others).replace(",", " ,") + " "
    for phrase in POOL:
        for wording in POOL[phrase][split]:
            for part in filter(None, wording.split(" / ")):
                assert f" {part} " in f" {everything}", part


@pytest.mark.parametrize("split", SPLITS)
def test_the_device_says_what_the_host_lists_and_all_of_it_alike(split):
    for text in ("go to the red ball", "put a key next to the box"):
        ways = list(all_paraphrases(text, split))
        verb = "go to" if "go" in text else "put / next to"
        assert len(ways) == len(set(ways)) == len(POOL[""][split]) * len(POOL[verb][split])
        found = Counter(rephrased([text] * 6400, split, seed=3))
        assert set(found) == set(ways)
        if len(ways) > 1:
            counts = np.array([found[way] for way in ways])
            assert stats.chisquare(counts).pvalue > 1e-3 / 6


def test_joined_sentences_are_those_of_the_host():
    text = "open a door after you go to the key"
    ways = set(all_paraphrases(text, "test"))
    assert set(rephrased([text] * 300, "test")) == ways
    assert len(ways) == 2 * 2 * 2
    assert "well before you yank open a door, visit the key" in ways
    assert "i would like you to unlatch a door, but beforehand visit the key" in ways


def test_the_longest_wording_fits():
    """Against the longest wording of each phrase, in sentences of every length."""
    most = {
        phrase: max((w for s in SPLITS for w in POOL[phrase][s]), key=lambda w: len(tokens(w)))
        for phrase in POOL
    }
    found = {}
    for said in sentences(3000, seed=1):
        text = paraphrase_reader.plain(said)
        plain = len(vocabulary.tokens(text))
        size = plain + len(tokens(most[""]))
        clauses = [*said.one, *said.other]
        phrases = [clause.verb for clause in clauses] + ["and"] * (len(said.one) > 1)
        phrases += ["and"] * (len(said.other) > 1) + [said.joiner] * bool(said.joiner)
        phrases += [thing.place for clause in clauses for thing in clause.things if thing.place]
        size += sum(len(tokens(most[phrase])) - len(tokens(phrase)) for phrase in phrases)
        found[plain] = max(found.get(plain, 0), size)
    assert len(found) > 40
    for plain, size in found.items():
        assert size <= max_paraphrase_length(plain)
    assert max_paraphrase_length(5) == found[5]  # and it is not larger than it must be


def tokens(wording):
    return vocabulary.tokens(wording.replace(" / ", " "))


def test_a_key_decides_and_worlds_differ():
    texts = ["pick up the blue box"] * 50
    assert rephrased(texts, "train", 1) == rephrased(texts, "train", 1)
    assert rephrased(texts, "train", 1) != rephrased(texts, "train", 2)
    assert len(set(rephrased(texts, "train", 1))) > 20


OTHERS = (
    "",
    "use the key to open the door and then get to the goal",
    "open the red door then the blue door",
    "get to the green goal square",
    "go fetch a red ball",
    "put the red ball near the blue key",
    "go to the matching object at the end of the hallway",
)


def test_minigrids_own_missions_stay():
    assert rephrased(OTHERS, "train") == list(OTHERS)
    assert list(all_paraphrases(OTHERS[1], "test")) == [OTHERS[1]]


def test_the_same_key_makes_the_same_level_in_other_words():
    name = "BabyAI-GoToObjS4-v0"
    plain, other = make(name), make(name, phrasing="validation", mission_length=5)
    assert plain.observation_space["instruction"].shape == (16,)
    assert other.observation_space["instruction"].shape == (max_paraphrase_length(5),)
    tasks = plain.task_space.sample(jax.random.key(0), 64)
    (state, seen), (state2, seen2) = (
        jax.jit(world.reset)(jax.random.key(1), tasks) for world in (plain, other)
    )
    jax.tree.map(np.testing.assert_array_equal, state.world, state2.world)
    jax.tree.map(np.testing.assert_array_equal, state.goal, state2.goal)
    np.testing.assert_array_equal(seen.observation["image"], seen2.observation["image"])
    said = [vocabulary.decode(row) for row in np.asarray(state.mission)]
    again = [vocabulary.decode(row) for row in np.asarray(seen2.observation["instruction"])]
    for one, two in zip(said, again, strict=True):
        assert two in set(all_paraphrases(one, "validation"))
    state3, _ = jax.jit(other.step)(None, state2, jnp.zeros(64, jnp.int32))
    np.testing.assert_array_equal(state3.mission, state2.mission)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_levels_of_the_official_package_are_said_in_other_words():
    environments = []
    for seed in range(24):
        with contextlib.redirect_stdout(io.StringIO()):
            e = gymnasium.make("BabyAI-BossLevel-v0", disable_env_checker=True).unwrapped
            e.reset(seed=seed)
        environments.append(e)
    world = minigrid_import.world_of(environments, LENGTH, phrasing="test")
    tasks = jnp.arange(24.0)[:, None]
    _, seen = jax.jit(world.reset)(jax.random.key(0), tasks)
    joined = 0
    for e, row in zip(environments, np.asarray(seen.observation["instruction"]), strict=True):
        (said,) = paraphrase_reader.readings(e.mission)
        assert paraphrase_reader.readings(vocabulary.decode(row)) == {said}
        assert vocabulary.decode(row) != e.mission
        joined += bool(said.joiner)
    assert joined > 2


def test_settings_are_checked():
    with pytest.raises(SettingError, match="phrasing is 'dev', but must be None, or one of train"):
        make("GoTo", phrasing="dev")
    with pytest.raises(SettingError, match="phrasing is 'plain'"):
        next(all_paraphrases("go to the ball", "plain"))
    for group in GROUPS:
        arguments = {"family": group.family, "phrasing": "train"}
        arguments["mission_length"] = group.mission_length
        if group.family.play is babyai_step:
            GridWorld(group.space, **arguments)
        else:
            with pytest.raises(SettingError, match="None for MiniGrid's own missions"):
                GridWorld(group.space, **arguments)
