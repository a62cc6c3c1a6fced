"""Encoders of token sequences: instructions, and messages that change at each step."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from didact.students.config import NetworkConfig
from didact.students.networks.memory import gru_of, run_gru

WORDS_AT_A_TIME = 8


def distinct(
    tokens: Num[Array, "n length"], size: int
) -> tuple[Num[Array, "size length"], Int[Array, " n"], Bool[Array, ""]]:
    """Find the distinct rows of `tokens`.

    Rows are compared by a hash, and the result is verified against the rows themselves.

    Returns:
        The distinct rows, the index of each row among them, and whether the result is exact. It is
        not if there are more than `size` distinct rows or if two hashes collide.
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


class InstructionEncoder(nn.Module):
    """A GRU that maps token ids `[n, length]` (0 is padding) to features `[n, features]`.

    Tokens are read in chunks, and chunks after the end of all sentences are skipped, because most
    sentences are much shorter than the maximum length.
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


class InstructionReader(nn.Module):
    """Encode instructions `[m, length]`, token ids or sentence vectors, as `[m, features]`.

    Attributes:
        vocabulary: the number of token ids; 0 if instructions are vectors.
        config: sizes.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    vocabulary: int
    config: NetworkConfig
    seeds_axis: str | None = None

    def setup(self):
        if self.vocabulary:
            self.tokens = InstructionEncoder(self.vocabulary, self.config, self.seeds_axis)
        else:
            self.sentences = nn.Dense(self.config.instruction_features)

    def __call__(self, rows: Num[Array, "m length"]) -> Float[Array, "m features"]:
        if self.vocabulary:
            return self.tokens(rows.astype(jnp.int32))
        # Sentence encoders differ in the norm of their vectors; many normalise them to 1.
        size = jnp.sqrt(jnp.mean(rows**2, axis=-1, keepdims=True) + 1e-8)
        return jnp.tanh(self.sentences(rows / size))

    def each(self, words: Num[Array, "T n length"]) -> Float[Array, "T n features"]:
        """Encode many instructions; if few are distinct, each is encoded only once."""
        flat = words.reshape(-1, words.shape[-1])
        few = max(len(flat) // 8, min(len(flat), self.config.max_instructions))
        if self.is_initializing() or few == len(flat):
            features = self(flat)
        else:
            rows, which, exact = distinct(flat, few)
            path = jnp.where(exact, 0, 1)
            if self.seeds_axis is not None:
                path = jax.lax.pmax(path, self.seeds_axis)
            paths = [
                lambda self, rows, which, flat: self(rows)[which],
                lambda self, rows, which, flat: self(flat),
            ]
            features = nn.switch(path, paths, self, rows, which, flat)
        return features.reshape(*words.shape[:-1], -1)


class MessageEncoder(nn.Module):
    """Encode messages that change at each step, `[T, n, parts, length]`, as `[T, n, hidden]`.

    A message consists of parts of a few words each. Messages are short but many, so the encoder
    sums features of all pairs of neighbouring words instead of using a recurrent network; the
    features depend on the part and on the position of the word in it. If few parts of a batch are
    distinct, each is encoded only once.

    Attributes:
        vocabulary: the number of token ids; 0 is padding.
        config: sizes.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    vocabulary: int
    config: NetworkConfig
    seeds_axis: str | None = None

    @nn.compact
    def __call__(self, tokens: Int[Array, "T n parts length"]) -> Float[Array, "T n hidden"]:
        *batch, parts, length = tokens.shape
        encoder = PartEncoder(self.vocabulary, parts, self.config)
        number = jnp.broadcast_to(jnp.arange(parts)[:, None], (*batch, parts, 1))
        rows = jnp.concatenate([number, tokens.astype(jnp.int32)], axis=-1)
        rows = rows.reshape(-1, 1 + length)
        few = max(len(rows) // 8, min(len(rows), self.config.max_instructions))
        if self.is_initializing() or few == len(rows):
            features = encoder(rows)
        else:
            some, which, exact = distinct(rows, few)
            path = jnp.where(exact, 0, 1)
            if self.seeds_axis is not None:
                path = jax.lax.pmax(path, self.seeds_axis)
            paths = [
                lambda encoder, some, which, rows: encoder(some)[which],
                lambda encoder, some, which, rows: encoder(rows),
            ]
            features = nn.switch(path, paths, encoder, some, which, rows)
        return jnp.sum(features.reshape(*batch, parts, -1), axis=-2)


class PartEncoder(nn.Module):
    """Encode parts of messages, `[m, 1 + length]`: the index of the part, then its token ids."""

    vocabulary: int
    parts: int
    config: NetworkConfig

    @nn.compact
    def __call__(self, rows: Int[Array, "m 1+length"]) -> Float[Array, "m hidden"]:
        part, tokens = rows[:, 0], rows[:, 1:]
        size, features = self.config.token_embedding, self.config.instruction_features
        spread = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
        table = self.param("embedding", spread, (self.vocabulary, size))
        shape = (self.parts, tokens.shape[1], features)
        places = self.param("places", nn.initializers.normal(0.1), shape)
        # The vocabulary has fewer words than a batch, so the dense layers are applied to it first.
        first = nn.Dense(features)(table)
        second = jnp.pad(nn.Dense(features, use_bias=False)(table), ((0, 1), (0, 0)))
        following = jnp.pad(tokens[:, 1:], ((0, 0), (0, 1)), constant_values=self.vocabulary)
        read = first[tokens] + second[following]
        read = jax.nn.relu(read + places[part])
        read = jnp.sum(jnp.where((tokens > 0)[..., None], read, 0), axis=1)
        return nn.Dense(self.config.hidden)(read)
