"""How students read feedback: messages that change from step to step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_policy import modules

from didact.environments import ArraySpace, Discrete
from didact.students.config import NetworkConfig
from didact.students.networks import actor_critic
from didact.students.networks.text import PartEncoder

CONFIG = NetworkConfig(
    cell_embedding=6,
    cell_features=3,
    token_embedding=4,
    instruction_features=5,
    hidden=8,
    memory=5,
)
PLAIN = {
    "image": ArraySpace((7, 7), jnp.uint8, 0, 127, "cells", (128,)),
    "direction": ArraySpace((), jnp.int32, 0, 3, "category"),
    "instruction": ArraySpace((6,), jnp.uint8, 0, 20, "tokens", role="instruction"),
}
TOLD = PLAIN | {"feedback": ArraySpace((3, 4), jnp.int32, 0, 511, "tokens", role="feedback")}


def values(spaces, params=None, **more):
    network = actor_critic(spaces, Discrete(3), CONFIG)
    observation = {
        name: jnp.asarray(
            np.random.default_rng(i).integers(0, int(space.high) + 1, (2, 3, *space.shape))
        ).astype(space.dtype)
        for i, (name, space) in enumerate(spaces.items())
    } | more
    rest = jnp.zeros((3, 5)), jnp.zeros((2, 3), bool)
    params = params or network.init(jax.random.key(0), observation, *rest)
    return params, np.asarray(network.apply(params, observation, *rest)[1])


def test_messages_are_read_as_by_hand():
    rng = np.random.default_rng(0)
    tokens, parts = rng.integers(1, 50, (7, 6)), rng.integers(0, 3, 7)
    tokens[:, 4:] *= rng.random((7, 2)) < 0.5
    encoder = PartEncoder(50, 3, CONFIG)
    rows = jnp.concatenate([parts[:, None], tokens], axis=1)
    params = encoder.init(jax.random.key(1), rows)["params"]
    read = encoder.apply({"params": params}, rows)
    table, places = np.asarray(params["embedding"]), np.asarray(params["places"])
    first, second, last = (params[f"Dense_{i}"] for i in range(3))
    for row, part, ours in zip(tokens, parts, read, strict=True):
        total = np.zeros(5)
        for i, token in enumerate(row):
            if token:
                one = table[token] @ first["kernel"] + first["bias"] + places[part, i]
                if i + 1 < len(row):
                    one = one + table[row[i + 1]] @ second["kernel"]
                total += np.maximum(one, 0)
        expected = total @ last["kernel"] + last["bias"]
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_parts_that_occur_often_are_read_once_with_the_same_result():
    """Few different parts take the short way, many the long one; gradients are the same, too."""
    rng = np.random.default_rng(0)
    some = rng.integers(0, 9, (5, 3, 4))
    few, many = some[rng.integers(0, 5, (4, 40))], rng.integers(0, 512, (4, 40, 3, 4))
    rest = jnp.zeros((40, 5)), jnp.zeros((4, 40), bool)
    plain = {name: jnp.zeros((4, 40, *space.shape), space.dtype) for name, space in PLAIN.items()}
    # The second one has room for all of them, so it reads each where it stands.
    networks = [
        actor_critic(TOLD, Discrete(3), dataclasses.replace(CONFIG, max_instructions=most))
        for most in (64, 480)
    ]
    params = networks[0].init(jax.random.key(0), plain | {"feedback": jnp.asarray(few)}, *rest)

    def loss(params, said, network):
        return jnp.sum(network.apply(params, plain | {"feedback": said}, *rest)[1] ** 2)

    both = jax.jit(jax.value_and_grad(loss), static_argnums=2)
    for said in (few, many):
        one, two = (both(params, jnp.asarray(said), network) for network in networks)
        for a, b in zip(*map(jax.tree.leaves, (one, two)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_what_is_said_matters_and_silence_says_nothing():
    params, spoken = values(TOLD)
    _, silent = values(TOLD, params, feedback=jnp.zeros((2, 3, 3, 4), jnp.int32))
    assert np.abs(spoken - silent).max() > 1e-4
    encoder = PartEncoder(512, 3, CONFIG)
    rows = jnp.array([[0, 0, 0, 0, 0], [2, 0, 0, 0, 0]])
    params = encoder.init(jax.random.key(0), rows)
    assert not np.any(encoder.apply(params, rows))


@pytest.mark.slow
def test_vectors_are_read_in_place_of_words():
    vector = ArraySpace((4,), jnp.float32, -1, 1, role="feedback")
    spaces = TOLD | {"feedback_vector": vector}
    params, before = values(spaces)
    assert "encoders_feedback" not in modules(params)
    _, other = values(spaces, params, feedback=jnp.ones((2, 3, 3, 4), jnp.int32))
    np.testing.assert_array_equal(before, other)
    _, moved = values(spaces, params, feedback_vector=jnp.ones((2, 3, 4)))
    assert np.abs(before - moved).max() > 1e-4


def test_without_feedback_there_are_no_parameters_for_it():
    plain, spoken = (modules(values(spaces)[0]) for spaces in (PLAIN, TOLD))
    assert {name for name in spoken if name not in plain} == {"encoders_feedback"}
