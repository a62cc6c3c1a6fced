"""The recurrent, instructed actor-critic."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, SettingError
from didact.environments.settings import checked
from didact.students.config import NetworkConfig
from didact.students.networks import ActorCritic, actor_critic, cell_codes, distinct

VOCABULARY, LENGTH, ACTIONS = 20, 5, 7
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


def network(max_instructions=64, **more):
    config = NetworkConfig(**SMALL | more, max_instructions=max_instructions)
    return ActorCritic(ACTIONS, VOCABULARY, config)


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
    params = initial(net, observation, carry, start)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    leaves = [x + scale * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, leaves)


def starts(time=4, n=6):
    return jnp.asarray(np.random.default_rng(5).random((time, n)) < 0.4)


def test_the_table_gives_what_each_cell_alone_would_give():
    """With `max_instructions` below the number of instructions, cells are gated one by one."""
    observation, start = observations(), starts()
    table, cells = network(64), network(1)
    params = parameters(table, observation)
    carry = jax.random.normal(jax.random.key(2), (6, SMALL["memory"]))

    @functools.partial(jax.jit, static_argnums=1)
    @functools.partial(jax.grad, has_aux=True)
    def gradient(params, net):
        outputs, last = apply(net, params, observation, carry, start)
        loss = jnp.sum(jnp.sin(outputs.logits)) + jnp.sum(outputs.value**2) + jnp.sum(last)
        return loss, (outputs.logits, outputs.value, last)

    (one, told), (other, told_too) = gradient(params, table), gradient(params, cells)
    for a, b in zip(told, told_too, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    # The instructions do matter to the loss, else this would compare zeros.
    assert max(float(abs(x).max()) for x in jax.tree.leaves(one["params"]["instructions"])) > 1e-3
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_table_smaller_than_the_batch_gives_the_same():
    """Between the two: few instructions in a large batch, so that each is read once."""
    observation, start = observations(time=16, instructions=3), starts(time=16)
    params = parameters(network(96), observation)
    carry = jnp.zeros((6, SMALL["memory"]))
    results = [apply(network(m), params, observation, carry, start)[0] for m in (96, 4, 2, 1)]
    many = observations(time=16, instructions=20)
    params = parameters(network(96), many)
    results += [apply(network(m), params, many, carry, start)[0] for m in (96, 20, 7, 1)]
    for first in (0, 4):
        for other in results[first + 1 : first + 4]:
            for a, b in zip(results[first], other, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


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
        net = ActorCritic(ACTIONS, 1_000_004, NetworkConfig(**SMALL, max_instructions=size))
        params = parameters(net, observation(rows))
        start, carry = jnp.zeros((1, 4), bool), jnp.zeros((4, SMALL["memory"]))
        together = apply(net, params, observation(rows), carry, start)[0].value
        first = apply(net, params, observation(words[[0] * 4]), carry, start)[0].value
        second = apply(net, params, observation(words[[1] * 4]), carry, start)[0].value
        expected = np.where([True, False, True, False], first, second)
        np.testing.assert_allclose(together, expected, rtol=1e-5, atol=1e-6)


def test_a_sequence_is_its_steps_one_by_one():
    observation, start = observations(), starts()
    net = network()
    params = parameters(net, observation)
    carry = jax.random.normal(jax.random.key(2), (6, SMALL["memory"]))
    whole, last = apply(net, params, observation, carry, start)
    memory = np.asarray(carry)
    for t in range(start.shape[0]):
        memory = np.where(np.asarray(start[t])[:, None], 0, memory)
        now = {name: x[t : t + 1] for name, x in observation.items()}
        outputs, memory = apply(net, params, now, memory, jnp.zeros((1, 6), bool))
        np.testing.assert_allclose(outputs.logits[0], whole.logits[t], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(outputs.value[0], whole.value[t], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(memory, last, rtol=1e-5, atol=1e-5)


def test_the_memory_is_the_published_gru():
    """Cho et al. (2014) with the candidate's bias inside the reset, in plain NumPy."""
    from didact.students.networks import Memory

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
        return apply(net, params, observation, carry, start)[0].value[2:].sum(0)

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
    a = apply(net, params, observation, carry, start)[0]
    b = apply(net, params, observation | {"instruction": longer}, carry, start)[0]
    np.testing.assert_allclose(a.logits, b.logits, rtol=1e-6, atol=1e-6)
    # And neither does what stands for padding in the embedding.
    embedding = params["params"]["instructions"]["embedding"]
    params["params"]["instructions"]["embedding"] = embedding.at[0].set(100.0)
    c = apply(net, params, observation, carry, start)[0]
    np.testing.assert_array_equal(a.logits, c.logits)


@pytest.mark.parametrize("longest", [0, 3, 8, 9, 30])
def test_sentences_are_read_to_their_end(longest):
    """A batch of sentences of many lengths gives what each alone gives, and gradients, too."""
    from didact.students.networks import InstructionEncoder

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
    a = apply(net, params, observation, carry, start)[0]
    swapped = observation | {"instruction": jnp.flip(observation["instruction"], axis=1)}
    b = apply(net, params, swapped, carry, start)[0]
    assert float(jnp.abs(a.logits - b.logits).max()) > 1e-3


def test_without_memory():
    observation, start = observations(), starts()
    net = network(memory=0)
    params = parameters(net, observation)
    outputs, carry = apply(net, params, observation, jnp.zeros((6, 0)), start)
    assert outputs.logits.shape == (4, 6, ACTIONS)
    assert carry.shape == (6, 0)
    again, _ = apply(net, params, observation, carry, ~start)
    np.testing.assert_array_equal(outputs.value, again.value)


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
    kinds = np.stack(np.meshgrid(range(11), range(6), range(3), indexing="ij"), -1).reshape(-1, 3)
    codes = np.asarray(cell_codes(jnp.asarray(kinds, jnp.uint8)[:, None, None]))
    assert codes.shape == (len(kinds), 1)
    assert len(np.unique(codes)) == len(kinds)
    assert 0 <= codes.min() <= codes.max() < 256
    packed = jnp.arange(49, dtype=jnp.uint8).reshape(1, 7, 7)
    np.testing.assert_array_equal(cell_codes(packed)[0], np.arange(49))


def test_numbers_of_several_shapes_are_read():
    observation = {
        "speed": jnp.ones((2, 3)),
        "lidar": jnp.ones((2, 3, 10)),
        "proprioception": jnp.ones((2, 3, 4)),
    }
    spaces = {
        "speed": ArraySpace((), np.float32),
        "lidar": ArraySpace((10,), np.float32),
        "proprioception": ArraySpace((4,), np.float32),
    }
    net = actor_critic(spaces, 2, NetworkConfig(**SMALL))
    args = (jnp.zeros((3, SMALL["memory"])), jnp.zeros((2, 3), bool))
    params = initial(net, observation, *args)
    before = apply(net, params, observation, *args)[0].value
    for name in observation:
        after = apply(net, params, observation | {name: 2 * observation[name]}, *args)[0].value
        assert float(jnp.abs(after - before).max()) > 1e-6, name


def test_texts_are_not_read():
    """A view in words says what the image says; policies with and without it are the same."""
    net, plain = network(), observations()
    text = np.random.default_rng(0).integers(0, VOCABULARY, (4, 6, 40))
    told = plain | {"text": jnp.asarray(text, jnp.uint8)}
    params = parameters(net, plain)
    shapes = [jax.tree.map(jnp.shape, parameters(net, seen)) for seen in (plain, told)]
    assert shapes[0] == shapes[1]
    carry, start = jnp.zeros((6, net.config.memory)), jnp.zeros((4, 6), bool)
    outputs = [apply(net, params, seen, carry, start)[0] for seen in (plain, told)]
    np.testing.assert_array_equal(outputs[0].logits, outputs[1].logits)
    spaces = {"text": ArraySpace((40,), "uint8", 0, 255)}
    with pytest.raises(SettingError, match=r"observations is \['text'\], but must be an image"):
        actor_critic(spaces, 2, NetworkConfig())


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
    net, carry = network(), jnp.zeros((6, SMALL["memory"]))
    params = parameters(net, observation)
    assert "instructions" not in params["params"]
    outputs = apply(net, params, observation, carry, start)[0]
    other_words = observation | {"instruction": observation["instruction"][::-1]}
    same = apply(net, params, other_words, carry, start)[0]
    np.testing.assert_array_equal(outputs.logits, same.logits)
    vectors = observation["instruction_vector"]
    swapped = apply(
        net, params, observation | {"instruction_vector": vectors[:, ::-1]}, carry, start
    )
    assert float(jnp.abs(swapped[0].logits - outputs.logits).max()) > 1e-3
    # Encoders whose vectors are all longer or shorter tell the same.
    scaled = apply(net, params, observation | {"instruction_vector": 0.05 * vectors}, carry, start)
    np.testing.assert_allclose(scaled[0].logits, outputs.logits, atol=1e-4)
    unread = parameters(net, observations())["params"]
    assert "sentences" not in unread


def test_the_table_of_vectors_gives_what_each_cell_alone_would_give():
    observation, start = told_by_vectors(), starts()
    params = parameters(network(64), observation)
    carry = jnp.zeros((6, SMALL["memory"]))

    @functools.partial(jax.jit, static_argnums=1)
    @functools.partial(jax.grad, has_aux=True)
    def gradient(params, net):
        outputs = apply(net, params, observation, carry, start)[0]
        return jnp.sum(jnp.sin(outputs.logits)) + jnp.sum(outputs.value**2), outputs.value

    results = [gradient(params, network(size)) for size in (64, 8, 1)]
    change = results[0][0]["params"]["sentences"]["kernel"]
    assert float(jnp.abs(change).max()) > 1e-3
    for other in results[1:]:
        for a, b in zip(*map(jax.tree.leaves, (results[0], other)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_vectors_without_an_image_are_numbers():
    spaces = {"instruction_vector": ArraySpace((9,), np.float32)}
    net = actor_critic(spaces, 2, NetworkConfig(**SMALL))
    observation = {"instruction_vector": jnp.ones((2, 3, 9))}
    args = (jnp.zeros((3, SMALL["memory"])), jnp.zeros((2, 3), bool))
    params = initial(net, observation, *args)
    before = apply(net, params, observation, *args)[0].value
    after = apply(net, params, {"instruction_vector": jnp.zeros((2, 3, 9))}, *args)[0].value
    assert float(jnp.abs(after - before).max()) > 1e-6


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_distinct_rows_of_numbers(scale):
    """Simple fractions, whose lower bits are 0, and others."""
    signs = np.array(list(np.ndindex(2, 2, 2, 2, 2)), np.float32) * scale
    rows = np.concatenate([signs, signs[::-1]])
    found, which, exact = distinct(jnp.asarray(rows), 40)
    assert bool(exact)
    np.testing.assert_array_equal(np.asarray(found)[which], rows)
    assert len(np.unique(which)) == 32


def test_pictures_are_refused():
    with pytest.raises(SettingError, match=r"image dtype is 'float32'.*uint8"):
        actor_critic({"image": ArraySpace((8, 8, 3), "float32")}, 2, NetworkConfig())


@pytest.mark.parametrize(("name", "value"), [("hidden", 0), ("memory", -1)])
def test_sizes_are_checked(name, value):
    with pytest.raises(SettingError, match=f"network.{name} is {value}"):
        checked(NetworkConfig(**{name: value}), "network.")
