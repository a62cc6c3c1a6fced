"""The instructed, recurrent actor-critic.

A view is 49 cells, but there are fewer than 256 kinds of cell. So the instruction gates the
*vocabulary* of cells instead of the view: for each distinct instruction in a batch, the features
of all cell codes are computed once, and every cell of every view looks its row up. That costs a
tenth of gating each cell, gives the same numbers, and needs no convolution.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from didact.environments import ArraySpace, SettingError
from didact.environments.base import PLACE
from didact.students.config import NetworkConfig

NUM_CODES = 256
WORDS_AT_A_TIME = 8
# Observations that have their own way into the network, and two that have none: `text` says in
# words what `image` shows, and is for students that read; `place` is a row of tables.
ENCODED = ("image", "instruction", "direction", "instruction_vector", "feedback")
UNREAD = ("text", PLACE)


class Outputs(NamedTuple):
    """What the network says of each observation."""

    logits: Float[Array, "T n actions"]
    value: Float[Array, "T n"]


def cell_codes(image: Array) -> Int[Array, "*batch cells"]:
    """A code below 256 for each cell of a view.

    Args:
        image: `[..., h, w, 3]` of MiniGrid's (type, colour, state) indices, or `[..., h, w]`
            of packed codes.
    """
    image = image.astype(jnp.int32)
    if image.shape[-1] == 3:
        image = (image[..., 0] * 6 + image[..., 1]) * 3 + image[..., 2]
    return image.reshape(*image.shape[:-2], -1)


def distinct(
    tokens: Num[Array, "n length"], size: int
) -> tuple[Num[Array, "size length"], Int[Array, " n"], Bool[Array, ""]]:
    """The distinct rows of `tokens`, for each row where it is among them, and whether that holds.

    Rows are told apart by a hash, and the result is checked against the rows themselves: the
    last value is False where there are more than `size` distinct rows or two of them collide.
    """
    powers = np.cumprod(np.full(tokens.shape[-1], 1_000_003, np.uint32), dtype=np.uint32)
    numbers = tokens.astype(jnp.uint32)
    if jnp.issubdtype(tokens.dtype, jnp.floating):
        numbers = jax.lax.bitcast_convert_type(tokens.astype(jnp.float32), jnp.uint32)
        numbers ^= numbers >> 16  # the lower bits of simple fractions are all 0
    hashes = jnp.sum(numbers * powers, axis=-1, dtype=jnp.uint32)
    _, first, inverse = jnp.unique(hashes, size=size, return_index=True, return_inverse=True)
    rows = tokens[first]
    inverse = jnp.minimum(inverse.reshape(-1), size - 1)
    return rows, inverse, jnp.all(rows[inverse] == tokens)


class GRU(NamedTuple):
    """The weights of a gated recurrent unit (Cho et al., 2014)."""

    kernel: Float[Array, "i 3h"]  # of the input, for reset, update and candidate
    bias: Float[Array, " 3h"]
    recurrent: Float[Array, "h 3h"]
    candidate_bias: Float[Array, " h"]


def gru_of(module: nn.Module, inputs: int, features: int) -> GRU:
    """Weights that are parameters of a module."""
    zeros = nn.initializers.zeros
    return GRU(
        module.param("kernel", nn.initializers.lecun_normal(), (inputs, 3 * features)),
        module.param("bias", zeros, (3 * features,)),
        module.param("recurrent", nn.initializers.orthogonal(), (features, 3 * features)),
        module.param("candidate_bias", zeros, (features,)),
    )


def run_gru(
    weights: GRU,
    inputs: Float[Array, "T n i"],
    carry: Float[Array, "n h"],
    start: Bool[Array, "T n"] | None = None,
    keep: Bool[Array, "T n"] | None = None,
) -> tuple[Float[Array, "T n h"], Float[Array, "n h"]]:
    """What a GRU remembers after each t, and the last of it; the input side is one product.

    Args:
        weights: of the GRU.
        inputs: the inputs.
        carry: what is remembered before the first.
        start: where True, the memory is cleared before that input.
        keep: where False, the input is passed over.
    """
    h = carry.shape[-1]
    projected = inputs @ weights.kernel + weights.bias

    def step(carry, now):
        x, first, used = now
        if first is not None:
            carry = jnp.where(first[:, None], 0, carry)
        gates = carry @ weights.recurrent
        reset, update = jnp.split(jax.nn.sigmoid(x[:, : 2 * h] + gates[:, : 2 * h]), 2, -1)
        candidate = gates[:, 2 * h :] + weights.candidate_bias
        after = (1 - update) * jnp.tanh(x[:, 2 * h :] + reset * candidate) + update * carry
        carry = after if used is None else jnp.where(used[:, None], after, carry)
        return carry, carry

    carry, outputs = jax.lax.scan(step, carry, (projected, start, keep))
    return outputs, carry


class InstructionEncoder(nn.Module):
    """A GRU over tokens (0 is padding), ids `[n, length]` to `[n, features]`.

    It reads some words at a time and stops where all sentences have ended: there is room for long
    ones, but most are short.
    """

    vocabulary: int
    config: NetworkConfig
    seeds_axis: str | None = None

    @nn.compact
    def __call__(self, tokens: Int[Array, "n length"]) -> Float[Array, "n features"]:
        size, features = self.config.token_embedding, self.config.instruction_features
        spread = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
        table = self.param("embedding", spread, (self.vocabulary, size))
        weights = gru_of(self, size, features)
        n, length = tokens.shape
        padded = jnp.pad(tokens, ((0, 0), (0, -length % WORDS_AT_A_TIME)))
        parts = padded.T.reshape(-1, WORDS_AT_A_TIME, n)

        def read(carry, part):
            return run_gru(weights, table[part], carry, keep=part > 0)[1]

        def next_part(carry, part):
            some = jnp.any(part > 0)
            if self.seeds_axis is not None and not self.is_initializing():
                some = jax.lax.pmax(some.astype(jnp.int32), self.seeds_axis) > 0
            return jax.lax.cond(some, read, lambda carry, part: carry, carry, part), None

        first = jnp.zeros((n, features))
        return jax.lax.scan(next_part, first, parts)[0]


class FeedbackEncoder(nn.Module):
    """Reads parts of messages, ids `[m, length]` (0 is padding) to `[m, features]`.

    They are short and change at every step, so all pairs of neighbours are read at once, and added
    up. Which part it is and where in it a word stands makes a difference.
    """

    vocabulary: int
    parts: int
    config: NetworkConfig

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "m length"], part: Int[Array, " m"]
    ) -> Float[Array, "m features"]:
        size, features = self.config.token_embedding, self.config.instruction_features
        spread = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
        table = self.param("embedding", spread, (self.vocabulary, size))
        shape = (self.parts, tokens.shape[1], features)
        places = self.param("places", nn.initializers.normal(0.1), shape)
        # The words are fewer than their places in messages, so the vocabulary is read instead.
        first = nn.Dense(features)(table)
        second = jnp.pad(nn.Dense(features, use_bias=False)(table), ((0, 1), (0, 0)))
        following = jnp.pad(tokens[:, 1:], ((0, 0), (0, 1)), constant_values=self.vocabulary)
        read = first[tokens] + second[following]
        read = jax.nn.relu(read + places[part])
        return jnp.sum(jnp.where((tokens > 0)[..., None], read, 0), axis=1)


class Memory(nn.Module):
    """A GRU over time-first inputs; see `run_gru`."""

    features: int

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "T n i"],
        carry: Float[Array, "n h"],
        start: Bool[Array, "T n"] | None = None,
    ) -> tuple[Float[Array, "T n h"], Float[Array, "n h"]]:
        """The memory after each t, and the last one."""
        return run_gru(gru_of(self, inputs.shape[-1], self.features), inputs, carry, start)


class ActorCritic(nn.Module):
    """Policy and value from a view, a direction and an instruction, with a memory.

    All inputs are time-first, `[T, n, ...]`. Observation keys used where they are there:
    `image` (a view of cells), `instruction` (token ids), `direction`; any other key of at most
    one axis is taken as numbers, except `text`, which is not read: it repeats the image in words.
    Where there is an `instruction_vector` (of a sentence encoder), it is read in place of the
    tokens, so that words which were never trained do no harm. `feedback` (token ids that change
    from step to step) has an encoder of its own, and a `feedback_vector` is read in its place.
    `seeds_axis` names the `vmap` over seeds, where there is one.
    """

    num_actions: int
    vocabulary: int
    config: NetworkConfig = NetworkConfig()
    seeds_axis: str | None = None
    feedback_vocabulary: int = 1
    feedback_parts: int = 1

    def setup(self):
        c = self.config
        self.codes = self.param("codes", nn.initializers.normal(1.0), (NUM_CODES, c.cell_embedding))
        self.instructions = InstructionEncoder(self.vocabulary, c, self.seeds_axis)
        self.sentences = nn.Dense(c.instruction_features)
        # Gains start near 1 and differ between instructions from the first step.
        self.gate = nn.Dense(2 * c.cell_embedding)
        self.squeeze = nn.Dense(c.cell_features, kernel_init=nn.initializers.he_normal())
        self.view = nn.Dense(c.hidden, kernel_init=nn.initializers.orthogonal(2**0.5))
        self.directions = nn.Embed(4, c.hidden)
        self.numbers = nn.Dense(c.hidden)
        self.messages = FeedbackEncoder(self.feedback_vocabulary, self.feedback_parts, c)
        self.heard = nn.Dense(c.hidden)
        self.body = nn.Dense(c.hidden, kernel_init=nn.initializers.orthogonal(2**0.5))
        self.memory = Memory(c.memory) if c.memory else None
        self.policy = nn.Dense(self.num_actions, kernel_init=nn.initializers.orthogonal(0.01))
        self.value = nn.Dense(1, kernel_init=nn.initializers.orthogonal(1.0))

    def __call__(
        self, observation: Mapping[str, Array], carry: Array, start: Bool[Array, "T n"]
    ) -> tuple[Outputs, Array]:
        features = self._encode(observation)
        if self.memory is not None:
            features, carry = self.memory(features, carry, start)
        return Outputs(self.policy(features), self.value(features)[..., 0]), carry

    def _encode(self, observation: Mapping[str, Array]) -> Float[Array, "T n hidden"]:
        hidden = jnp.zeros(())
        if "image" in observation:
            image = observation["image"]
            said = observation.get("instruction_vector", observation.get("instruction"))
            hidden += self.view(self._cells(image, said))
        if "direction" in observation:
            hidden += self.directions(observation["direction"].astype(jnp.int32))
        if "feedback" in observation and "feedback_vector" not in observation:
            hidden += self._messages(observation["feedback"].astype(jnp.int32))
        numbers = [
            (values if values.ndim == 3 else values[..., None]).astype(jnp.float32)
            for name, values in sorted(observation.items())
            if name not in ENCODED + UNREAD
            or (name == "instruction_vector" and "image" not in observation)
        ]
        if numbers:
            hidden += self.numbers(jnp.concatenate(numbers, axis=-1))
        return jax.nn.relu(self.body(jax.nn.relu(hidden)))

    def _messages(self, tokens: Int[Array, "T n parts length"]) -> Float[Array, "T n hidden"]:
        """What is made of messages: of each part that occurs in the batch once, if they are few."""
        *batch, parts, length = tokens.shape
        number = jnp.broadcast_to(jnp.arange(parts)[:, None], (*batch, parts, 1))
        rows = jnp.concatenate([number, tokens], axis=-1).reshape(-1, 1 + length)
        few = max(len(rows) // 8, min(len(rows), self.config.max_instructions))
        if self.is_initializing() or few == len(rows):
            said = self._by_part(rows, jnp.arange(len(rows)), rows)
        else:
            some, which, exact = distinct(rows, few)
            path = jnp.where(exact, 0, 1)
            if self.seeds_axis is not None:
                path = jax.lax.pmax(path, self.seeds_axis)
            cls = type(self)
            paths = [cls._by_part, lambda self, _, which, rows: self._read_parts(rows)]
            said = nn.switch(path, paths, self, some, which, rows)
        return jnp.sum(said.reshape(*batch, parts, -1), axis=-2)

    def _by_part(self, rows: Array, which: Array, _: Array) -> Array:
        return self._read_parts(rows)[which]

    def _read_parts(self, rows: Int[Array, "m 1+length"]) -> Float[Array, "m hidden"]:
        return self.heard(self.messages(rows[:, 1:], rows[:, 0]))

    def _instruction(self, rows: Num[Array, "m length"]) -> Float[Array, "m features"]:
        """The encoding of token ids, or of sentence vectors."""
        if jnp.issubdtype(rows.dtype, jnp.floating):
            # Encoders differ in the length of their vectors; many make all of length 1.
            size = jnp.sqrt(jnp.mean(rows**2, axis=-1, keepdims=True) + 1e-8)
            return jnp.tanh(self.sentences(rows / size))
        return self.instructions(rows)

    def _cells(self, image: Array, said: Array | None) -> Float[Array, "T n features"]:
        """Features of all cells of each view under its instruction, flattened."""
        codes = cell_codes(image)
        time, n, cells = codes.shape
        flat = codes.reshape(time * n, cells)
        if said is None:
            features = self._gated(jnp.zeros((1, 2 * self.config.cell_embedding)))[0][flat]
            return features.reshape(time, n, -1)
        words = said.reshape(time * n, -1)
        if not jnp.issubdtype(words.dtype, jnp.floating):
            words = words.astype(jnp.int32)
        few, some, more = self.config.max_instructions, time * n // 16, time * n // 4
        if self.is_initializing() or time * n <= few:
            features = self._by_table(words, jnp.arange(time * n), words, flat)
        else:
            rows, which, exact = distinct(words, max(few, more))
            count = jnp.max(which) + 1
            path = jnp.where(exact, jnp.where(count <= few, 0, 1 + (count > some)), 3)
            if self.seeds_axis is not None:
                # One decision for all seeds, so that `vmap` does not turn it into all of them.
                path = jax.lax.pmax(path, self.seeds_axis)
            cls = type(self)
            paths = [
                cls._by_table,
                lambda self, rows, *rest: self._by_row(rows[: max(some, 1)], *rest),
                cls._by_row,
                cls._by_cell,
            ]
            features = nn.switch(path, paths, self, rows, which, words, flat)
        return features.reshape(time, n, -1)

    def _by_table(self, rows: Array, which: Array, words: Array, flat: Array) -> Array:
        """Few instructions: features of all codes under each of them, looked up."""
        rows = rows[: self.config.max_instructions]
        table = self._gated(self.gate(self._instruction(rows)))
        return table.reshape(-1, self.config.cell_features)[which[:, None] * NUM_CODES + flat]

    def _by_row(self, rows: Array, which: Array, words: Array, flat: Array) -> Array:
        """Some: each is read once."""
        return self._modulate(self.codes[flat], self.gate(self._instruction(rows))[which][:, None])

    def _by_cell(self, rows: Array, which: Array, words: Array, flat: Array) -> Array:
        """Many, as where a batch has one of each world only."""
        return self._modulate(self.codes[flat], self.gate(self._instruction(words))[:, None])

    def _gated(self, gate: Float[Array, "m 2e"]) -> Float[Array, "m codes features"]:
        return self._modulate(self.codes[None], gate[:, None])

    def _modulate(self, embedded: Array, gate: Array) -> Array:
        """Feature-wise modulation (Perez et al., 2018, eq. 2), then a joining layer."""
        gain, shift = jnp.split(gate, 2, axis=-1)
        return jax.nn.relu(self.squeeze(jax.nn.relu(embedded * (1 + gain) + shift)))


def actor_critic(
    observation_space: Mapping[str, ArraySpace],
    num_actions: int,
    config: NetworkConfig,
    seeds_axis: str | None = None,
) -> ActorCritic:
    """The network for these observations.

    Raises:
        SettingError: an image is not a view of cells, or there is nothing that the network reads.
    """
    if set(observation_space) <= {*UNREAD, "instruction", "feedback"}:
        raise SettingError("observations", sorted(observation_space), "an image or numbers, too")
    feedback: Any = observation_space.get("feedback")
    if feedback is not None and len(feedback.shape) != 2:
        raise SettingError("feedback", feedback.shape, "of shape (parts, tokens)")
    image = observation_space.get("image")
    if image is not None and np.dtype(image.dtype) != np.uint8:
        raise SettingError("image dtype", str(image.dtype), "uint8 cell codes")
    instruction: Any = observation_space.get("instruction")
    vocabulary = int(instruction.high) + 1 if instruction is not None else 1
    said = (int(feedback.high) + 1, feedback.shape[0]) if feedback is not None else (1, 1)
    return ActorCritic(num_actions, vocabulary, config, seeds_axis, *said)
