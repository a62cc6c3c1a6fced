"""Work that is rarely due, such as fits, skipped otherwise."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

T = TypeVar("T")


def when(due: Bool[Array, ""], work: Callable[..., T], otherwise: T, *operands: Any) -> T:
    """Return `work(*operands)` where it is due, else `otherwise`.

    A `cond` becomes a select under `vmap`, and so always does the work. A loop of at most one step
    does it only if it is due for any of the mapped instances.

    Args:
        due: whether the work is due.
        work: the work.
        otherwise: the result if it is not due, with the structure, shapes and dtypes of the work's.
        operands: everything that the work depends on. XLA moves work on other arrays out of the
            loop, where it is always done.
    """

    def step(carry):
        # The barrier, which depends on the carry, keeps work on constant operands in the loop.
        due, inputs = jax.lax.optimization_barrier((carry[0], operands))
        return jnp.zeros_like(due), work(*inputs)

    return jax.lax.while_loop(lambda carry: carry[0], step, (due, otherwise))[1]
