"""Students read feedback: what the encoder makes of messages, and policies of before."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import ArraySpace
from didact.students.config import NetworkConfig
from didact.students.networks import FeedbackEncoder, actor_critic

CONFIG = NetworkConfig(
    cell_embedding=6,
    cell_features=3,
    token_embedding=4,
    instruction_features=5,
    hidden=8,
    memory=5,
)
PLAIN = {
    "image": ArraySpace((7, 7), jnp.uint8, 0, 127),
    "direction": ArraySpace((), jnp.int32, 0, 3),
    "instruction": ArraySpace((6,), jnp.uint8, 0, 20),
}
TOLD = PLAIN | {"feedback": ArraySpace((3, 4), jnp.int32, 0, 511)}


def outputs(spaces, params=None, **more):
    network = actor_critic(spaces, 3, CONFIG)
    observation = {
        name: jnp.asarray(
            np.random.default_rng(i).integers(0, int(space.high) + 1, (2, 3, *space.shape))
        ).astype(space.dtype)
        for i, (name, space) in enumerate(spaces.items())
    } | more
    rest = jnp.zeros((3, 5)), jnp.zeros((2, 3), bool)
    params = params or network.init(jax.random.key(0), observation, *rest)
    return params, network.apply(params, observation, *rest)[0]


def test_messages_are_read_as_by_hand():
    rng = np.random.default_rng(0)
    tokens, parts = rng.integers(1, 50, (7, 6)), rng.integers(0, 3, 7)
    tokens[:, 4:] *= rng.random((7, 2)) < 0.5
    encoder = FeedbackEncoder(50, 3, CONFIG)
    params = encoder.init(jax.random.key(1), jnp.asarray(tokens), jnp.asarray(parts))["params"]
    told = encoder.apply({"params": params}, jnp.asarray(tokens), jnp.asarray(parts))
    table, places = np.asarray(params["embedding"]), np.asarray(params["places"])
    first, second = params["Dense_0"], params["Dense_1"]
    for row, part, ours in zip(tokens, parts, told, strict=True):
        total = np.zeros(5)
        for i, token in enumerate(row):
            if token:
                read = table[token] @ first["kernel"] + first["bias"] + places[part, i]
                if i + 1 < len(row):
                    read = read + table[row[i + 1]] @ second["kernel"]
                total += np.maximum(read, 0)
        np.testing.assert_allclose(ours, total, rtol=1e-5, atol=1e-5)


def test_parts_that_occur_often_are_read_once_with_the_same_result():
    """Few different parts take the short way, many the long one; gradients are the same, too."""
    rng = np.random.default_rng(0)
    some = rng.integers(0, 9, (5, 3, 4))
    few, many = some[rng.integers(0, 5, (4, 40))], rng.integers(0, 512, (4, 40, 3, 4))
    rest = jnp.zeros((40, 5)), jnp.zeros((4, 40), bool)
    plain = {name: jnp.zeros((4, 40, *space.shape), space.dtype) for name, space in PLAIN.items()}
    # The second one has room for all of them, so it reads each where it stands.
    networks = [
        actor_critic(TOLD, 3, dataclasses.replace(CONFIG, max_instructions=most))
        for most in (64, 480)
    ]
    params = networks[0].init(jax.random.key(0), plain | {"feedback": jnp.asarray(few)}, *rest)

    def loss(params, said, network):
        return jnp.sum(network.apply(params, plain | {"feedback": said}, *rest)[0].value ** 2)

    both = jax.jit(jax.value_and_grad(loss), static_argnums=2)
    for said in (few, many):
        one, two = (both(params, jnp.asarray(said), network) for network in networks)
        for a, b in zip(*map(jax.tree.leaves, (one, two)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_what_is_said_matters_and_silence_says_nothing():
    params, spoken = outputs(TOLD)
    _, silent = outputs(TOLD, params, feedback=jnp.zeros((2, 3, 3, 4), jnp.int32))
    assert float(jnp.abs(spoken.value - silent.value).max()) > 1e-4
    nothing = jnp.zeros((1, 4), jnp.int32), jnp.zeros(1, jnp.int32)
    read = FeedbackEncoder(512, 3, CONFIG).apply({"params": params["params"]["messages"]}, *nothing)
    assert not np.any(read)


def test_vectors_are_read_in_place_of_words():
    spaces = TOLD | {"feedback_vector": ArraySpace((4,), jnp.float32, -1, 1)}
    params, before = outputs(spaces)
    assert "messages" not in params["params"]
    _, other = outputs(spaces, params, feedback=jnp.ones((2, 3, 3, 4), jnp.int32))
    np.testing.assert_array_equal(before.value, other.value)
    _, moved = outputs(spaces, params, feedback_vector=jnp.ones((2, 3, 4)))
    assert float(jnp.abs(before.value - moved.value).max()) > 1e-4


def test_who_is_told_nothing_has_the_parameters_of_before():
    shapes = [jax.tree.map(jnp.shape, outputs(spaces)[0]["params"]) for spaces in (PLAIN, TOLD)]
    new = {name for name in shapes[1] if name not in shapes[0]}
    assert new == {"messages", "heard"}
    assert {name: shapes[1][name] for name in shapes[0]} == shapes[0]
