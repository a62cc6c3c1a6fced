"""Commands that reproduce trainings and scores."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from didact.common.extensions import OPTION as IMPORT
from didact.common.extensions import without_folders
from didact.experiments.config import TrainConfig, defaults_for, option
from didact.experiments.objects import objects_of


def train_command(config: TrainConfig) -> str:
    """Return the `didact train` command for these settings, without the run folder.

    Objects have no names on the command line; for them, it describes the call in Python.
    """
    parts = [part for part, value in objects_of(config)._asdict().items() if value is not None]
    if parts:
        return f"didact.train in Python, with objects as {', '.join(parts)}"
    config = dataclasses.replace(config, run=None, imports=tuple(without_folders(config.imports)))
    # Compared with both kinds of defaults, since a student that imported code registers is not
    # known yet when the command reads its options.
    usual = TrainConfig(), defaults_for(config.student)
    words = ["didact", "train", *_options(config, usual)]
    return shlex.join(words)


def score_command(
    policy: str,
    environment: str,
    settings: tuple[str, ...],
    episodes: int,
    tasks: tuple[str, ...] = (),
) -> str:
    """Return the `didact evaluate` command for a score; append `--greedy` for the greedy score."""
    words = ["didact", "evaluate", policy, "--env", environment, "--episodes", str(episodes)]
    words += ["--env-settings", *settings] if settings else []
    return shlex.join([*words, *(["--tasks", *tasks] if tasks else [])])


def _options(values: Any, usual: Sequence[Any], prefix: str = "") -> Iterator[str]:
    """Yield the settings that differ from any of the defaults, as command-line words."""
    for field in dataclasses.fields(usual[0]):
        name, value = field.name, getattr(values, field.name)
        defaults = [getattr(each, name) for each in usual]
        if dataclasses.is_dataclass(value):
            yield from _options(value, defaults, f"{prefix}{name}.")
        elif all(value == default for default in defaults):
            continue
        elif name == "imports":
            for text in value:
                yield from (IMPORT, text)
        elif field.type is bool:  # a flag
            yield option(prefix + ("" if value else "no_") + name)
        else:
            yield option(prefix + name)
            yield from map(str, value if isinstance(value, tuple) else (value,))
