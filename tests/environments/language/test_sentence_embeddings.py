"""Sentence vectors: tables, clauses, and worlds that tell missions by their vectors."""

import contextlib
import io
import re
import zlib

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import paraphrase_reader
import pytest

from didact.environments import Environment, SettingError, make
from didact.environments.language import grammar, sentence_embeddings, vocabulary
from didact.environments.language.paraphrases import all_paraphrases

D = 5
ROOM = "BabyAI-GoToLocalS5N2-v0"


def encoder(texts):
    """Stands in for a language model: numbers that only the text decides."""
    rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=D) for text in texts]
    return np.array(rows).reshape(-1, D)


def one(text):
    return encoder([text])[0].astype(np.float32)


def rows_of(texts, length=vocabulary.MAX_LENGTH):
    return jnp.asarray(np.stack([vocabulary.encode(text, length) for text in texts]))


def some_texts(n, seed=0):
    rng = np.random.default_rng(seed)
    return [paraphrase_reader.plain(paraphrase_reader.some_sentence(rng)) for _ in range(n)]


def official_missions(name, count):
    with contextlib.redirect_stdout(io.StringIO()):
        e = gymnasium.make(name, disable_env_checker=True).unwrapped
        for seed in range(count):
            e.reset(seed=seed)
            yield e.mission


def in_order(text):
    """The clauses of the side that is done first, and those of the other; on the host."""
    first, joiner, second = ([*re.split("(, then | after you )", text), "", ""])[:3]
    sides = [side.split(" and ") if side else [] for side in (first, second)]
    one, other = sides[::-1] if "after" in joiner else sides
    pad = [""] * 2
    return (one + pad)[:2] + (other + pad)[:2]


def test_each_text_finds_its_own_vector():
    texts = some_texts(500)
    table = sentence_embeddings.embed_sentences(texts, encoder)
    assert set(table.texts) == set(texts)
    assert table.features == D
    for length in (max(len(vocabulary.tokens(text)) for text in texts), 100):
        found = np.asarray(jax.jit(table.find)(rows_of(texts, length)))
        assert (found >= 0).all()
        np.testing.assert_array_equal(
            np.asarray(table.vectors)[found], encoder(texts).astype(np.float32)
        )


def test_other_texts_are_unknown_and_zero():
    texts = some_texts(200)
    table = sentence_embeddings.embed_sentences(texts, encoder)
    others = sorted(set(some_texts(200, seed=1)) - set(texts))
    others += [text + " and open the door" for text in texts]  # longer than any row of the table
    others += [" ".join(text.split()[:-1]) for text in texts]
    others = [text for text in others if text not in texts]
    found = np.asarray(table.find(rows_of(others, 100)))
    assert (found == sentence_embeddings.UNKNOWN).all()
    assert (np.asarray(table.vectors)[found] == 0).all()


def test_texts_of_one_hash_are_not_taken_for_one_another():
    texts = some_texts(50)
    table = sentence_embeddings.embed_sentences(texts, encoder)
    same = table._replace(hashes=table.hashes * 0, powers=table.powers * 0)
    found = np.asarray(same.find(rows_of(table.texts)))
    assert found[0] == 0
    assert (found[1:] == sentence_embeddings.UNKNOWN).all()


def test_hashes_that_collide_are_tried_again(monkeypatch):
    texts = some_texts(20)
    calls = []
    whole = sentence_embeddings._hashes

    def few(tokens, powers):
        calls.append(powers)
        return whole(tokens, powers) % (4 if len(calls) < 4 else 2**31 - 1)

    monkeypatch.setattr(sentence_embeddings, "_hashes", few)
    table = sentence_embeddings.embed_sentences(texts, encoder)
    assert len(calls) == 4
    assert (np.diff(np.asarray(table.hashes).astype(np.int64)) > 0).all()
    monkeypatch.setattr(
        sentence_embeddings, "_hashes", lambda tokens, powers: whole(tokens, powers) % 4
    )
    with pytest.raises(SettingError, match="20 of them"):
        sentence_embeddings.embed_sentences(texts, encoder)


def test_what_is_said_twice_is_encoded_once():
    asked = []

    def listening(texts):
        asked.append(texts)
        return encoder(texts)

    sentence_embeddings.embed_sentences(
        ["go to the ball", "open a door", "go to the ball"], listening
    )
    assert asked == [["go to the ball", "open a door"]]


def test_clauses_are_those_of_the_text():
    texts = some_texts(300)
    rows = np.asarray(jax.jit(sentence_embeddings.clauses_of)(rows_of(texts)))
    for text, clauses in zip(texts, rows, strict=True):
        assert [vocabulary.decode(clause) for clause in clauses] == in_order(text)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_all_clauses_are_those_of_official_missions():
    assert (
        len(sentence_embeddings.all_clauses())
        == len(set(sentence_embeddings.all_clauses()))
        == 140 + 3920
    )
    assert len(sentence_embeddings.all_clauses((grammar.GO_TO,))) == 70
    everything = set(sentence_embeddings.all_clauses(locations=True))
    bare = set(sentence_embeddings.all_clauses())
    for name, known in (("BabyAI-BossLevel-v0", everything), ("BabyAI-Synth-v0", bare)):
        told = list(official_missions(name, 100))
        clauses = sentence_embeddings.clauses_of(rows_of(told)).reshape(-1, vocabulary.MAX_LENGTH)
        found = {vocabulary.decode(row) for row in np.asarray(clauses)} - {""}
        assert len(found) > 60
        assert found <= known


@pytest.fixture(scope="module")
def room():
    return make(ROOM, packed=True)


@pytest.fixture(scope="module")
def room_missions(room):
    return sentence_embeddings.missions_of(room)


def test_missions_of_a_room_are_all_found(room_missions):
    kinds = [
        f"{color} {kind}" for color in paraphrase_reader.COLORS for kind in ("key", "ball", "box")
    ]
    assert room_missions == sorted(f"go to {a} {kind}" for a in ("a", "the") for kind in kinds)


@pytest.mark.slow
def test_worlds_tell_their_vectors(room, room_missions):
    world = sentence_embeddings.with_sentence_embeddings(
        room, sentence_embeddings.embed_sentences(room_missions, encoder)
    )
    tasks = world.task_space.sample(jax.random.key(0), 32)
    state, seen = jax.jit(world.reset)(jax.random.key(1), tasks)
    plain_state, plain = jax.jit(room.reset)(jax.random.key(1), tasks)
    step, plain_step = jax.jit(world.step), jax.jit(room.step)
    for _ in range(3):
        assert set(seen.observation) == set(world.observation_space)
        space = world.observation_space[sentence_embeddings.KEY]
        told = np.asarray(seen.observation[sentence_embeddings.KEY])
        assert told.shape == (32, *space.shape)
        assert told.dtype == space.dtype
        assert np.abs(told).max() <= space.high
        for i in range(32):
            single = {name: np.asarray(x)[i] for name, x in seen.observation.items()}
            np.testing.assert_allclose(told[i], one(world.instruction_text(single)))
        for name, expected in plain.observation.items():
            np.testing.assert_array_equal(seen.observation[name], expected)
        actions = jnp.full(32, 2)
        state, seen = step(None, state, actions)
        plain_state, plain = plain_step(None, plain_state, actions)
    assert not bool(sentence_embeddings.unknown_missions(state).any())
    np.testing.assert_array_equal(world.render(state, 3), room.render(plain_state, 3))


class Saying(Environment):
    """An environment that says given missions and does nothing else."""

    def __init__(self, texts):
        self.rows = rows_of(texts)
        self.task_space = make(ROOM).task_space
        self.action_space, self.max_steps, self.propositions = None, 9, ()
        self.observation_space = {"instruction": make("Synth").observation_space["instruction"]}

    def reset(self, key, tasks):
        no = jnp.zeros(len(self.rows), bool)
        return None, make_timestep({"instruction": self.rows}, no)


def make_timestep(observation, no):
    from didact.environments.base import Timestep

    return Timestep(observation, no * 0.0, no, no, no, no[:, None])


def test_a_mission_that_is_missing_is_zero_and_told(room_missions):
    known = room_missions[::2]
    world = sentence_embeddings.with_sentence_embeddings(
        Saying(room_missions), sentence_embeddings.embed_sentences(known, encoder)
    )
    state, seen = world.reset(jax.random.key(0), jnp.zeros((len(room_missions), 7)))
    missing = np.array([text not in known for text in room_missions])
    np.testing.assert_array_equal(sentence_embeddings.unknown_missions(state), missing)
    zero = (np.asarray(seen.observation[sentence_embeddings.KEY]) == 0).all(axis=1)
    np.testing.assert_array_equal(zero, missing)


def test_missions_of_clauses():
    texts = [
        "go to the ball",
        "open a door after you go to a key",
        "pick up the box and open a door",
    ]
    texts += ["go to a ball, then put the red ball next to a box"]
    table = sentence_embeddings.embed_sentences(sentence_embeddings.all_clauses(), encoder)
    saying = Saying([*texts, "go to the ball and go to the matching object"])
    for way in ("mean", "concatenated"):
        world = sentence_embeddings.with_sentence_embeddings(saying, table, way)
        state, seen = world.reset(jax.random.key(0), jnp.zeros((5, 7)))
        told = np.asarray(seen.observation[sentence_embeddings.KEY])
        assert told.shape == (5, *world.observation_space[sentence_embeddings.KEY].shape)
        for text, row in zip(texts, told, strict=False):
            parts = [one(part) if part else np.zeros(D) for part in in_order(text)]
            if way == "mean":
                expected = np.sum(parts, 0) / sum(part != "" for part in in_order(text))
            else:
                expected = np.concatenate(parts)
            np.testing.assert_allclose(row, expected, atol=1e-6)
        np.testing.assert_array_equal(
            sentence_embeddings.unknown_missions(state), [False] * 4 + [True]
        )


def test_paraphrases_have_vectors_too(room_missions):
    """Those of another split are other texts of the same worlds."""
    world = make(ROOM, phrasing="test", mission_length=5)
    texts = [way for text in room_missions for way in all_paraphrases(text, "test")]
    table = sentence_embeddings.embed_sentences(texts, encoder)
    assert len(table.texts) == 36 * 2
    told = sentence_embeddings.with_sentence_embeddings(world, table)
    tasks = told.task_space.sample(jax.random.key(0), 32)
    state, seen = jax.jit(told.reset)(jax.random.key(1), tasks)
    assert not bool(sentence_embeddings.unknown_missions(state).any())
    for row, vector in zip(
        seen.observation["instruction"], seen.observation[sentence_embeddings.KEY], strict=True
    ):
        np.testing.assert_allclose(vector, one(vocabulary.decode(np.asarray(row))))
    with pytest.raises(SettingError, match="whole if instructions are paraphrased"):
        sentence_embeddings.with_sentence_embeddings(world, table, "mean")


def test_settings_are_checked(room):
    table = sentence_embeddings.embed_sentences(["go to the ball"], encoder)
    with pytest.raises(SettingError, match="pooling is 'sum'"):
        sentence_embeddings.with_sentence_embeddings(room, table, "sum")
    with pytest.raises(SettingError, match="environment is"):
        sentence_embeddings.with_sentence_embeddings(make("ToyGrid"), table)
    with pytest.raises(SettingError, match="at least one text"):
        sentence_embeddings.embed_sentences([], encoder)
    with pytest.raises(SettingError, match="'dance'"):
        sentence_embeddings.embed_sentences(["dance"], encoder)
    for bad in (lambda texts: np.zeros(3), lambda texts: np.zeros((2, 3)), lambda t: [[np.nan]]):
        with pytest.raises(SettingError, match="output of shape"):
            sentence_embeddings.embed_sentences(["go to the ball"], bad)
