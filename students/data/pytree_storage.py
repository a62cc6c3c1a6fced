"""Trees of arrays on disk, by orbax, with a manifest that tells whether they are as written."""

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

MANIFEST = "manifest.json"
FILE_BYTES = 4096  # what an array may take on disk beyond its own bytes


class CorruptFiles(Exception):
    """Files that are not as they were written."""


class MismatchedArrays(CorruptFiles):
    """Arrays that are whole, but not those that were expected."""


def save_tree(folder: Path, tree: Any) -> None:
    """Writes a tree of arrays (keys too) into a new folder, with a manifest.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    folder = Path(folder).absolute()
    _require_room(folder, tree)
    with _unlogged():
        failure = _save(folder / "arrays", tree)
        if failure is not None:
            gc.collect()  # what failed tells of it once more when it is collected
            raise failure
    # It names the folder that was written to, and is not needed on a file system.
    (folder / "arrays" / "commit_success.txt").unlink(missing_ok=True)
    hashes = {str(path.relative_to(folder)): _hash(path) for path in _files(folder)}
    manifest = {"files": hashes, "arrays": _shapes(tree)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def load_tree(folder: Path, like: Any) -> Any:
    """Reads what `save_tree` wrote, after checking every file.

    Args:
        folder: where it is.
        like: a tree of arrays, or of their shapes, that says what is expected.

    Raises:
        Damaged: a file is missing, was changed or was added.
        Misfit: the arrays are not like `like`.
    """
    folder = Path(folder).absolute()
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        expected, shapes = manifest["files"], manifest["arrays"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CorruptFiles(f"{MANIFEST} is missing or broken") from None
    found = {str(path.relative_to(folder)) for path in _files(folder)}
    if not isinstance(expected, dict) or found != set(expected):
        raise CorruptFiles("files are missing or were added")
    for name, digest in expected.items():
        if _hash(folder / name) != digest:
            raise CorruptFiles(f"{name} was changed")
    if shapes != _shapes(like):
        raise MismatchedArrays("its arrays are not those that these settings make")
    with _unlogged():
        try:
            with ocp.StandardCheckpointer() as reader:
                like = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
                found = reader.restore(folder / "arrays", _without_empty(like))
                return jax.tree.map(
                    lambda x, y: jnp.zeros(x.shape, x.dtype) if y is None else y, like, found
                )
        except Exception:  # files that orbax did not write make it fail in any way
            gc.collect()
            raise CorruptFiles("its arrays cannot be read") from None


def _without_empty(tree: Any) -> Any:
    """The tree with None for arrays without elements, which orbax refuses to write."""
    return jax.tree.map(lambda x: None if 0 in x.shape else x, tree)


def _shapes(tree: Any) -> dict[str, list]:
    """Shape and type of each array, by its place in the tree."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): [*x.shape, str(x.dtype)] for path, x in leaves}


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save(folder: Path, tree: Any) -> OSError | None:
    """Writes the arrays, or tells what kept them from being written."""
    try:
        with ocp.StandardCheckpointer() as writer:
            writer.save(folder, _without_empty(tree))
            writer.wait_until_finished()
    except (ValueError, RuntimeError) as error:
        # The array library tells of files in its own words, as "RESOURCE_EXHAUSTED: ...".
        code = re.match(r"([A-Z_]{5,}): ", str(error))
        if code is None:
            raise
        return _no_room(folder) if code[1] == "RESOURCE_EXHAUSTED" else _error(errno.EIO, folder)
    return None


def _require_room(folder: Path, tree: Any) -> None:
    """Raises if the disk is too full: half-done writes of many arrays end in many words."""
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
    """Keeps orbax from printing the traceback of an error that it raises anyway."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
