"""Selecting the k-th of many flags, by counting bits: cheaper than sorting or prefix sums."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt32

WORD = 32


def packed(flags: Bool[Array, "*n s"]) -> UInt32[Array, "*n w"]:
    """Pack flags into words of 32 bits; s must be a multiple of 32."""
    words = flags.reshape(*flags.shape[:-1], -1, WORD).astype(jnp.uint32)
    return jnp.sum(words << np.arange(WORD, dtype=np.uint32), -1, dtype=jnp.uint32)


def nth_bit(word: UInt32[Array, "*m"], rank: Int32[Array, "*m"]) -> Int32[Array, "*m"]:
    """Return the position of the set bit with the given rank, from 0; undefined if absent."""
    position = jnp.zeros_like(rank)
    for width in (16, 8, 4, 2, 1):
        low = word & np.uint32((1 << width) - 1)
        count = jax.lax.population_count(low).astype(jnp.int32)
        above = rank >= count
        rank = jnp.where(above, rank - count, rank)
        word = jnp.where(above, word >> np.uint32(width), low)
        position = position + jnp.where(above, width, 0)
    return position


def nth_flag(
    words: UInt32[Array, "w *n"], rank: Int32[Array, "*m"]
) -> tuple[Int32[Array, "*m"], Int32[Array, "*n"]]:
    """Return the positions of the set bits with the given ranks, and the number of set bits.

    Args:
        words: sets of 32 w bits.
        rank: ranks from 0, in a shape to which [*n] broadcasts.

    Returns:
        The positions, or 32 w where a set has fewer bits; and the number of bits that are set.
    """
    counts = jax.lax.population_count(words).astype(jnp.int32)
    total, word, first, before = counts[0], words[0], jnp.zeros_like(rank), jnp.zeros_like(rank)
    for number in range(1, words.shape[0]):
        later = rank >= total
        word = jnp.where(later, words[number], word)
        first = jnp.where(later, number * WORD, first)
        before = jnp.where(later, total, before)
        total = total + counts[number]
    position = first + nth_bit(jnp.broadcast_to(word, rank.shape), rank - before)
    return jnp.where(rank < total, position, words.shape[0] * WORD), total
