"""What the conformance tests of students and teachers share."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def require(holds: Any, sentence: str) -> None:
    """Raise an AssertionError unless a condition holds; unlike `assert`, also with -O."""
    if not holds:
        raise AssertionError(sentence)


@contextlib.contextmanager
def stated(what: str, hint: str = "") -> Iterator[None]:
    """Raise whatever is raised in a block as an AssertionError of one sentence.

    Args:
        what: the part that is checked.
        hint: more, for the end of the sentence.
    """
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        kind, why = type(error).__name__, (str(error).strip().splitlines() or ["no message"])[0]
        where = _own_line(error)
        raise AssertionError(
            f"{what} raises {kind}{where}: {why[:200].rstrip('.')}{hint}"
        ) from error


def _own_line(error: Exception) -> str:
    """Return the last line of a traceback that is neither didact's nor of an installed package."""
    ours = Path(__file__).resolve().parents[1]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if "site-packages" not in path.parts and ours not in path.resolve().parents:
            return f" in {path.name}, line {frame.lineno}"
    return ""


def require_same_shapes(where: str, before: Any, after: Any) -> None:
    """Require that a state keeps its structure, shapes and dtypes, as loops do."""
    one, other = jax.tree.structure(before), jax.tree.structure(after)
    require(
        one == other,
        f"{where} must keep the structure of the state: {_kind(before)} with "
        f"{one.num_leaves} arrays became {_kind(after)} with {other.num_leaves}",
    )
    leaves = jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after)
    for (path, a), b in zip(*leaves, strict=True):
        require(
            (a.shape, a.dtype) == (b.shape, b.dtype),
            f"{where} must keep shapes and dtypes: {name_of(path)} was {a.dtype}{list(a.shape)} "
            f"and became {b.dtype}{list(b.shape)}",
        )


def _kind(tree: Any) -> str:
    return "None" if tree is None else f"a {type(tree).__name__}"


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
