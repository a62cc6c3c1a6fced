"""Pytrees of arrays on disk, written by orbax, with a manifest of checksums."""

import contextlib
import errno
import gc
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
import tensorstore

from didact.common.foreign_files import read_bytes
from didact.students.data.safe_paths import safe_path

MANIFEST = "manifest.json"
FILE_BYTES = 4096  # maximum overhead of an array on disk, in bytes


class CorruptFiles(Exception):
    """Files are missing, or differ from those that were written."""


class MismatchedArrays(CorruptFiles):
    """Arrays are intact, but do not have the expected structure, shapes or dtypes."""


def save_tree(folder: Path, tree: Any) -> None:
    """Write a pytree of arrays, including random keys, into a new folder, with a manifest.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    folder = Path(folder).absolute()
    _require_room(folder, tree)
    folder.mkdir(parents=True, exist_ok=True)
    with _unlogged(), safe_path(folder) as place:
        failure = _save(place / "arrays", tree)
        if failure is not None:
            gc.collect()  # the failed writer logs its error again when collected: do so unlogged
            raise failure
    # It contains the path of the folder, and is only needed on object stores.
    (folder / "arrays" / "commit_success.txt").unlink(missing_ok=True)
    hashes = {str(path.relative_to(folder)): _hash(path) for path in _files(folder)}
    manifest = {"files": hashes, "arrays": _shapes(tree)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def load_tree(folder: Path, like: Any) -> Any:
    """Read a pytree written by `save_tree`, after verifying every file.

    Args:
        folder: the folder.
        like: a pytree of arrays, or of their shapes, with the expected structure.

    Raises:
        CorruptFiles: a file is missing, was changed or was added.
        MismatchedArrays: the arrays do not match `like`.
    """
    folder = Path(folder).absolute()
    try:
        manifest = json.loads(read_bytes(folder / MANIFEST))
        expected, shapes = manifest["files"], manifest["arrays"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CorruptFiles(f"{MANIFEST} is missing or invalid") from None
    found = {str(path.relative_to(folder)) for path in _files(folder)}
    if not isinstance(expected, dict) or found != set(expected):
        raise CorruptFiles("files are missing or were added")
    for name, digest in expected.items():
        if _hash(folder / name) != digest:
            raise CorruptFiles(f"{name} was changed")
    if shapes != _shapes(like):
        raise MismatchedArrays("its arrays do not match these settings")
    with _unlogged(), safe_path(folder) as place:
        try:
            with _alone(), ocp.StandardCheckpointer() as reader:
                like = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
                found = reader.restore(place / "arrays", _without_empty(like))
                return jax.tree.map(
                    lambda x, y: jnp.zeros(x.shape, x.dtype) if y is None else y, like, found
                )
        except Exception:  # orbax may raise any exception on files that it did not write
            gc.collect()
            raise CorruptFiles("its arrays cannot be read") from None


def unlisted_files(folder: Path) -> list[str]:
    """Return what a folder holds that `save_tree` did not write, as relative paths."""
    try:
        known = set(json.loads(read_bytes(folder / MANIFEST))["files"]) | {MANIFEST}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = set()
    inner = {str(parent) for name in known for parent in Path(str(name)).parents}
    found = sorted((path.relative_to(folder), path) for path in folder.rglob("*"))
    return [
        str(name)
        for name, path in found
        if str(name) not in (inner if path.is_dir() and not path.is_symlink() else known)
        or path.is_symlink()
    ]


def _without_empty(tree: Any) -> Any:
    """Replace arrays without elements, which orbax refuses to write, by None."""
    return jax.tree.map(lambda x: None if 0 in x.shape else x, tree)


def _shapes(tree: Any) -> dict[str, list]:
    """Return the shape and dtype of each array, by its path in the pytree."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): [*x.shape, str(x.dtype)] for path, x in leaves}


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save(folder: Path, tree: Any) -> OSError | None:
    """Write the arrays; return the error if that fails."""
    try:
        with _alone(), ocp.StandardCheckpointer() as writer:
            writer.save(folder, _without_empty(tree))
            writer.wait_until_finished()
        if not _complete(folder, tree):
            return _error(errno.EIO, folder)
    except (ValueError, RuntimeError) as error:
        # tensorstore reports file errors by codes such as "RESOURCE_EXHAUSTED: ...".
        code = re.match(r"([A-Z_]{5,}): ", str(error))
        if code is None:
            raise
        return _no_room(folder) if code[1] == "RESOURCE_EXHAUSTED" else _error(errno.EIO, folder)
    return None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let orbax see this process alone in the block.

    Of several processes, orbax would wait for all of them, and expect parts of the arrays from
    each. Here, the arrays are complete, and each process reads or writes for itself.
    """
    if jax.process_count() == 1:
        yield
        return
    before = jax.process_count, jax.process_index
    jax.process_count, jax.process_index = (lambda *_: 1), (lambda *_: 0)
    try:
        yield
    finally:
        jax.process_count, jax.process_index = before


def _complete(folder: Path, tree: Any) -> bool:
    """Whether the database of arrays can be opened and holds all; orbax does not always notice."""
    arrays = [x for x in jax.tree.leaves(tree) if 0 not in x.shape]
    if not arrays:
        return True
    specification = {"driver": "ocdbt", "base": f"file://{folder}/"}
    try:
        names = tensorstore.KvStore.open(specification).result().list().result()
    except (ValueError, RuntimeError):
        return False
    return sum(name.endswith(b"/.zarray") for name in names) == len(arrays)


def _require_room(folder: Path, tree: Any) -> None:
    """Raise an OSError if the disk has too little space for the arrays.

    If the disk fills up during a write of many arrays, orbax prints one error for each.
    """
    leaves = jax.tree.leaves(tree)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if shutil.disk_usage(there).free < sum(x.nbytes + FILE_BYTES for x in leaves):
        raise _no_room(folder)


def _no_room(folder: Path) -> OSError:
    return _error(errno.ENOSPC, folder)


def _error(number: int, folder: Path) -> OSError:
    return OSError(number, os.strerror(number), str(folder))


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keep orbax from logging the traceback of an error that it also raises."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
