"""Where the latest episodes are kept: a ring of rows, episode i at i modulo its size."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def slots(
    counts: Bool[Array, " n"], count: Int[Array, ""], size: int
) -> tuple[Int[Array, " n"], Int[Array, " n"], Int[Array, ""]]:
    """Where new episodes go, without a place twice.

    Args:
        counts: which rows are episodes.
        count: how many episodes there were before.
        size: of the ring.

    Returns:
        `order`, which puts the rows that are episodes first; for each row in that order its place
        in the ring, or `size` if it has none (a scatter with `mode="drop"` leaves it out); and how
        many episodes there are.
    """
    n = counts.shape[0]
    total = jnp.sum(counts, dtype=jnp.int32)
    order = jnp.nonzero(counts, size=n, fill_value=0)[0]
    number = jnp.arange(n)
    kept = (number < total) & (number >= total - size)
    return order, jnp.where(kept, (count + number) % size, size), total
