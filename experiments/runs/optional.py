"""Outputs that a training can do without, such as figures: a failure costs one line."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from didact.common.display import Display
from didact.common.errors import SettingError


@contextlib.contextmanager
def optional(what: str, console: Console) -> Iterator[None]:
    """Print one line if the block fails, and continue.

    Args:
        what: what the block makes, such as "The video".
        console: where to print the line.
    """
    try:
        yield
    except Exception as error:  # drawing runs the code of environments and teachers
        Display(console).line(f"{what} could not be made: {reason(error)}")


def reason(error: Exception) -> str:
    """Describe an exception in one line, with its place unless it is a `SettingError`."""
    if isinstance(error, SettingError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    message = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}{': ' if message else ''}{message}{place}"
