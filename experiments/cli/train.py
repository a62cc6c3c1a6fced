"""Train a student in an environment whose tasks a teacher chooses.

Without options, train an agent to follow instructions such as "pick up the green key, then open the
door", first in one room and then in up to four rooms with doors, some of them locked. This takes
about seven minutes on two CPU cores.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.settings import fields_of
from didact.experiments.config import TrainConfig, defaults_for, option


@dataclasses.dataclass(frozen=True)
class Options(TrainConfig):
    """The training settings plus the options that only the command has."""

    config: Path | None = None
    """YAML or JSON file with any of these settings, such as the config.json of a run; options on
    the command line take precedence"""
    resume: Path | None = None
    """resume the run in this folder, with its own settings"""
    checkpoint: int | None = None
    """with --resume: number of updates of the checkpoint to resume from; later checkpoints, and the
    policy of a finished run, are deleted; defaults to the latest checkpoint"""
    linked_checkpoints: bool = False
    """with --resume: allow the run's folder `checkpoints` to be a link, such as to a larger disk"""
    distributed: bool = False
    """train with the devices of several processes, each started with this command by a launcher
    such as `srun`, `mpirun` or `torchrun`; see docs/many_hosts.md"""
    json: bool = False
    """print the result as JSON"""

    @property
    def settings(self) -> TrainConfig:
        """The training settings without the command's own options."""
        names = [field.name for field in dataclasses.fields(TrainConfig)]
        return TrainConfig(**{name: getattr(self, name) for name in names})


def options(arguments: Sequence[str]) -> Options:
    """Return options whose defaults come from --config and --student, if they are given.

    Raises:
        SettingError: the file cannot be read, or a setting in it is invalid.
    """
    from didact.common.extensions import OPTION as IMPORT
    from didact.common.extensions import require_named
    from didact.experiments.config_files import read_file

    server = ("--proposer", "--llm.base-url", "--llm.api-key-env")
    given: dict[str, list[str]] = {x: [] for x in ("--config", "--student", IMPORT, *server)}
    for number, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if name in given and (equals or number + 1 < len(arguments)):
            given[name].append(value if equals else arguments[number + 1])
    files, students = given["--config"], given["--student"]
    if len(files) > 1:
        raise SettingError("--config", files, "given once")
    student = students[-1] if students else None
    if files:
        from didact.experiments.config import LLMConfig
        from didact.experiments.tasks.server_consent import NAMED, require_named_server

        config = read_file(files[0], student=student)
        require_named(config.imports, "--config", files[0], given[IMPORT])
        proposer, *named = (given[name][-1] if given[name] else None for name in server)
        pairs: dict[str, Any] = {k: v for k, v in zip(NAMED, named, strict=True) if v is not None}
        llm = LLMConfig(**pairs)
        config = require_named_server(config, "--config", files[0], proposer, llm)
        return Options(**fields_of(dataclasses.replace(config, imports=())))
    return Options(**fields_of(defaults_for(student))) if student else Options()


def run(options: Options) -> int:
    """Train a student, print a summary, and return the exit code.

    Raises:
        SettingError: a setting is invalid, or a folder cannot be used.
    """
    if options.distributed:
        from didact.experiments.distributed import connect

        connect()  # before any import that may use JAX
    from didact.experiments import distributed
    from didact.experiments.runs.stopping import ending
    from didact.experiments.training import train

    config = options.settings
    if options.resume is not None:
        if options.config is not None:
            allowed = "omitted with --resume: the run has its own settings"
            raise SettingError("--config", str(options.config), allowed)
        usual, resuming = fields_of(TrainConfig()), ("imports", "proposer", "llm")
        for name, value in fields_of(config).items():
            if value != usual[name] and name not in resuming:
                allowed = "omitted with --resume: the run has its own settings"
                raise SettingError(option(name), value, allowed)
        changed = {name: getattr(config, name) for name in resuming}
        more: dict[str, Any] = {k: v for k, v in changed.items() if v != usual[k]}
        more |= {"linked_checkpoints": options.linked_checkpoints}
        result, code = ending(train, resume=options.resume, checkpoint=options.checkpoint, **more)
    elif options.checkpoint is not None:
        raise SettingError("--checkpoint", options.checkpoint, "given together with --resume")
    elif options.linked_checkpoints:
        raise SettingError("--linked-checkpoints", True, "given together with --resume")
    else:
        result, code = ending(train, config)
    if distributed.first():
        _show(result, options.json)
    return code


def _show(result: dict[str, Any], as_json: bool) -> None:
    from didact.common import display
    from didact.experiments.runs import report

    if as_json:
        return print(strict_json.dumps(result, indent=1))
    console = display.console()
    if not result["finished"]:
        saved = f"after {result['steps']:,} steps; all progress is saved"
        console.print(
            f"Stopped {saved if result['steps'] else 'before the first update'}. "
            f"Resume with: {result['resume']}",
            soft_wrap=True,
        )
        return None
    console.print(report.table(result))
    for name, path in result["files"].items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    console.print(f"  {'TensorBoard':<15} tensorboard --logdir {result['run']}", highlight=False)
    return None
