"""Ring buffers of the latest episodes: episode i is stored in row i modulo the size."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

LARGE = 2**30


def slots(
    counts: Bool[Array, " n"], count: Int[Array, ""], size: int
) -> tuple[Int[Array, " n"], Int[Array, " n"], Int[Array, ""]]:
    """Assign each new episode a distinct slot of the ring.

    Args:
        counts: which rows are episodes.
        count: the number of earlier episodes.
        size: the size of the ring.

    Returns:
        `order`, an index that moves the rows with episodes to the front; the slot of each row in
        that order, or `size` if it has none (so that a scatter with `mode="drop"` ignores it); and
        the number of new episodes.
    """
    n = counts.shape[0]
    total = jnp.sum(counts, dtype=jnp.int32)
    order = jnp.nonzero(counts, size=n, fill_value=0)[0]
    number = jnp.arange(n)
    kept = (number < total) & (number >= total - size)
    return order, jnp.where(kept, (count + number) % size, size), total


def surplus(count: Int[Array, "..."], size: int) -> Int[Array, "..."]:
    """Return what to subtract from counts of episodes so that int32 never overflows.

    It is a multiple of the size of the ring, so slots remain, and more than `size` episodes are
    left. It is 0 for counts below 2**30.
    """
    return jnp.where(count >= LARGE, LARGE // 2 // size * size, 0)
