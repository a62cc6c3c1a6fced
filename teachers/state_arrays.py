"""The state of a teacher as named arrays, and in .npz files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.errors import SettingError
from didact.common.files import replacing
from didact.common.foreign_files import opened

MOST = 1 << 32  # bytes of a file


def to_arrays(state: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a pytree by name; random keys become their key data."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {_name(path): np.array(_plain(leaf)) for path, leaf in leaves}


def from_arrays(arrays: Mapping[str, Any], like: Any, setting: str = "state") -> Any:
    """Return the pytree that `to_arrays` was given.

    Args:
        arrays: the arrays by name.
        like: a pytree of the same structure, shapes and dtypes.
        setting: the name of the arrays in errors.

    Raises:
        SettingError: an array is missing, superfluous, or of another shape or dtype.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    expected = {_name(path): leaf for path, leaf in leaves}
    allowed = "the state of the same teacher with the same settings"
    for name in (*arrays, *expected):
        if name not in arrays or name not in expected:
            fault = "missing" if name in expected else "unknown"
            raise SettingError(f"{setting}, {fault} array,", str(name)[:80], allowed)
    found = []
    for name, leaf in expected.items():
        value, plain = np.asarray(arrays[name]), np.asarray(_plain(leaf))
        if (value.shape, value.dtype) != (plain.shape, plain.dtype):
            shape = f"{value.dtype}{list(value.shape)}"
            needed = f"{plain.dtype}{list(plain.shape)}: {allowed}"
            raise SettingError(f"array {name} of {setting}", shape, needed)
        restored = jnp.asarray(value)
        found.append(jax.random.wrap_key_data(restored) if _is_key(leaf) else restored)
    return jax.tree_util.tree_unflatten(structure, found)


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays to an .npz file, atomically, and return its path.

    Raises:
        SettingError: the name of the file does not end in .npz, or it cannot be written.
    """
    path = _npz(path)
    try:
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        allowed = f"a writable file ({error.strerror or error})"
        raise SettingError("path", str(path), allowed) from None
    return path


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file.

    Raises:
        SettingError: the file cannot be read, or holds anything but arrays of numbers.
    """
    path = _npz(path)
    try:
        with opened(path, MOST) as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # damaged files cause errors of zipfile, zlib, ast, tokenize, ...
        why = getattr(error, "strerror", None) or type(error).__name__
    raise SettingError("path", str(path), f"a readable file of a teacher's state ({why})")


def _npz(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix != ".npz":
        raise SettingError("path", str(path), "a file called *.npz")
    return path


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path).lstrip(".")


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf
