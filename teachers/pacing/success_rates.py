"""Success rates that are followed episode by episode, for many episodes at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def decayed_sums(
    values: Float[Array, " n"], counts: Bool[Array, " n"], before: Float[Array, ""], horizon: int
) -> Float[Array, " n"]:
    """Return a sum that forgets exponentially, after each of n episodes.

    Args:
        values: the value of each episode.
        counts: which rows are episodes; the others change nothing.
        before: the sum before the first.
        horizon: every episode multiplies the sum of the earlier ones by 1 - 1 / horizon.
    """
    keep = jnp.where(counts, 1 - 1 / horizon, 1.0)
    gain = jnp.where(counts, values, 0.0)

    def joined(first, second):
        return first[0] * second[0], first[1] * second[0] + second[1]

    keep, total = jax.lax.associative_scan(joined, (keep, gain))
    return before * keep + total


def bounded_walk(
    start: Float[Array, ""], steps: Float[Array, " n"], low: float = 0.0, high: float = 1.0
) -> Float[Array, ""]:
    """Return the end of a walk that is clipped to [low, high] after every step."""

    def joined(first, second):
        # x -> clip(x + step, lowest, highest) is closed under composition.
        step, lowest, highest = second
        return (
            first[0] + step,
            jnp.clip(first[1] + step, lowest, highest),
            jnp.clip(first[2] + step, lowest, highest),
        )

    ends = jnp.full_like(steps, low), jnp.full_like(steps, high)
    step, lowest, highest = jax.lax.associative_scan(joined, (steps, *ends))
    return jnp.clip(start + step[-1], lowest[-1], highest[-1])
