"""Encoders of observations, chosen by `ArraySpace.meaning`.

An encoder is a flax module that is called with the values of one observation, `[T, n, ...]`, and
returns `[T, n, hidden]`. The network sums the results of all its encoders. To support a new kind of
observation, register a function that makes its encoder:
`encoders.register("graph", make_graph_encoder, "graphs, by message passing")`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from didact.common.registry import Entry, Registry
from didact.environments import ArraySpace, SettingError
from didact.students.config import NetworkConfig
from didact.students.networks.cells import CellEncoder
from didact.students.networks.normalisation import Normalise
from didact.students.networks.pixels import PixelEncoder
from didact.students.networks.text import InstructionReader, MessageEncoder


class Context(NamedTuple):
    """What an encoder may need in addition to the space.

    Attributes:
        config: the sizes of the network.
        reader: the encoder of instructions, shared by all encoders; None without instructions.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    config: NetworkConfig
    reader: InstructionReader | None
    seeds_axis: str | None


class VectorEncoder(nn.Module):
    """The encoder of vectors `[T, n, k]` or scalars `[T, n]`, optionally normalised."""

    config: NetworkConfig
    normalise: bool

    @nn.compact
    def __call__(self, values: Array, words: Array | None = None) -> Float[Array, "T n hidden"]:
        values = (values if values.ndim == 3 else values[..., None]).astype(jnp.float32)
        if self.normalise:
            values = Normalise(name="normalisation")(values)
        return nn.Dense(self.config.hidden)(values)


class CategoryEncoder(nn.Module):
    """The encoder of categorical values `[T, n]`."""

    config: NetworkConfig
    size: int

    @nn.compact
    def __call__(self, values: Array, words: Array | None = None) -> Float[Array, "T n hidden"]:
        return nn.Embed(self.size, self.config.hidden)(values.astype(jnp.int32))


class InstructedPixelEncoder(nn.Module):
    """The encoder of images, modulated by the instruction."""

    config: NetworkConfig
    reader: InstructionReader | None

    def setup(self):
        self.pixels = PixelEncoder(self.config)

    def __call__(self, values: Array, words: Array | None = None) -> Float[Array, "T n hidden"]:
        known = words is not None and self.reader is not None
        return self.pixels(values, self.reader.each(words) if known else None)  # type: ignore


class TokenEncoder(nn.Module):
    """The encoder of other token sequences, `[T, n, length]` or `[T, n, parts, length]`."""

    config: NetworkConfig
    vocabulary: int
    seeds_axis: str | None

    @nn.compact
    def __call__(self, values: Array, words: Array | None = None) -> Float[Array, "T n hidden"]:
        values = values if values.ndim == 4 else values[:, :, None]
        return MessageEncoder(self.vocabulary, self.config, self.seeds_axis)(values)


Make = Callable[[ArraySpace, Context], nn.Module]
# By kind of observation; other packages add theirs through entry points.
ENCODERS: Registry[Entry] = Registry("encoder", group="didact.encoders")


def register(kind: str, make: Make, description: str) -> None:
    """Register an encoder for a kind of observation.

    Args:
        kind: the value of `ArraySpace.kind`.
        make: a function from a space and a `Context` to a module. The module is called with values
            `[T, n, ...]` and the instruction `[T, n, length]` or None, and returns
            `[T, n, hidden]`.
        description: what it encodes, and how, in one line.

    Raises:
        SettingError: the kind already has an encoder.
    """
    ENCODERS.register(kind, make, description)


def encoder_of(name: str, space: ArraySpace, context: Context) -> nn.Module:
    """Make the encoder of one observation.

    Raises:
        SettingError: its kind has no encoder, or is not given although the space has several axes.
    """
    kind = space.meaning
    if kind is None:
        raise SettingError(
            f"kind of observation {name!r} of shape {space.shape}",
            None,
            "one of " + ", ".join(ENCODERS) + ": it cannot be inferred from the shape",
        )
    if kind not in ENCODERS:
        raise SettingError(f"kind of observation {name!r}", kind, "one of " + ", ".join(ENCODERS))
    return ENCODERS[kind].make(space, context)


def normalised(space: ArraySpace) -> bool:
    """Whether an observation is normalised: true for real-valued vectors without a role."""
    real = jnp.issubdtype(jnp.dtype(space.dtype), jnp.floating)
    return space.meaning == "vector" and real and not space.role


def read_spaces(spaces: Mapping[str, ArraySpace]) -> dict[str, ArraySpace]:
    """Return the observations that networks read.

    Hidden observations are left out, and so are tokens if there is a vector with the same role.

    Raises:
        SettingError: an instruction is neither a sequence of tokens nor a vector.
    """
    vectors = {s.role for s in spaces.values() if s.role and s.meaning == "vector"}
    read = {
        name: space
        for name, space in spaces.items()
        if space.meaning != "hidden" and not (space.meaning == "tokens" and space.role in vectors)
    }
    for name, space in read.items():
        one = len(space.shape) == 1 and space.meaning in ("tokens", "vector")
        if space.role == "instruction" and not one:
            allowed = "tokens or a vector of shape (length,)"
            raise SettingError(f"instruction {name!r}", (space.meaning, space.shape), allowed)
    return read


def _vector(space: ArraySpace, context: Context) -> nn.Module:
    return VectorEncoder(
        context.config, context.config.normalise_observations and normalised(space)
    )


def _cells(space: ArraySpace, context: Context) -> nn.Module:
    return CellEncoder(space.codes, context.config, context.reader, context.seeds_axis)


def _tokens(space: ArraySpace, context: Context) -> nn.Module:
    return TokenEncoder(context.config, int(space.high) + 1, context.seeds_axis)


register("vector", _vector, "real numbers, normalised by running statistics")
register("category", lambda s, c: CategoryEncoder(c.config, int(s.high) + 1), "one of n values")
register("cells", _cells, "grid cells, by a table of codes")
register("pixels", lambda s, c: InstructedPixelEncoder(c.config, c.reader), "images, by a ResNet")
register("tokens", _tokens, "sequences of tokens, by a recurrent network")
