"""Encoders are chosen by what observations say of themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_policy
from small_policy import modules, shaken

from didact.environments import ArraySpace, Discrete, SettingError
from didact.students import NetworkConfig, encoders
from didact.students.networks import actor_critic
from didact.students.networks.encoders import Context, encoder_of, normalised, read_spaces

T, N = 2, 3
CONFIG = NetworkConfig(
    cell_embedding=4,
    cell_features=3,
    token_embedding=4,
    instruction_features=6,
    hidden=8,
    memory=5,
    pixel_channels=(4, 5),
)
WORDS = ArraySpace((4,), np.uint8, 0, 9, "tokens", role="instruction")
SENTENCE = ArraySpace((6,), np.float32, -1, 1, role="instruction")
KINDS = {
    "vector": ArraySpace((3,), np.float32, -1, 1),
    "number": ArraySpace((), np.float32, -1, 1),
    "whole": ArraySpace((2,), np.int32, 0, 7, "vector"),
    "flags": ArraySpace((4,), bool, 0, 1),
    "category": ArraySpace((), np.int32, 0, 3, "category"),
    "cells": ArraySpace((5, 4), np.uint8, 0, 30, "cells", (31,)),
    "channel": ArraySpace((5, 4, 1), np.uint8, 0, 30, "cells", (31,)),
    "channels": ArraySpace((5, 4, 2), np.uint8, 0, 4, "cells", (5, 5)),
    "pixels": ArraySpace((9, 8, 3), np.uint8, 0, 255, "pixels"),
    "tokens": ArraySpace((5,), np.uint8, 0, 20, "tokens"),
    "message": ArraySpace((2, 3), np.int32, 0, 20, "tokens"),
}
FEEDBACK = ArraySpace((2, 3), np.int32, 0, 20, "tokens", role="feedback")


def drawn(space, seed=0):
    rng = np.random.default_rng(100 + seed)
    shape = (T, N, *space.shape)
    if np.dtype(space.dtype).kind == "f":
        return jnp.asarray(rng.uniform(space.low, space.high, shape), space.dtype)
    return jnp.asarray(rng.integers(space.low, space.high + 1, shape), space.dtype)


class Reading:
    """A network of some spaces with parameters, and its values for observations."""

    def __init__(self, spaces):
        self.network = actor_critic(spaces, Discrete(3), CONFIG)
        self.rest = jnp.zeros((N, CONFIG.memory)), jnp.zeros((T, N), bool)
        self.observation = {name: drawn(s, -i) for i, (name, s) in enumerate(spaces.items())}
        params = jax.jit(self.network.init)(jax.random.key(0), self.observation, *self.rest)
        self.params = shaken(params)
        self.run = jax.jit(lambda seen: self.network.apply(self.params, seen, *self.rest)[1])
        self.value = self.run(self.observation)

    def changes(self, **more):
        """How far the value of each row moves with other observations."""
        return np.abs(self.run(self.observation | more) - self.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read(kind):
    """Each element of an observation matters to its own row, and to no other environment."""
    space = KINDS[kind]
    reading = Reading({"it": space})
    before = reading.observation["it"]
    assert (reading.changes(it=drawn(space, 1)) > 1e-5).any()
    other = jnp.asarray(before).at[:, 1].set(drawn(space, 1)[:, 1])
    moved = reading.changes(it=other)
    assert (moved[:, [0, 2]] == 0).all()
    assert reading.value.shape == (T, N)


def test_one_channel_is_as_none():
    """Cells [h, w, 1] are cells [h, w]."""
    one, none = KINDS["channel"], KINDS["cells"]
    values = []
    for space, shape in ((none, (5, 4)), (one, (5, 4, 1))):
        module = encoder_of("it", space, Context(CONFIG, None, None))
        image = drawn(none).reshape(T, N, *shape)
        values.append(module.apply(module.init(jax.random.key(0), image), image))
    np.testing.assert_array_equal(*values)


def test_cells_read_their_code_book():
    """Two cells of the same code have the same features; another code has others."""
    module = encoder_of("it", KINDS["channels"], Context(CONFIG, None, None))
    image = jnp.zeros((1, 3, 5, 4, 2), jnp.uint8).at[0, 1, 0, 0].set(jnp.uint8([2, 3]))
    image = image.at[0, 2, 0, 0].set(jnp.uint8([3, 2]))
    params = shaken(module.init(jax.random.key(0), image))
    features = np.asarray(module.apply(params, image))[0]
    assert len(np.unique(features.round(5), axis=0)) == 3
    # Codes are one number each: 2 * 5 + 3 is read from row 13 of the table, and nothing else.
    table = params["params"]["codes"]
    assert table.shape == (25, CONFIG.cell_embedding)
    swapped = {"params": params["params"] | {"codes": table.at[13].set(table[0])}}
    again = np.asarray(module.apply(swapped, image))[0]
    np.testing.assert_allclose(again[1], features[0], atol=1e-6)
    np.testing.assert_allclose(again[2], features[2], atol=1e-6)


def test_two_images_are_read_at_once():
    reading = Reading({"map": KINDS["cells"], "camera": KINDS["pixels"], "other": KINDS["cells"]})
    for name in reading.observation:
        space = reading.network.spaces
        assert (reading.changes(**{name: drawn(dict(space)[name], 1)}) > 1e-5).any(), name
    # Each has its own parameters.
    swapped = {"map": reading.observation["other"], "other": reading.observation["map"]}
    assert (reading.changes(**swapped) > 1e-5).any()


@pytest.mark.parametrize("instruction", [WORDS, SENTENCE], ids=["tokens", "vector"])
@pytest.mark.parametrize("sight", ["pixels", "cells", "vector", "category"])
def test_instructions_matter(sight, instruction):
    """They modulate what is seen; where nothing is to be modulated they are read all the same."""
    reading = Reading({"it": KINDS[sight], "task": instruction})
    assert (reading.changes(task=drawn(instruction, 1)) > 1e-6).all()
    assert (reading.changes(it=drawn(KINDS[sight], 1)) > 1e-6).any()
    # Modulated pictures: the instruction changes how much the picture matters.
    added = "instructed" in modules(reading.params)
    assert added == (sight in ("vector", "category"))


def test_modulation_is_not_addition():
    """Of two pictures, an instruction moves the value by different amounts."""
    for sight in ("pixels", "cells"):
        reading = Reading({"it": KINDS[sight], "task": WORDS})
        one, two = drawn(KINDS[sight], 1), drawn(WORDS, 1)
        together = reading.run({"it": one, "task": two}) - reading.run(
            {"it": one, "task": reading.observation["task"]}
        )
        alone = reading.run({"it": reading.observation["it"], "task": two}) - reading.value
        assert (np.abs(together - alone) > 1e-6).any()


def test_vectors_take_precedence_over_tokens_of_the_same_role():
    spaces = {"it": KINDS["vector"], "words": WORDS, "sentence": SENTENCE}
    assert set(read_spaces(spaces)) == {"it", "sentence"}
    reading = Reading(spaces)
    assert (reading.changes(words=drawn(WORDS, 1)) == 0).all()
    assert (reading.changes(sentence=drawn(SENTENCE, 1)) > 1e-6).any()
    # Of roles, not of names; and tokens without a role are read beside any vector.
    heard = ArraySpace((4,), np.float32, -1, 1, role="feedback")
    more = {"message": FEEDBACK, "heard": heard, "tokens": KINDS["tokens"]}
    assert set(read_spaces(spaces | more)) == {"it", "sentence", "heard", "tokens"}


def test_hidden_observations_are_not_read():
    hidden = ArraySpace((3, 3, 3), np.uint8, 0, 255, "hidden")
    reading = Reading({"it": KINDS["vector"], "place": hidden})
    assert (reading.changes(place=drawn(hidden, 1)) == 0).all()
    assert "encoders_place" not in modules(reading.params)


def test_a_registered_kind_is_read(monkeypatch):
    """A user's encoder, which sees the instruction, too."""
    import flax.linen as nn

    class Graph(nn.Module):
        hidden: int

        @nn.compact
        def __call__(self, values, words=None):
            said = jnp.sum(words, axis=-1, keepdims=True) if words is not None else 0
            return nn.Dense(self.hidden)(jnp.sum(values, axis=-1) + said)

    monkeypatch.setattr(encoders.ENCODERS, "_entries", dict(encoders.ENCODERS._entries))
    space = ArraySpace((4, 4), np.float32, 0, 1, "graph")
    with pytest.raises(SettingError, match="kind of observation 'it' is 'graph', but must be one"):
        actor_critic({"it": space}, Discrete(3), CONFIG)
    seen = []
    encoders.register(
        "graph", lambda s, context: seen.append(s) or Graph(context.config.hidden), "graphs"
    )
    reading = Reading({"it": space, "task": WORDS})
    assert (reading.changes(it=drawn(space, 1)) > 1e-6).any()
    assert set(seen) == {space}
    with pytest.raises(SettingError, match="encoder is 'graph', but must be a name that is not"):
        encoders.register("graph", lambda s, context: Graph(8), "graphs again")


PLAIN = {"it": KINDS["vector"]}


@pytest.mark.parametrize(
    ("spaces", "words"),
    [
        (
            {"camera": ArraySpace((9, 8, 3), np.uint8, 0, 255)},
            r"kind of observation 'camera' of shape \(9, 8, 3\) is None.*pixels.*inferred",
        ),
        ({"camera": ArraySpace((9, 8, 3), np.float32)}, "kind of observation 'camera'"),
        ({"it": ArraySpace((9,), np.float32, kind="odour")}, "is 'odour', but must be one of"),
        ({"task": WORDS}, r"observations is \['task'\].*at least one that shows the world"),
        ({"said": FEEDBACK}, r"observations is \['said'\]"),
        (PLAIN | {"a": WORDS, "b": WORDS}, r"observations is \['a', 'b'\].*one with the role"),
        (
            PLAIN | {"task": ArraySpace((2, 4), np.uint8, 0, 9, "tokens", role="instruction")},
            r"instruction 'task' is \('tokens', \(2, 4\)\)",
        ),
        (
            PLAIN | {"task": ArraySpace((8, 8, 3), np.uint8, 0, 9, "pixels", role="instruction")},
            "instruction 'task' is",
        ),
        (PLAIN | {"task": ArraySpace((), np.float32, role="instruction")}, "instruction 'task' is"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(spaces, words):
    with pytest.raises(SettingError, match=words) as caught:
        actor_critic(spaces, Discrete(3), CONFIG)
    assert "\n" not in str(caught.value)


def test_what_is_normalised():
    """Real vectors without a role: no tokens, cells, pictures, flags or whole numbers."""
    spaces = KINDS | {"words": WORDS, "sentence": SENTENCE} | small_policy.NUMBERS
    found = {name for name, space in spaces.items() if normalised(space)}
    assert found == {"vector", "number", "numbers"}
    for name in ("vector", "whole", "flags", "category", "tokens"):
        inner = modules(Reading({"it": KINDS[name]}).params)["encoders_it"]
        assert ("normalisation" in inner) == (name == "vector")
