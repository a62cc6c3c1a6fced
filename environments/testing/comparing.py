"""Comparisons of pytrees that describe the first difference."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def difference(a: Any, b: Any, tolerance: float = 0) -> str:
    """Describe the first leaf in which two trees differ; "" if they are equal.

    Args:
        a, b: trees of arrays.
        tolerance: the relative and absolute tolerance for floats.
    """
    ours, theirs = jax.tree.leaves_with_path(a), jax.tree.leaves_with_path(b)
    if [path for path, _ in ours] != [path for path, _ in theirs]:
        return "their structures"
    for (path, x), (_, y) in zip(ours, theirs, strict=True):
        name = jax.tree_util.keystr(path).lstrip(".")
        x, y = _plain(x), _plain(y)
        if (x.dtype, x.shape) != (y.dtype, y.shape):
            return f"{name}: {x.dtype}{list(x.shape)} against {y.dtype}{list(y.shape)}"
        if np.issubdtype(x.dtype, np.inexact):
            same = np.isclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True)
        else:
            same = x == y
        if not same.all():
            at = tuple(int(i) for i in np.argwhere(~same)[0])
            return f"{name} at {list(at)}: {x[at]} against {y[at]}"
    return ""


def differing_shapes(a: Any, b: Any) -> str:
    """Describe the first leaf whose shape or dtype differs; "" if there is none."""
    ours, theirs = jax.tree.leaves_with_path(a), jax.tree.leaves_with_path(b)
    if [path for path, _ in ours] != [path for path, _ in theirs]:
        return "their structures"
    for (path, x), (_, y) in zip(ours, theirs, strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            name = jax.tree_util.keystr(path).lstrip(".")
            return f"{name}: {x.dtype}{list(x.shape)} against {y.dtype}{list(y.shape)}"
    return ""


def rows(tree: Any, index: Any) -> Any:
    """Select rows of every leaf."""
    return jax.tree.map(lambda x: x[index], tree)


def _plain(x: Any) -> np.ndarray:
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    return np.asarray(x)
