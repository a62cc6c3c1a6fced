"""Work that only some worlds need: they are gathered into groups, processed, and put back."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.environments.backends import on_accelerator

GROUP = 64  # worlds that are processed at once


def replaced(
    function: Callable[..., Any], chosen: Bool[Array, " n"], values: Any, *others: Any
) -> Any:
    """Return `values`, with `function(values, *others)` in the chosen worlds.

    On CPUs the cost grows with the number of chosen worlds. All arrays have the axis of worlds
    last; whole numbers must be below 2^24, because they are carried as floats.

    Args:
        function: it returns a tree like `values`, and treats all worlds alike.
        chosen: the worlds to process.
        values: a tree of arrays.
        others: further trees of arrays.
    """
    n = chosen.shape[0]
    if on_accelerator() or n <= GROUP:
        new = function(values, *others)
        return jax.tree.map(lambda x, y: jnp.where(chosen, x, y), new, values)
    rank = _ranks(chosen)
    order = jnp.nonzero(chosen, size=n, fill_value=0)[0]
    order = jnp.concatenate([order, jnp.zeros(GROUP, order.dtype)])
    given = _packed((values, *others))
    old = _packed(values)

    def group(carry):
        begin, done = carry
        worlds = jax.lax.dynamic_slice(order, (begin,), (GROUP,))
        columns = jnp.take(given, worlds, axis=1, mode="clip")
        arguments = _unpacked(columns, (values, *others))
        new = _packed(function(*arguments))
        return begin + GROUP, jax.lax.dynamic_update_slice(done, new, (0, begin))

    count = rank[-1] + chosen[-1]
    empty = jnp.zeros((old.shape[0], n + GROUP)) * old[0, 0]
    _, done = jax.lax.while_loop(lambda carry: carry[0] < count, group, (count * 0, empty))
    new = jnp.take(done, rank, axis=1, mode="clip")
    return _unpacked(jnp.where(chosen, new, old), values)


def _ranks(chosen: Bool[Array, " n"]) -> Array:
    """Return the number of chosen worlds before each world."""
    number = chosen.astype(jnp.int32)
    return jnp.cumsum(number) - number


def _packed(tree: Any) -> Float[Array, "r n"]:
    """Return all arrays as the rows of one."""
    leaves = jax.tree.leaves(tree)
    return jnp.concatenate([x.reshape(-1, x.shape[-1]).astype(jnp.float32) for x in leaves], axis=0)


def _unpacked(rows: Float[Array, "r n"], like: Any) -> Any:
    """Return the arrays of `_packed`; `like` gives shapes, apart from the last axis, and types."""
    leaves, structure = jax.tree.flatten(like)
    found, begin = [], 0
    for leaf in leaves:
        size = leaf.size // leaf.shape[-1]
        part = rows[begin : begin + size].reshape(*leaf.shape[:-1], rows.shape[1])
        found.append(part > 0.5 if leaf.dtype == jnp.bool_ else part.astype(leaf.dtype))
        begin += size
    return jax.tree.unflatten(structure, found)
