"""Trees of arrays on disk, by orbax."""

import contextlib
import errno
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp


def write_arrays(folder: Path, tree: Any) -> None:
    """Writes a tree of arrays into a new folder.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    try:
        with _unlogged(), ocp.StandardCheckpointer() as writer:
            writer.save(folder, tree)
            writer.wait_until_finished()
    except (ValueError, RuntimeError) as error:
        # The array library tells of files in its own words, as "RESOURCE_EXHAUSTED: ...".
        code = re.match(r"([A-Z_]{5,}): ", str(error))
        if code is None:
            raise
        full = code[1] == "RESOURCE_EXHAUSTED"
        number = errno.ENOSPC if full else errno.EIO
        raise OSError(number, os.strerror(number), str(folder)) from error


def read_arrays(folder: Path, like: Any) -> Any:
    """Reads a tree of arrays as the tree `like` is; raises whatever orbax finds wrong with it."""
    with _unlogged(), ocp.StandardCheckpointer() as reader:
        return reader.restore(folder, like)


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keeps orbax from printing the traceback of an error that it raises anyway."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
