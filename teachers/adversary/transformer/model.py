"""A small causal transformer over the tokens of a task, with sampling and log-probabilities."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.teachers.adversary.transformer.tokens import Tokens

Cache = tuple[Float[Array, "n l h e"], Float[Array, "n l h e"]]  # keys and values of one block


class Block(nn.Module):
    """A pre-norm transformer block: causal attention, then a perceptron."""

    width: int
    heads: int

    def setup(self):
        self.before_attention = nn.RMSNorm()
        self.asked = nn.Dense(3 * self.width, use_bias=False)
        self.joined = nn.Dense(self.width, use_bias=False)
        self.before_perceptron = nn.RMSNorm()
        self.up = nn.Dense(2 * self.width)
        self.down = nn.Dense(self.width)

    def project(self, x: Float[Array, "*b width"]) -> tuple[Array, Array, Array]:
        """Return queries, keys and values, each [*b, h, e]."""
        asked = self.asked(self.before_attention(x))
        asked = asked.reshape(*x.shape[:-1], 3, self.heads, self.width // self.heads)
        return asked[..., 0, :, :], asked[..., 1, :, :], asked[..., 2, :, :]

    def finish(self, x: Array, seen: Array) -> Float[Array, "*b width"]:
        """Return the features after the block, given the attention output [*b, h, e]."""
        x = x + self.joined(seen.reshape(x.shape))
        return x + self.down(nn.gelu(self.up(self.before_perceptron(x))))

    def __call__(self, x: Float[Array, "n l width"]) -> Float[Array, "n l width"]:
        """Process all positions at once."""
        queries, keys, values = self.project(x)
        scores = jnp.einsum("nqhe,nkhe->nhqk", queries, keys) / queries.shape[-1] ** 0.5
        scores = jnp.where(jnp.tri(x.shape[1], dtype=bool), scores, -jnp.inf)
        return self.finish(x, jnp.einsum("nhqk,nkhe->nqhe", jax.nn.softmax(scores), values))

    def step(
        self, x: Float[Array, "n width"], cache: Cache, position: Array
    ) -> tuple[Array, Cache]:
        """Process one position, given the cached keys and values of earlier positions."""
        query, key, value = self.project(x)
        keys = cache[0].at[:, position].set(key)
        values = cache[1].at[:, position].set(value)
        scores = jnp.einsum("nhe,nkhe->nhk", query, keys) / query.shape[-1] ** 0.5
        scores = jnp.where(jnp.arange(keys.shape[1]) <= position, scores, -jnp.inf)
        seen = jnp.einsum("nhk,nkhe->nhe", jax.nn.softmax(scores), values)
        return self.finish(x, seen), (keys, values)


class Transformer(nn.Module):
    """Logits of the token at each position, given the tokens before it.

    Each position has its own token embeddings and output head, because token 3 of one dimension is
    unrelated to token 3 of another. Heads are initialized to zero, so that the initial distribution
    is uniform.
    """

    length: int
    base: int
    width: int
    layers: int
    heads: int

    def setup(self):
        spread, none = nn.initializers.normal(0.5), nn.initializers.zeros
        self.table = self.param("table", spread, (self.length, self.base, self.width))
        self.places = self.param("places", spread, (self.length, self.width))
        self.blocks = [Block(self.width, self.heads) for _ in range(self.layers)]
        self.norm = nn.RMSNorm()
        self.head = self.param("head", none, (self.length, self.width, self.base))
        self.bias = self.param("bias", none, (self.length, self.base))

    def __call__(self, tokens: Int[Array, "n l"]) -> Float[Array, "n l base"]:
        """Return the logits at all positions."""
        said = self.table[jnp.arange(self.length - 1), tokens[:, :-1]]
        x = jnp.pad(said, ((0, 0), (1, 0), (0, 0))) + self.places
        for block in self.blocks:
            x = block(x)
        return jnp.einsum("nlw,lwb->nlb", self.norm(x), self.head) + self.bias

    def step(
        self, last: Int[Array, " n"], caches: list[Cache], position: Int[Array, ""]
    ) -> tuple[Float[Array, "n base"], list[Cache]]:
        """Return the logits at one position; `last` is the token before it (ignored at first)."""
        said = jnp.where(position > 0, self.table[position - 1, last], 0)
        x = said + self.places[position]
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, cache, position)
            after.append(cache)
        return self.norm(x) @ self.head[position] + self.bias[position], after


def draw(
    model: Transformer, parameters: Any, language: Tokens, key: PRNGKeyArray, n: int
) -> Int[Array, "n l"]:
    """Sample n sentences token by token, caching the keys and values of earlier tokens."""
    shape = (n, model.length, model.heads, model.width // model.heads)
    caches = [(jnp.zeros(shape), jnp.zeros(shape)) for _ in range(model.layers)]
    columns = jnp.asarray(language.columns)
    worth = jnp.asarray(language.worth, jnp.int32)

    def say(carry, now):
        last, begun, caches = carry
        key, position = now
        scores, caches = model.apply(parameters, last, caches, position, method="step")
        fresh = (position == 0) | (columns[position] != columns[position - 1])
        begun = jnp.where(fresh, 0, begun)
        scores += language.log_counts(begun, jnp.full(n, position))
        token = jax.random.categorical(key, scores)
        return (token, begun + worth[position] * token, caches), token

    start = (jnp.zeros(n, jnp.int32), jnp.zeros(n, jnp.int32), caches)
    keys = jax.random.split(key, model.length)
    _, tokens = jax.lax.scan(say, start, (keys, jnp.arange(model.length)))
    return tokens.T


def log_probabilities(
    model: Transformer, parameters: Any, language: Tokens, tokens: Int[Array, "n l"]
) -> Float[Array, " n"]:
    """Return the log-probabilities of sentences, that is, of the cells of the tasks."""
    counts = language.log_counts(language.begun(tokens), jnp.arange(model.length))
    said: Any = model.apply(parameters, tokens)
    scores = jax.nn.log_softmax(said + counts)
    return jnp.sum(jnp.take_along_axis(scores, tokens[..., None], axis=2)[..., 0], axis=1)
