"""Rows of tokens made of pieces of different length."""

import math

import jax.numpy as jnp
from jaxtyping import Array, UInt8


def concatenate_ragged(pieces: UInt8[Array, "*n s w"], length: int) -> UInt8[Array, "*n l"]:
    """The pieces of each row, one after another, without the gaps between them.

    Args:
        pieces: s pieces of up to w tokens, each with its zeros at the end.
        length: l, the number of tokens of a row; those that do not fit are left out.
    """
    *batch, s, w = pieces.shape
    rows = pieces.reshape(math.prod(batch), s, w)
    sizes = jnp.sum(rows != 0, -1, dtype=jnp.int32)
    starts = jnp.cumsum(sizes, -1) - sizes
    at = jnp.where(rows != 0, starts[..., None] + jnp.arange(w), length)  # length: nowhere
    row = jnp.arange(len(rows))[:, None, None]
    out = jnp.zeros((len(rows), length), jnp.uint8).at[row, at].set(rows, mode="drop")
    return out.reshape(*batch, length)
