"""Suppress known messages of brax and MuJoCo during import and loading."""

import contextlib
import importlib
import io
import sys
import warnings
from collections.abc import Iterator
from typing import Any

# Users of an environment can do nothing about these: brax and JAXopt are no longer developed, one
# of brax's files uses an old attribute, and MuJoCo tries to import optional packages.
KNOWN = (
    "Brax System, piplines and environments are not actively being maintained",
    "JAXopt is no longer maintained",
    "compiler attribute 'settotalmass' is deprecated",
    "Failed to import warp",
    "Failed to import mujoco_warp",
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the known messages, whether warned, printed or logged; all others pass.

    Without this, MuJoCo would also write its warnings to a file in the current directory.

    Raises:
        ModuleNotFoundError: MuJoCo is not installed.
    """
    mujoco: Any = importlib.import_module("mujoco")
    logged: list[str] = []
    printed = io.StringIO()
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(logged.append)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            for message in KNOWN:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        mujoco.set_mju_user_warning(before)
        for line in printed.getvalue().splitlines(keepends=True):
            if not line.startswith(KNOWN):
                sys.stdout.write(line)
        for message in logged:
            if not message.startswith(KNOWN):
                warnings.warn(message, stacklevel=3)
