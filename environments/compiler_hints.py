"""Hints to the compiler, which change no values."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool

from didact.environments.backends import on_accelerator


def compile_separately(fact: Bool[Array, ""], function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)`, compiled as a piece of its own.

    XLA on CPUs merges chains of cheap operations and computes them again for every use, which can
    cost many times what it saves. A branch that is always taken, but not provably so, keeps what
    it computes out of such chains (`jax.lax.optimization_barrier` does not). On accelerators a
    branch would take longer than what it saves, so there is none.

    Args:
        fact: a scalar that is true whenever the program runs, but is not known to be when it is
            compiled.
    """

    if on_accelerator():
        return function(*arguments)

    def never(*arguments):
        shapes = jax.eval_shape(function, *arguments)
        return varying_as(fact, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))

    return jax.lax.cond(fact, function, never, *arguments)


def fold_vmap(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with `vmap` folded into the axis of worlds.

    A function of arrays [n, ...] that treats every world alike needs no second axis: m batches
    of n worlds are m * n worlds. Under `vmap` that keeps its layout, and branches stay branches.
    """
    folded = custom_vmap(function)

    @folded.def_vmap
    def _(axis_size, in_batched, *arguments):
        def fold(x, batched):
            x = x if batched else jnp.broadcast_to(x, (axis_size, *jnp.shape(x)))
            return x.reshape(axis_size * x.shape[1], *x.shape[2:])

        out = folded(*jax.tree.map(fold, arguments, tuple(in_batched)))

        def unfold(x):
            return x.reshape(axis_size, x.shape[0] // axis_size, *x.shape[1:])

        return jax.tree.map(unfold, out), jax.tree.map(lambda _: True, out)

    return folded


def varying_as(data: Array, tree: Any) -> Any:
    """`tree`, declared to differ between devices where `data` does.

    In `jax.shard_map`, loops ask that of the constants that they start from.
    """
    differs = data.reshape(-1)[0] == 0
    return jax.tree.map(lambda x: jnp.where(differs, x, x), tree)
