"""Files alone never ask a language model: the user names the server and the variable of the key.

Otherwise, a run folder or a configuration of somebody else could send the value of any environment
variable to any server.
"""

import dataclasses
import shlex
from typing import Any

from didact.common.errors import SettingError
from didact.experiments.config import LLMConfig, TrainConfig
from didact.teachers.language.client.api_keys import check_variable
from didact.teachers.language.client.checks import check_address

PROPOSER = "language-model"
SILENT = ("none", "scripted", "replayed")  # proposers that ask no server
NAMED = ("base_url", "api_key_env")  # settings of the language model that the user must name


def require_named_server(
    config: TrainConfig, option: str, value: object, proposer: str | None, llm: LLMConfig
) -> TrainConfig:
    """Require that the user names the server that a file wants to ask, and the variable of the key.

    Args:
        config: the settings in the file.
        option: the name of the option that gave the file.
        value: the file.
        proposer: the proposer that the user names, which replaces that of the file; None for none.
        llm: what the user names; default values name nothing.

    Returns:
        The settings, with the address and the variable that the user names: servers may have moved.

    Raises:
        SettingError: the file wants to ask a language model that the user has not named, or its
            address or variable is invalid.
    """
    asking = config if proposer is None else dataclasses.replace(config, proposer=proposer)
    missing = consent(asking)
    if not missing:
        return config
    if named_in(llm).get("base_url") or proposer is not None:
        missing.pop("--proposer", None)
    for name in named_in(llm):
        missing.pop(f"--llm.{name.replace('_', '-')}", None)
    if missing:
        allowed = (
            f"given together with {in_words(missing)} if you trust that server: files alone never "
            "ask a language model"
        )
        raise SettingError(option, str(value), allowed)
    return dataclasses.replace(config, llm=dataclasses.replace(config.llm, **named_in(llm)))


def consent(config: TrainConfig) -> dict[str, str]:
    """Return the options by which a user allows these settings to ask a language model.

    Raises:
        SettingError: the address or the name of the variable is invalid.
    """
    if config.proposer.lower() in SILENT:  # as the registry, which ignores case
        return {}
    named = named_in(config.llm)
    options = {}
    if named.get("base_url"):
        options["--llm.base-url"] = check_address(named["base_url"], "--llm.base-url")
    else:
        options["--proposer"] = config.proposer
    if named.get("api_key_env"):
        check_variable(named["api_key_env"], "--llm.api-key-env")
        options["--llm.api-key-env"] = named["api_key_env"]
    return options


def named_in(llm: LLMConfig) -> dict[str, Any]:
    """Return the settings of a server that are not the default ones."""
    usual, pairs = LLMConfig(), ((name, getattr(llm, name)) for name in NAMED)
    return {name: value for name, value in pairs if value != getattr(usual, name)}


def in_words(options: dict[str, str]) -> str:
    """Return options as they are written on the command line."""
    return " ".join(f"{name} {shlex.quote(value)}" for name, value in options.items())
