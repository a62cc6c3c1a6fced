"""Concatenation of token sequences of different lengths."""

import math

import jax.numpy as jnp
from jaxtyping import Array, UInt8


def concatenate_ragged(pieces: UInt8[Array, "*n s w"], length: int) -> UInt8[Array, "*n l"]:
    """Concatenate the pieces of each row without the padding between them.

    Args:
        pieces: s pieces of up to w tokens, each padded with zeros.
        length: l, the number of tokens of a row; longer rows are truncated.
    """
    *batch, s, w = pieces.shape
    rows = pieces.reshape(math.prod(batch), s, w)
    sizes = jnp.sum(rows != 0, -1, dtype=jnp.int32)
    starts = jnp.cumsum(sizes, -1) - sizes
    at = jnp.where(rows != 0, starts[..., None] + jnp.arange(w), length)  # padding: out of range
    row = jnp.arange(len(rows))[:, None, None]
    out = jnp.zeros((len(rows), length), jnp.uint8).at[row, at].set(rows, mode="drop")
    return out.reshape(*batch, length)
