"""Compiler hints, which do not change any values."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool

from didact.environments.backends import on_accelerator


def compile_separately(fact: Bool[Array, ""], function: Callable[..., Any], *arguments: Any) -> Any:
    """Return `function(*arguments)`, compiled separately from the surrounding program.

    On CPUs, XLA fuses chains of cheap operations and recomputes them for every use, which can cost
    many times what it saves. A branch that is always taken, but not provably so, excludes its
    results from such fusions (`jax.lax.optimization_barrier` does not). On accelerators a branch
    would cost more than it saves, so none is used there.

    Args:
        fact: a scalar that is always true at run time, but unknown at compile time; where it is
            not, all results are zeros.
        function: the function to compile separately.
        arguments: its arguments.
    """

    if on_accelerator():
        return function(*arguments)

    def never(*arguments):
        shapes = jax.eval_shape(function, *arguments)
        return varying_as(fact, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))

    return jax.lax.cond(fact, function, never, *arguments)


def fold_vmap(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with `vmap` folded into the axis of worlds.

    A function of arrays [n, ...] that treats all worlds alike needs no second batch axis: m batches
    of n worlds are m * n worlds. This keeps the memory layout under `vmap`, and `lax.cond` remains
    a branch instead of becoming a select.
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
    """Return `tree`, marked as varying over the same devices as `data`.

    In `jax.shard_map`, loops require this of the constants in their initial values.
    """
    differs = data.reshape(-1)[0] == 0
    return jax.tree.map(lambda x: jnp.where(differs, x, x), tree)
