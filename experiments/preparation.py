"""What trainings need around them: checked settings, a compilation cache, errors in a sentence."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import jax

from didact.common.extensions import import_all
from didact.common.files import home_folder
from didact.environments import SettingError
from didact.experiments.config import TrainConfig, checked
from didact.experiments.runs.checkpoints import Checkpoints


def settled(config: TrainConfig) -> TrainConfig:
    """Validate settings and import the user code that they name.

    Raises:
        SettingError: a setting is invalid, or the code cannot be imported.
    """
    config = checked(config)
    return dataclasses.replace(config, imports=import_all(config.imports))


@contextlib.contextmanager
def system_errors(run: Path, num_envs: int) -> Iterator[None]:
    """Report errors of the disk and full memory as a `SettingError`.

    Errors of the disk name the last valid checkpoint.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        why = str(error).splitlines()[0][:200]
        allowed = f"small enough for the memory ({why})"
        raise SettingError("--num-envs", num_envs, allowed) from None
    except OSError as error:
        saved = Checkpoints(run / "checkpoints").saved()
        safe = f"the last checkpoint is {saved[-1]}" if saved else "no checkpoint was saved"
        raise _of_disk(run, error, safe) from error


@contextlib.contextmanager
def disk_errors(run: Path) -> Iterator[None]:
    """Report errors of the disk of a run without checkpoints as a `SettingError`."""
    try:
        yield
    except OSError as error:
        saved = (run / "policy").is_dir()
        safe = "the policy is saved" if saved else "no policy was saved"
        raise _of_disk(run, error, safe) from error


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
