"""What the conformance tests of students and teachers share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def require(holds: Any, sentence: str) -> None:
    """Raise an AssertionError unless a condition holds; unlike `assert`, also with -O."""
    if not holds:
        raise AssertionError(sentence)


def require_same_shapes(where: str, before: Any, after: Any) -> None:
    """Require that a state keeps its structure, shapes and dtypes, as loops do."""
    one, other = jax.tree.structure(before), jax.tree.structure(after)
    require(one == other, f"{where} must keep the structure of the state: {one} became {other}")
    leaves = jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after)
    for (path, a), b in zip(*leaves, strict=True):
        require(
            (a.shape, a.dtype) == (b.shape, b.dtype),
            f"{where} must keep shapes and dtypes: {name_of(path)} was {a.dtype}{list(a.shape)} "
            f"and became {b.dtype}{list(b.shape)}",
        )


def equal(one: Any, other: Any) -> bool:
    """Whether two pytrees are equal bit for bit."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array(numbers(a)).tobytes() == np.array(numbers(b)).tobytes() for a, b in pairs)


def is_key(x: Any) -> bool:
    """Whether an array holds keys of random numbers."""
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def numbers(x: Any) -> Any:
    """Return an array of numbers, also for keys."""
    return jax.random.key_data(x) if is_key(x) else x


def name_of(path: Any) -> str:
    """Return the name of a leaf of a pytree."""
    return jax.tree_util.keystr(path)
