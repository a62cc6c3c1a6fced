"""Train a student in an environment whose tasks a teacher chooses.

Without options: the main job. An agent learns to follow "go to the red ball" in one room, and then
in up to nine rooms with doors. It takes about five minutes on two CPU cores.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.common.errors import SettingError
from didact.common.settings import fields_of
from didact.experiments.config import TrainConfig, defaults_for, option


@dataclasses.dataclass(frozen=True)
class Options(TrainConfig):
    """The settings of a training, and what only the command has."""

    config: Path | None = None
    """file with any of these settings, YAML or JSON, such as the config.json of a run; options
    given here come before it"""
    resume: Path | None = None
    """go on with the run in this folder; its own settings are used"""
    checkpoint: int | None = None
    """with --resume: the updates of the checkpoint to go on from, and later ones are removed; the
    latest if not given"""
    json: bool = False
    """print the result as JSON"""

    @property
    def settings(self) -> TrainConfig:
        """The settings of the training alone."""
        names = [field.name for field in dataclasses.fields(TrainConfig)]
        return TrainConfig(**{name: getattr(self, name) for name in names})


def options(arguments: Sequence[str]) -> Options:
    """The options, with the settings in the file of --config, and those that suit --student, in the
    place of the usual ones.

    Raises:
        SettingError: the file cannot be read, or a setting in it has no meaning.
    """
    from didact.experiments.config_files import read_file

    given = {"--config": [], "--student": []}
    for number, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in given and (equals or number + 1 < len(arguments)):
            given[name].append(value if equals else arguments[number + 1])
    files, students = given["--config"], given["--student"]
    if len(files) > 1:
        raise SettingError("--config", files, "given once")
    student = students[-1] if students else None
    if files:
        return Options(**fields_of(read_file(files[0], student=student)))
    return Options(**fields_of(defaults_for(student))) if student else Options()


def run(options: Options) -> None:
    """Trains, and prints how it went.

    Raises:
        SettingError: a setting has no meaning, or a folder cannot be used.
    """
    from rich.console import Console

    from didact.experiments.runs import report
    from didact.experiments.training import train

    config = options.settings
    if options.resume is not None:
        if options.config is not None:
            allowed = "left out with --resume: the run has its settings"
            raise SettingError("--config", str(options.config), allowed)
        usual = fields_of(TrainConfig())
        for name, value in fields_of(config).items():
            if value != usual[name] and name != "imports":
                allowed = "left out with --resume: the run has its settings"
                raise SettingError(option(name), value, allowed)
        more: dict[str, Any] = {"imports": config.imports} if config.imports else {}
        result = train(resume=options.resume, checkpoint=options.checkpoint, **more)
    elif options.checkpoint is not None:
        raise SettingError("--checkpoint", options.checkpoint, "given together with --resume")
    else:
        result = train(config)
    if options.json:
        return print(json.dumps(result, indent=1))
    console = Console()
    if not result["finished"]:
        console.print(
            f"Stopped after {result['steps']:,} steps; everything is saved. "
            f"Go on with: didact train --resume {result['run']}",
            soft_wrap=True,
        )
        return None
    console.print(report.table(result))
    for name, path in result["files"].items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    console.print(f"  {'TensorBoard':<15} tensorboard --logdir {result['run']}", highlight=False)
    return None
