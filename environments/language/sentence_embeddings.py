"""Sentence embeddings of missions: a table filled by any sentence encoder, read on the device.

An encoder (a language model) is slow and runs on the host, but an environment has few different
missions. So each mission is encoded once, and worlds look up their vectors by the tokens. If there
are too many missions, the table contains clauses ("go to the red ball"), and the vector of a
mission is composed of the vectors of its clauses.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, PRNGKeyArray, UInt8, UInt32

from didact.common.errors import SettingError
from didact.environments.base import Environment, Map, Timestep
from didact.environments.capabilities import AchievedInstructions
from didact.environments.language import vocabulary
from didact.environments.language.grammar import GO_TO, KINDS, OPEN, PICK_UP, PUT_NEXT
from didact.environments.language.vocabulary import TOKEN
from didact.environments.spaces import ArraySpace
from didact.environments.wrappers.wrapper import Wrapper

KEY = "instruction_vector"
UNKNOWN = -1  # the row of texts that are not in the table; it contains zeros
MAX_CLAUSES = 4
# How the vector of a mission is composed; for the last two, the table contains clauses.
WHOLE, MEAN, CONCATENATED = POOLINGS = ("whole", "mean", "concatenated")

Encoder = Callable[[list[str]], Any]  # maps m texts to an array [m, d], like `encode` elsewhere


class EmbeddingTable(NamedTuple):
    """The vectors of m texts, sorted by hash; create it by `embed_sentences`."""

    hashes: UInt32[Array, " m"]
    tokens: UInt8[Array, "m l"]
    vectors: Float[Array, "m+1 d"]  # the last row is that of `UNKNOWN`
    powers: UInt32[Array, " p"]  # the weights of the tokens in a hash

    @property
    def features(self) -> int:
        """d, the length of a vector."""
        return self.vectors.shape[1]

    @property
    def texts(self) -> list[str]:
        """The texts, in the order of the rows."""
        return [vocabulary.decode(row) for row in np.asarray(self.tokens)]

    def find(self, sentences: UInt8[Array, "*n k"]) -> Int32[Array, "*n"]:
        """Return the row of each sentence of token ids, or `UNKNOWN`; can be jitted.

        The hash only finds the candidate row. All tokens are compared, so that a hash collision
        never returns the vector of another text.
        """
        k, width = sentences.shape[-1], self.tokens.shape[1]
        hashes = _hashes(sentences, self.powers)
        at = jnp.minimum(jnp.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        padded = [(0, 0)] * (sentences.ndim - 1) + [(0, max(width - k, 0))]
        same = jnp.all(jnp.pad(sentences, padded)[..., :width] == self.tokens[at], axis=-1)
        same &= ~jnp.any(sentences[..., width:], axis=-1)
        return jnp.where(same, at, UNKNOWN).astype(jnp.int32)


def embed_sentences(texts: Iterable[str], encoder: Encoder) -> EmbeddingTable:
    """Create a table of sentence vectors.

    Args:
        texts: missions or clauses, as returned by `missions_of` and `all_clauses`.
        encoder: maps a list of m texts to an array [m, d]; called once.

    Returns:
        The table.

    Raises:
        SettingError: there are no texts, a word is not in the vocabulary, the encoder does not
            return a finite array [m, d], or there are too many texts for hashes without collisions
            (about two hundred thousand are possible).
    """
    rows = {bytes(vocabulary.tokens(text)): text for text in texts}
    if not rows:
        raise SettingError("texts", [], "at least one text")
    vectors = np.asarray(encoder(list(rows.values())), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(rows) or not np.isfinite(vectors).all():
        raise SettingError(
            "encoder", f"one with output of shape {vectors.shape}", f"finite [{len(rows)}, d]"
        )
    width = max(map(len, rows))
    tokens = np.array([list(row) + [0] * (width - len(row)) for row in rows], np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(64):
        multiplier = np.full(_MAX_LENGTH, 2 * rng.integers(2**31) + 1, np.uint32)
        powers = np.cumprod(multiplier, dtype=np.uint32)
        hashes = np.asarray(_hashes(tokens, powers))
        order = np.argsort(hashes)
        if (np.diff(hashes[order].astype(np.int64)) > 0).all():
            break
    else:
        raise SettingError("texts", f"{len(rows)} of them", "fewer: their hashes collide")
    vectors = np.concatenate([vectors[order], np.zeros((1, vectors.shape[1]), np.float32)])
    found = hashes[order], tokens[order], vectors, powers
    return EmbeddingTable(*map(jnp.asarray, found))


_MAX_LENGTH = 512  # the maximum number of tokens in a hash


def _hashes(tokens: Any, powers: Any) -> Any:
    used = powers[: tokens.shape[-1]]
    return jnp.sum(jnp.asarray(tokens).astype(jnp.uint32) * used, axis=-1, dtype=jnp.uint32)


def clauses_of(missions: UInt8[Array, "n l"]) -> UInt8[Array, "n 4 l"]:
    """Split missions in BabyAI's wording into clauses, as rows of tokens.

    Rows 0 and 1 are the clauses to fulfill first, and rows 2 and 3 those to fulfill afterwards,
    each in the order of the sentence. Missing clauses are 0. So "A after you B" and "B, then A"
    have the same clauses.
    """
    before = jnp.pad(missions, ((0, 0), (1, 0)))[:, :-1]
    comma, after, both = (missions == TOKEN[word] for word in (",", "after", "and"))
    side = comma | after
    joiner = both | side | (before == TOKEN[","]) | (before == TOKEN["after"])
    sides = jnp.cumsum(side, axis=1)
    seconds = jnp.cumsum(both, axis=1)
    seconds -= jnp.where(sides > 0, jnp.max(jnp.where(sides == 0, seconds, 0), 1)[:, None], 0)
    swapped = jnp.any(after, axis=1)[:, None]
    slot = 2 * (sides ^ swapped) + seconds
    said = (missions != 0) & ~joiner
    own = (slot[..., None] == np.arange(MAX_CLAUSES)) & said[..., None]
    rank = jnp.sum(jnp.where(own, jnp.cumsum(own, axis=1) - 1, 0), axis=2)
    n, length = missions.shape
    where = np.arange(n)[:, None], jnp.where(said, slot, MAX_CLAUSES), rank
    return jnp.zeros((n, MAX_CLAUSES, length), jnp.uint8).at[where].set(missions, mode="drop")


def missions_of(
    environment: Environment,
    n: int = 4096,
    key: PRNGKeyArray | None = None,
    clauses: bool = False,
) -> list[str]:
    """Return the distinct missions of n levels of an environment, or their clauses, sorted.

    Levels are sampled from uniform tasks, so rare missions may be missing. With few different
    missions, as in the GoTo levels, a few thousand levels contain all of them. `all_clauses`
    returns the complete list of clauses.
    """
    key = jax.random.key(0) if key is None else key
    tasks_key, level_key = jax.random.split(key)
    tasks = environment.task_space.sample(tasks_key, n)
    instructions = jax.jit(environment.reset)(level_key, tasks)[1].observation["instruction"]
    rows = clauses_of(instructions).reshape(-1, instructions.shape[1]) if clauses else instructions
    found = {vocabulary.decode(row) for row in np.unique(np.asarray(rows), axis=0)}
    return sorted(found - {""})


def all_clauses(kinds: Sequence[int] = KINDS, locations: bool = False) -> list[str]:
    """Return all clauses of Baby Language.

    Args:
        kinds: the kinds of clauses, as numbered in `grammar`. "Put next to" has 3920 clauses, all
            other kinds together 140.
        locations: whether to include descriptions with a location ("on your left"), which
            multiplies the number of descriptions by five.
    """
    places = ("", "on your left", "on your right", "in front of you", "behind you")

    def things(*types: str) -> list[str]:
        parts = ("a", "the"), ("", *vocabulary.COLORS), types, places if locations else ("",)
        return [" ".join(filter(None, words)) for words in itertools.product(*parts)]

    portable = things("key", "ball", "box", "object")
    anything = things(*vocabulary.TYPES, "object")
    said: dict[int, list[str]] = {
        GO_TO: [f"go to {x}" for x in anything],
        OPEN: [f"open {x}" for x in things("door")],
        PICK_UP: [f"pick up {x}" for x in portable],
    }
    if PUT_NEXT in kinds:
        pairs = itertools.product(portable, anything)
        said[PUT_NEXT] = [f"put {one} next to {other}" for one, other in pairs]
    return [text for kind in said if kind in kinds for text in said[kind]]


class EmbeddingState(NamedTuple):
    """n worlds, and the table rows of their missions."""

    worlds: Any  # the state of the wrapped environment
    rows: Int32[Array, "n c"]  # rows of the table: one, or one for each of four clauses
    said: Bool[Array, "n c"]  # whether the mission has this clause


class WithSentenceEmbeddings(Wrapper[EmbeddingState]):
    """An environment with the observation `instruction_vector`.

    Create it by `with_sentence_embeddings`.
    """

    def __init__(self, environment: Environment[Any], table: EmbeddingTable, pooling: str = WHOLE):
        instruction = environment.observation_space.get("instruction")
        if instruction is None or instruction.shape[0] > _MAX_LENGTH:
            names = sorted(environment.observation_space)
            raise SettingError("environment", names, f"one with at most {_MAX_LENGTH} tokens")
        if pooling not in POOLINGS:
            raise SettingError("pooling", pooling, "one of " + ", ".join(POOLINGS))
        if pooling != WHOLE and environment.phrasing is not None:
            raise SettingError("pooling", pooling, "whole if instructions are paraphrased")
        super().__init__(environment)
        self.table, self.pooling = table, pooling
        features = table.features * (MAX_CLAUSES if pooling == CONCATENATED else 1)
        highest = float(jnp.max(jnp.abs(table.vectors)))
        vector = ArraySpace((features,), np.float32, -highest, highest, role="instruction")
        self.observation_space = {**environment.observation_space, KEY: vector}

    def inner_state(self, state: EmbeddingState) -> Any:
        return state.worlds

    def reset(
        self, key: PRNGKeyArray, tasks: Float[Array, "n d"]
    ) -> tuple[EmbeddingState, Timestep]:
        worlds, timestep = self.environment.reset(key, tasks)
        state = EmbeddingState(worlds, *self._rows(timestep.observation["instruction"]))
        return state, self._with_vector(state, timestep)

    def step(
        self, key: PRNGKeyArray, state: EmbeddingState, actions: Int[Array, " n"]
    ) -> tuple[EmbeddingState, Timestep]:
        worlds, timestep = self.environment.step(key, state.worlds, actions)
        state = state._replace(worlds=worlds)
        return state, self._with_vector(state, timestep)

    def achieved_instructions(self) -> AchievedInstructions | None:
        found = super().achieved_instructions()
        if found is None:
            return None

        def observations(instruction: UInt8[Array, "*n l"]) -> dict[str, Array]:
            flat = instruction.reshape(-1, instruction.shape[-1])
            vector = self._vectors(*self._rows(flat))
            vector = vector.reshape(*instruction.shape[:-1], vector.shape[-1])
            return {**found.observations(instruction), KEY: vector}

        return dataclasses.replace(found, observations=observations)

    def map(self, state: EmbeddingState, index: int) -> Map | None:
        """Return the map with the instruction vector of that world."""
        seen = super().map(state, index)
        if seen is None:
            return None
        row, said = (jnp.asarray(x)[index][None] for x in (state.rows, state.said))
        vector = jnp.repeat(self._vectors(row, said), len(seen.free), 0)
        return seen._replace(observation={**seen.observation, KEY: vector})

    def _rows(
        self, missions: UInt8[Array, "n l"]
    ) -> tuple[Int32[Array, "n c"], Bool[Array, "n c"]]:
        """Return the table rows of missions or clauses, and which clauses exist."""
        parts = missions[:, None] if self.pooling == WHOLE else clauses_of(missions)
        return self.table.find(parts), jnp.any(parts != 0, axis=2)

    def _vectors(self, rows: Int32[Array, "n c"], said: Bool[Array, "n c"]) -> Float[Array, "n d"]:
        vectors = self.table.vectors[rows]  # row -1 is the last one
        if self.pooling == CONCATENATED:
            return vectors.reshape(len(vectors), -1)
        # Missing clauses have vectors of zeros.
        return jnp.sum(vectors, 1) / jnp.maximum(jnp.sum(said, 1), 1)[:, None]

    def _with_vector(self, state: EmbeddingState, timestep: Timestep) -> Timestep:
        vector = self._vectors(state.rows, state.said)
        return timestep._replace(observation={**timestep.observation, KEY: vector})


def with_sentence_embeddings(
    environment: Environment, table: EmbeddingTable, pooling: str = WHOLE
) -> WithSentenceEmbeddings:
    """Add `instruction_vector`, float32[n, d], to the observations of an environment.

    The vector of a mission that is not in the table is 0; see `unknown_missions`.

    Args:
        environment: an environment with `instruction` token ids.
        table: the vectors, as created by `embed_sentences`.
        pooling: "whole" if the table contains whole missions. If it contains clauses, "mean" is the
            mean of their vectors, which does not represent their order, and "concatenated" the four
            vectors in the order of `clauses_of`, with 0 for missing clauses, float32[n, 4d].

    Raises:
        SettingError: the pooling does not exist, the environment has no instructions, or
            instructions are paraphrased, so that they cannot be split into clauses.
    """
    return WithSentenceEmbeddings(environment, table, pooling)


def unknown_missions(state: EmbeddingState) -> Bool[Array, " n"]:
    """Return which worlds have a mission with a part that is not in the table."""
    return jnp.any(state.said & (state.rows == UNKNOWN), axis=1)
