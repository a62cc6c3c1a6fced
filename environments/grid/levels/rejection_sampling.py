"""Rejection sampling of levels: draw drafts with new keys until one is accepted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray

from didact.environments import backends
from didact.environments.compiler_hints import varying_as

MAX_TRIES = 1000
GROUP_SIZE = 16

# Maps a key and a task to whether the draft is accepted, and the draft.
Attempt = Callable[[PRNGKeyArray, Float[Array, " d"]], tuple[Bool[Array, ""], Any]]


def rejection_sample(
    attempt: Attempt, keys: PRNGKeyArray, tasks: Float[Array, "n d"]
) -> tuple[Bool[Array, " n"], Any]:
    """Return the first accepted draft of each world, or the last one after `MAX_TRIES`.

    Attempts run in groups, so that the few worlds that need more attempts do not delay all others.
    If fewer worlds are pending than a group has slots, each makes several attempts at once and the
    first accepted one counts, which gives the same result.

    Args:
        attempt: draws the draft of one world; this function vectorizes it.
        keys: n PRNG keys.
        tasks: n tasks.

    Returns:
        Which drafts were accepted, and the drafts, with a leading axis of worlds.
    """
    n = len(tasks)
    size = backends.group_size(n, max(GROUP_SIZE, n // 8))
    attempts = jax.vmap(attempt)

    def group(carry):
        tries, good, draft = carry
        pending = _pending(tries, good)
        waiting = jnp.minimum(jnp.sum(pending), size)
        ahead = jnp.arange(size) // waiting
        worlds = jnp.nonzero(pending, size=size, fill_value=n - 1)[0][jnp.arange(size) % waiting]
        fresh = jax.vmap(jax.random.fold_in)(keys[worlds], tries[worlds] + ahead)
        new_good, new = attempts(fresh, tasks[worlds])

        place = jnp.arange(size)
        first = jnp.full(n, size).at[worlds].min(jnp.where(new_good, place, size))[worlds]
        counts = (place == first) | ((ahead == 0) & (first == size))
        target = jnp.where(counts, worlds, n)  # n is out of bounds and dropped
        good, draft = jax.tree.map(
            lambda x, y: x.at[target].set(y, mode="drop"), (good, draft), (new_good, new)
        )
        return tries.at[worlds].add(1), good, draft

    shapes = jax.eval_shape(attempts, keys, tasks)
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    start = varying_as(tasks, (jnp.zeros(n, jnp.int32), *nothing))
    _, good, draft = jax.lax.while_loop(lambda c: jnp.any(_pending(*c[:2])), group, start)
    return good, draft


def _pending(tries: Int32[Array, " n"], good: Bool[Array, " n"]) -> Bool[Array, " n"]:
    return ~good & (tries < MAX_TRIES)
