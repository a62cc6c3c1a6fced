"""The recurrent actor-critic under instructions."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_policy
from small_policy import modules, shaken

from didact.common.settings import checked
from didact.environments import ArraySpace, Discrete, SettingError
from didact.students.config import NetworkConfig
from didact.students.networks import actor_critic
from didact.students.networks.actor_critic import Head
from didact.students.networks.cells import cell_codes
from didact.students.networks.memory import Memory
from didact.students.networks.text import InstructionEncoder, distinct

VOCABULARY, LENGTH, ACTIONS = 20, 5, 7
WORDS = ArraySpace((LENGTH,), np.uint8, 0, VOCABULARY - 1, "tokens", role="instruction")
SPACES = small_policy.SPACES | {"instruction": WORDS}
VECTOR = {"instruction_vector": ArraySpace((9,), np.float32, -9, 9, role="instruction")}
SMALL = {
    "cell_embedding": 4,
    "cell_features": 3,
    "token_embedding": 4,
    "instruction_features": 6,
    "hidden": 8,
    "memory": 5,
}


@functools.partial(jax.jit, static_argnums=0)
def apply(net, params, *arguments):
    return net.apply(params, *arguments)


@functools.partial(jax.jit, static_argnums=0)
def initial(net, *arguments):
    return net.init(jax.random.key(0), *arguments)


def network(max_instructions=64, spaces=SPACES, **more):
    config = NetworkConfig(**SMALL | more, max_instructions=max_instructions)
    return actor_critic(spaces, Discrete(ACTIONS), config)


def logits(outputs):
    return outputs[0].logits


def observations(time=4, n=6, instructions=5, seed=0):
    rng = np.random.default_rng(seed)
    words = rng.integers(1, VOCABULARY, (instructions, LENGTH))
    words[:, 3:] *= rng.random((instructions, 2)) < 0.5  # some are shorter
    image = rng.integers(0, 3, (time, n, 7, 7, 3))
    return {
        "image": jnp.asarray(image, jnp.uint8),
        "direction": jnp.asarray(rng.integers(0, 4, (time, n)), jnp.int32),
        "instruction": jnp.asarray(words[rng.integers(instructions, size=(time, n))], jnp.uint8),
    }


def parameters(net, observation, scale=0.3):
    """Parameters without zeros, so that nothing is hidden by an initial bias of 0."""
    time, n = observation["direction"].shape
    carry, start = jnp.zeros((n, net.config.memory)), jnp.zeros((time, n), bool)
    return shaken(initial(net, observation, carry, start), scale)


def starts(time=4, n=6):
    return jnp.asarray(np.random.default_rng(5).random((time, n)) < 0.4)


@pytest.mark.slow
def test_the_table_gives_what_each_cell_alone_would_give():
    """With `max_instructions` below the number of instructions, cells are gated one by one."""
    observation, start = observations(), starts()
    table, cells = network(64), network(1)
    params = parameters(table, observation)
    carry = jax.random.normal(jax.random.key(2), (6, SMALL["memory"]))

    @functools.partial(jax.jit, static_argnums=1)
    @functools.partial(jax.grad, has_aux=True)
    def gradient(params, net):
        distribution, value, last = apply(net, params, observation, carry, start)
        loss = jnp.sum(jnp.sin(distribution.logits)) + jnp.sum(value**2) + jnp.sum(last)
        return loss, (distribution.logits, value, last)

    (one, told), (other, told_too) = gradient(params, table), gradient(params, cells)
    for a, b in zip(told, told_too, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    # The instructions do matter to the loss, else this would compare zeros.
    assert max(float(abs(x).max()) for x in jax.tree.leaves(modules(one)["reader"])) > 1e-3
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_one_instruction_gives_what_it_gives_beside_others():
    """A batch with a single instruction takes a shorter path."""
    alone, start = observations(instructions=1), starts()
    words = alone["instruction"]
    beside = alone | {"instruction": words.at[:, 5].set(jnp.roll(words[0, 0], 1) + 1)}
    net = network()
    params = parameters(net, beside)
    carry = jax.random.normal(jax.random.key(2), (6, SMALL["memory"]))

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradient(params, observation):
        distribution, value, last = apply(net, params, observation, carry, start)
        outputs = distribution.logits[:, :5], value[:, :5], last[:5]
        return sum(jnp.sum(jnp.sin(x)) for x in outputs), outputs

    found = gradient(params, alone)
    expected = gradient(params, beside)
    assert max(float(abs(x).max()) for x in jax.tree.leaves(modules(found[0])["reader"])) > 1e-3
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_table_smaller_than_the_batch_gives_the_same():
    """Between the two: few instructions in a large batch, so that each is read once."""
    observation, start = observations(time=16, instructions=3), starts(time=16)
    params = parameters(network(96), observation)
    carry = jnp.zeros((6, SMALL["memory"]))
    results = [apply(network(m), params, observation, carry, start)[:2] for m in (96, 4, 2, 1)]
    many = observations(time=16, instructions=20)
    params = parameters(network(96), many)
    results += [apply(network(m), params, many, carry, start)[:2] for m in (96, 20, 7, 1)]
    for first in (0, 4):
        for other in results[first + 1 : first + 4]:
            for a, b in zip(*map(jax.tree.leaves, (results[first], other)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_instructions_that_hash_alike_are_not_taken_for_one_another():
    """Token rows of one hash, with and without room for all of them."""
    words = np.array([[1_000_003, 0], [0, 1]])  # p * p + 0 == 0 + p**2
    assert not bool(distinct(jnp.asarray(words), 2)[2])
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.integers(0, 3, (1, 4, 7, 7, 3)), jnp.uint8)

    def observation(rows):
        return {
            "image": image,
            "direction": jnp.zeros((1, 4), jnp.int32),
            "instruction": jnp.asarray(rows, jnp.int32)[None],
        }

    rows = words[[0, 1, 0, 1]]
    for size in (64, 3, 1):
        words_space = ArraySpace((2,), np.int32, 0, 1_000_003, "tokens", role="instruction")
        net = network(size, SPACES | {"instruction": words_space})
        params = parameters(net, observation(rows))
        start, carry = jnp.zeros((1, 4), bool), jnp.zeros((4, SMALL["memory"]))
        together = apply(net, params, observation(rows), carry, start)[1]
        first = apply(net, params, observation(words[[0] * 4]), carry, start)[1]
        second = apply(net, params, observation(words[[1] * 4]), carry, start)[1]
        expected = np.where([True, False, True, False], first, second)
        np.testing.assert_allclose(together, expected, rtol=1e-5, atol=1e-6)


def test_a_sequence_is_its_steps_one_by_one():
    observation, start = observations(), starts()
    net = network()
    params = parameters(net, observation)
    carry = jax.random.normal(jax.random.key(2), (6, SMALL["memory"]))
    whole, value, last = apply(net, params, observation, carry, start)
    memory = np.asarray(carry)
    for t in range(start.shape[0]):
        memory = np.where(np.asarray(start[t])[:, None], 0, memory)
        now = {name: x[t : t + 1] for name, x in observation.items()}
        one, worth, memory = apply(net, params, now, memory, jnp.zeros((1, 6), bool))
        np.testing.assert_allclose(one.logits[0], whole.logits[t], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(worth[0], value[t], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(memory, last, rtol=1e-5, atol=1e-5)


def test_the_memory_is_the_published_gru():
    """Cho et al. (2014) with the candidate's bias inside the reset, in plain NumPy."""
    rng = np.random.default_rng(0)
    inputs, carry = rng.normal(size=(3, 2, 4)), rng.normal(size=(2, 5))
    memory = Memory(5)
    params = memory.init(jax.random.key(0), jnp.asarray(inputs), jnp.asarray(carry))
    params = jax.tree.map(lambda x: x + 0.1, params)
    outputs, _ = memory.apply(params, jnp.asarray(inputs), jnp.asarray(carry))
    p = jax.tree.map(np.asarray, params["params"])
    for t in range(3):
        x = inputs[t] @ p["kernel"] + p["bias"]
        h = carry @ p["recurrent"]
        r, z = (1 / (1 + np.exp(-(x[:, i : i + 5] + h[:, i : i + 5]))) for i in (0, 5))
        candidate = np.tanh(x[:, 10:] + r * (h[:, 10:] + p["candidate_bias"]))
        carry = z * carry + (1 - z) * candidate
        np.testing.assert_allclose(outputs[t], carry, rtol=1e-4, atol=1e-5)


def test_no_gradient_flows_across_an_episode_start():
    observation = observations()
    net = network()
    params = parameters(net, observation)
    start = jnp.zeros((4, 6), bool).at[2, :3].set(True)

    def last_values(carry):
        return apply(net, params, observation, carry, start)[1][2:].sum(0)

    carry = jax.random.normal(jax.random.key(2), (6, SMALL["memory"]))
    jacobian = jax.jacobian(last_values)(carry)  # [6, 6, memory]
    influence = np.abs(jacobian).sum(-1)
    assert (influence[:3] == 0).all()
    assert (np.diag(influence)[3:] > 0).all()
    assert (influence - np.diag(np.diag(influence)) == 0).all()  # worlds know nothing of others


def test_padding_does_not_matter():
    observation = observations()
    net = network()
    params = parameters(net, observation)
    longer = jnp.pad(observation["instruction"], ((0, 0), (0, 0), (0, 4)))
    start, carry = starts(), jnp.zeros((6, SMALL["memory"]))
    a = logits(apply(net, params, observation, carry, start))
    b = logits(apply(net, params, observation | {"instruction": longer}, carry, start))
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    # And neither does what stands for padding in the embedding.
    reader = modules(params)["reader"]["tokens"]
    reader["embedding"] = reader["embedding"].at[0].set(100.0)
    c = logits(apply(net, params, observation, carry, start))
    np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("longest", [0, 3, 8, 9, 30])
def test_sentences_are_read_to_their_end(longest):
    """A batch of sentences of many lengths gives what each alone gives, and gradients, too."""
    encoder = InstructionEncoder(20, NetworkConfig(**SMALL))
    rng = np.random.default_rng(longest)
    words = rng.integers(1, 20, (7, 30))
    lengths = rng.integers(0, longest + 1, 7)
    lengths[0] = longest
    words[np.arange(30) >= lengths[:, None]] = 0
    params = encoder.init(jax.random.key(0), jnp.asarray(words))

    @jax.jit
    def loss(params, words):
        return jnp.sum(jnp.sin(encoder.apply(params, words)))

    whole = jax.value_and_grad(loss)(params, jnp.asarray(words))
    alone = [jax.value_and_grad(loss)(params, jnp.asarray(words[i : i + 1])) for i in range(7)]
    total = jax.tree.map(lambda *x: sum(x), *alone)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(total), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert bool(whole[0] == 0) == (longest == 0)


def test_instructions_matter():
    observation = observations()
    net = network()
    params = parameters(net, observation)
    start, carry = starts(), jnp.zeros((6, SMALL["memory"]))
    a = logits(apply(net, params, observation, carry, start))
    swapped = observation | {"instruction": jnp.flip(observation["instruction"], axis=1)}
    b = logits(apply(net, params, swapped, carry, start))
    assert float(jnp.abs(a - b).max()) > 1e-3


def test_without_memory():
    observation, start = observations(), starts()
    net = network(memory=0)
    params = parameters(net, observation)
    distribution, value, carry = apply(net, params, observation, jnp.zeros((6, 0)), start)
    assert distribution.logits.shape == (4, 6, ACTIONS)
    assert carry.shape == (6, 0)
    _, again, _ = apply(net, params, observation, carry, ~start)
    np.testing.assert_array_equal(value, again)


@pytest.mark.parametrize("size", [3, 8])
def test_distinct_rows(size):
    rows = np.array([[1, 2, 0], [3, 0, 0], [1, 2, 0], [0, 0, 0], [3, 0, 0]])
    found, which, exact = distinct(jnp.asarray(rows), size)
    assert bool(exact)
    np.testing.assert_array_equal(np.asarray(found)[which], rows)
    assert found.shape == (size, 3)


def test_distinct_tells_of_too_many_rows():
    rows = np.array([[1, 2, 0], [3, 0, 0], [0, 0, 0]])
    _, which, exact = distinct(jnp.asarray(rows), 2)
    assert not bool(exact)
    assert (np.asarray(which) < 2).all()


def test_order_of_tokens_tells_rows_apart():
    rows = np.array([[1, 2, 3], [3, 2, 1], [2, 1, 3]])
    found, which, exact = distinct(jnp.asarray(rows), 3)
    assert bool(exact)
    np.testing.assert_array_equal(np.asarray(found)[which], rows)


def test_cells_of_one_kind_share_a_code_and_no_others_do():
    sizes = (11, 6, 3)
    kinds = np.stack(np.meshgrid(*map(range, sizes), indexing="ij"), -1).reshape(-1, 3)
    codes = np.asarray(cell_codes(jnp.asarray(kinds, jnp.uint8)[:, None, None], sizes))
    assert codes.shape == (len(kinds), 1)
    assert sorted(codes[:, 0]) == list(range(len(kinds)))
    packed = jnp.arange(49, dtype=jnp.uint8).reshape(1, 7, 7)
    np.testing.assert_array_equal(cell_codes(packed, (49,))[0], np.arange(49))


def told_by_vectors(features=9, **more):
    """Observations whose instructions have vectors, too: one for each distinct row of tokens."""
    observation = observations(**more)
    words = np.asarray(observation["instruction"])
    _, which = np.unique(words.reshape(-1, LENGTH), axis=0, return_inverse=True)
    vectors = np.random.default_rng(3).normal(size=(which.max() + 1, features))
    told = vectors[which.reshape(words.shape[:2])]
    return observation | {"instruction_vector": jnp.asarray(told, jnp.float32)}


def test_vectors_are_read_in_place_of_tokens():
    observation, start = told_by_vectors(), starts()
    net, carry = network(spaces=SPACES | VECTOR), jnp.zeros((6, SMALL["memory"]))
    params = parameters(net, observation)
    assert set(modules(params)["reader"]) == {"sentences"}
    expected = logits(apply(net, params, observation, carry, start))

    def changed(**more):
        return logits(apply(net, params, observation | more, carry, start))

    np.testing.assert_array_equal(expected, changed(instruction=observation["instruction"][::-1]))
    vectors = observation["instruction_vector"]
    swapped = changed(instruction_vector=vectors[:, ::-1])
    assert float(jnp.abs(swapped - expected).max()) > 1e-3
    # Encoders whose vectors are all longer or shorter say the same.
    np.testing.assert_allclose(changed(instruction_vector=0.05 * vectors), expected, atol=1e-4)


def test_the_table_of_vectors_gives_what_each_cell_alone_would_give():
    observation, start = told_by_vectors(), starts()
    params = parameters(network(64, SPACES | VECTOR), observation)
    carry = jnp.zeros((6, SMALL["memory"]))

    @functools.partial(jax.jit, static_argnums=1)
    @functools.partial(jax.grad, has_aux=True)
    def gradient(params, net):
        distribution, value, _ = apply(net, params, observation, carry, start)
        return jnp.sum(jnp.sin(distribution.logits)) + jnp.sum(value**2), value

    results = [gradient(params, network(size, SPACES | VECTOR)) for size in (64, 8, 1)]
    change = modules(results[0][0])["reader"]["sentences"]["kernel"]
    assert float(jnp.abs(change).max()) > 1e-3
    for other in results[1:]:
        for a, b in zip(*map(jax.tree.leaves, (results[0], other)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_distinct_rows_of_numbers(scale):
    """Simple fractions, whose lower bits are 0, and others."""
    signs = np.array(list(np.ndindex(2, 2, 2, 2, 2)), np.float32) * scale
    rows = np.concatenate([signs, signs[::-1]])
    found, which, exact = distinct(jnp.asarray(rows), 40)
    assert bool(exact)
    np.testing.assert_array_equal(np.asarray(found)[which], rows)
    assert len(np.unique(which)) == 32


@pytest.mark.parametrize("log_std", [-9.0, -3.7, 0.3, 5.0])
def test_a_standard_deviation_outside_its_bounds_can_return(log_std):
    """The network acts with the bound; of the gradient, only what leads back passes."""
    space = small_policy.JOINTS
    head = Head(space, NetworkConfig())
    features = jnp.ones((1, 8))
    params = head.init(jax.random.key(0), features)["params"]

    def weighted(log_std):
        made = head.apply({"params": params | {"log_std": log_std}}, features)
        return (jnp.array([3.0, -2.0]) * made.log_std).sum()

    value, gradient = jax.value_and_grad(weighted)(jnp.full(2, log_std))
    assert value == pytest.approx(np.clip(log_std, -4, 1), rel=1e-6)
    # Descent would decrease the first and increase the second.
    np.testing.assert_array_equal(gradient, [3.0 * (log_std > -4), -2.0 * (log_std < 1)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 0),
        ("memory", -1),
        ("initial_std", 0.0),
        ("initial_std", float("nan")),
    ],
)
def test_sizes_are_checked(name, value):
    with pytest.raises(SettingError, match=f"network.{name} is {re.escape(str(value))}"):
        checked(NetworkConfig(**{name: value}), "network.")
