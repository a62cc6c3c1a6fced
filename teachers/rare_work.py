"""Work that is rarely due, such as fits, skipped otherwise."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool

T = TypeVar("T")


def when(due: Bool[Array, ""], work: Callable[..., T], otherwise: T, *operands: Any) -> T:
    """Return `work(*operands)` where it is due, else `otherwise`.

    A `cond` becomes a select under `vmap`, and so always does the work for all mapped instances,
    such as seeds. Here, CPUs do it for one instance after another, and only where it is due, which
    also keeps its arrays in the cache, and ends iterations when this instance has converged.
    Accelerators do it for all instances at once, if it is due for any of them.

    Args:
        due: whether the work is due.
        work: the work.
        otherwise: the result if it is not due, with the structure, shapes and dtypes of the work's.
        operands: everything that the work depends on, except for constants. XLA moves work on other
            arrays out of the loop, where it is always done.
    """
    if jax.default_backend() != "cpu":
        return _at_once(due, work, otherwise, operands)

    @custom_vmap
    def one(due, otherwise, operands):
        return jax.lax.cond(due, lambda _, x: work(*x), lambda old, _: old, otherwise, operands)

    @one.def_vmap
    def many(size, mapped, *arguments):
        def spread(leaf, is_mapped):
            return leaf if is_mapped else jnp.broadcast_to(leaf, (size, *leaf.shape))

        arguments = jax.tree.map(spread, arguments, tuple(mapped))
        results = jax.lax.cond(  # even the slices of a loop that does nothing take time
            jnp.any(arguments[0]),
            lambda arguments: jax.lax.map(lambda each: one(*each), arguments),
            lambda arguments: arguments[1],
            arguments,
        )
        return results, jax.tree.map(lambda _: True, results)

    return one(due, otherwise, operands)


def _at_once(due: Bool[Array, ""], work: Callable[..., T], otherwise: T, operands: Any) -> T:
    """Do the work in a loop of at most one step, which `vmap` runs if it is due for any."""

    def step(carry):
        # The barrier, which depends on the carry, keeps work on constant operands in the loop.
        due, inputs = jax.lax.optimization_barrier((carry[0], operands))
        return jnp.zeros_like(due), work(*inputs)

    return jax.lax.while_loop(lambda carry: carry[0], step, (due, otherwise))[1]
