"""What trainings need around them: checked settings, a compilation cache, errors in a sentence."""

import contextlib
import dataclasses
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from didact.common.extensions import import_all
from didact.common.files import home_folder
from didact.environments import SettingError
from didact.experiments.config import TrainConfig, checked
from didact.experiments.runs.checkpoints import Checkpoints

# Errors of writing to an open file.
DISK = {errno.ENOSPC, errno.EROFS, errno.EIO, errno.EFBIG}
DISK |= {getattr(errno, name) for name in ("EDQUOT", "ESTALE") if hasattr(errno, name)}


def settled(config: TrainConfig) -> TrainConfig:
    """Validate settings and import the user code that they name.

    Raises:
        SettingError: a setting is invalid, or the code cannot be imported.
    """
    config = checked(config)
    return dataclasses.replace(config, imports=import_all(config.imports))


@contextlib.contextmanager
def memory_errors(setting: str, value: Any) -> Iterator[None]:
    """Report that the memory is full as a `SettingError` of the setting that needs it."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        why = str(error).splitlines()[0][:200]
        allowed = f"small enough for the memory ({why})"
        raise SettingError(setting, value, allowed) from None


@contextlib.contextmanager
def system_errors(run: Path, num_envs: int) -> Iterator[None]:
    """Report errors of the disk and full memory as a `SettingError`.

    Errors of the disk name the last valid checkpoint. Other errors of the system, such as those of
    a callback's connection, are not changed.
    """
    try:
        with memory_errors("--num-envs", num_envs):
            yield
    except OSError as error:
        if not _is_of_disk(run, error):
            raise
        saved = Checkpoints(run / "checkpoints").saved()
        safe = f"the last checkpoint is {saved[-1]}" if saved else "no checkpoint was saved"
        raise _of_disk(run, error, safe) from error


@contextlib.contextmanager
def disk_errors(run: Path) -> Iterator[None]:
    """Report errors of the disk of a run without checkpoints as a `SettingError`."""
    try:
        yield
    except OSError as error:
        if not _is_of_disk(run, error):
            raise
        saved = (run / "policy").is_dir()
        safe = "the policy is saved" if saved else "no policy was saved"
        raise _of_disk(run, error, safe) from error


def _is_of_disk(run: Path, error: OSError) -> bool:
    """Whether an error is one of a file in the run folder, or of a disk and no file is named."""
    if error.filename is None:
        return error.errno in DISK
    try:
        return Path(os.path.abspath(os.fsdecode(error.filename))).is_relative_to(run.absolute())
    except TypeError:  # a number
        return error.errno in DISK


def _of_disk(run: Path, error: OSError, safe: str) -> SettingError:
    allowed = f"on a writable disk ({error.strerror or error}; {safe})"
    return SettingError("run", str(run), allowed)


def cache_compilations() -> None:
    """Enable JAX's persistent compilation cache, unless the user has configured one."""
    home = home_folder()
    cache = os.environ.get("XDG_CACHE_HOME") or (home and home / ".cache")
    if (
        cache
        and jax.config.values["jax_compilation_cache_dir"] is None
        and "JAX_COMPILATION_CACHE_DIR" not in os.environ
    ):
        jax.config.update("jax_compilation_cache_dir", str(Path(cache) / "didact" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
