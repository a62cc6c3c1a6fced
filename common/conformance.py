"""What the conformance tests of students and teachers share."""

import contextlib
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_PYTHON = Path(sysconfig.get_path("stdlib")).resolve()
_ROOMS = ("benchmarks", "common", "environments", "experiments", "students", "teachers")
_DIDACT = {Path(__file__).resolve().parents[1] / room for room in _ROOMS}


class NonConformance(AssertionError):
    """A part does not conform to its interface; the message says in one sentence why."""


def require(holds: Any, sentence: str) -> None:
    """Raise `NonConformance` unless a condition holds."""
    if not holds:
        raise NonConformance(sentence)


@contextlib.contextmanager
def stated(what: str, hints: Mapping[str, str] | None = None) -> Iterator[None]:
    """Raise whatever is raised in a block as `NonConformance`, with the file and line.

    Args:
        what: the part that is checked.
        hints: more, for the end of the sentence, by a word of the message.
    """
    try:
        yield
    except NonConformance:
        raise
    except Exception as error:
        why = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
        hint = "".join(more for word, more in (hints or {}).items() if word in why)
        raise NonConformance(
            f"{what} raises {type(error).__name__}{_own_line(error)}{why and ': '}{why}{hint}"
        ) from error


def _own_line(error: Exception) -> str:
    """Return the last line of a traceback that is the user's, or else the last of a didact part."""
    lines = []
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if "site-packages" in path.parts or not path.is_file():
            continue
        path = path.resolve()
        theirs = _DIDACT.isdisjoint(path.parents)
        checks = not theirs and {"testing", Path(__file__).stem} & {path.parent.name, path.stem}
        if _PYTHON not in path.parents and not checks:
            lines.append((theirs, f" in {path.name}, line {frame.lineno}"))
    return max(lines, key=lambda line: line[0], default=(False, ""))[1]


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
