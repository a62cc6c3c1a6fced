"""Trees of arrays on disk, by orbax."""

import contextlib
import errno
import gc
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

FILE_BYTES = 4096  # what an array may take on disk beyond its own bytes


def write_arrays(folder: Path, tree: Any) -> None:
    """Writes a tree of arrays into a new folder.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    _require_room(folder, tree)
    with _unlogged():
        failure = _save(folder, tree)
        if failure is not None:
            gc.collect()  # what failed tells of it once more when it is collected
            raise failure


def _save(folder: Path, tree: Any) -> OSError | None:
    """Writes the arrays, or tells what kept them from being written."""
    try:
        with ocp.StandardCheckpointer() as writer:
            writer.save(folder, tree)
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


def read_arrays(folder: Path, like: Any) -> Any:
    """Reads a tree of arrays as the tree `like` is; raises whatever orbax finds wrong with it."""
    with _unlogged(), ocp.StandardCheckpointer() as reader:
        return reader.restore(folder, like)


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
