"""Resume a run: its settings, what the user must name again, and the command."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.common.errors import SettingError
from didact.common.extensions import OPTION as IMPORT
from didact.common.extensions import import_all, require_named
from didact.experiments import distributed, objects
from didact.experiments.config import LLMConfig, TrainConfig, read_run
from didact.experiments.runs.folder import CONFIG
from didact.experiments.tasks import server_consent


def settings_of(
    run: Path, imports: Sequence[str] | None = None, proposer: str | None = None, llm: Any = None
) -> TrainConfig:
    """Return the settings of a run, and import the code that the user names.

    Args:
        run: the run folder.
        imports: modules or files to import, as for `--import`; None if the user names none.
        proposer, llm: the language model that the user names, see `require_named_server`; `llm` is
            an `LLMConfig` or a dictionary.

    Raises:
        SettingError: the run is invalid, or uses code or a server that the user has not named.
    """
    config = read_run(run / CONFIG, run)
    if proposer not in (None, "none", config.proposer):
        raise SettingError("--proposer", proposer, "omitted with --resume: the run has its own")
    named = objects.read({} if llm is None else {"llm": llm}).llm
    own = None if proposer == "none" else proposer  # the default names nothing
    config = server_consent.require_named_server(config, "--resume", run, own, named)
    servers = server_consent.named_in(named)
    if named not in (config.llm, dataclasses.replace(LLMConfig(), **servers)):
        allowed = "given only as --llm.base-url and --llm.api-key-env: the run has its own settings"
        raise SettingError("--llm", named, allowed)
    if imports is None:
        require_named(config.imports, "--resume", run)
    else:
        import_all(imports)
    return config


def command(config: TrainConfig, run: Path, checkpoint: int | None = None) -> str:
    """Return the command that resumes a run, from its latest checkpoint or the given one."""
    words = ["didact", "train", "--resume", str(run)]
    if checkpoint is not None:
        words += ["--checkpoint", str(checkpoint)]
    if (run / "checkpoints").is_symlink():
        words += ["--linked-checkpoints"]
    if distributed.several():
        words += [distributed.OPTION]
    for text in config.imports:
        words += [IMPORT, text]
    for name, value in server_consent.consent(config).items():
        words += [name, value]
    return shlex.join(words)
