"""The command `didact policies`: export, import, push and pull policies."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from didact.common import strict_json
from didact.common.plain_text import shown


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a policy to a .zip file."""

    policy: tyro.conf.Positional[str]
    """policy name, run folder or policy folder"""
    file: tyro.conf.Positional[Path]
    """output file"""
    replace: bool = False
    """overwrite an existing file"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Import:
    """Import a policy from a .zip file written by `didact policies export`."""

    file: tyro.conf.Positional[Path]
    """.zip file to import"""
    name: str | None = None
    """name for the policy; defaults to the name in its card"""
    replace: bool = False
    """replace an imported policy of the same name"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Push:
    """Upload a policy to the model hub; needs the extra `hub` and a token."""

    policy: tyro.conf.Positional[str]
    """policy name, run folder or policy folder"""
    repo: tyro.conf.Positional[str]
    """repository as OWNER/NAME; created if it does not exist"""
    replace: bool = False
    """replace an existing policy in the repository"""
    private: bool = False
    """make a newly created repository private"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Pull:
    """Download a policy from the model hub; needs the extra `hub`."""

    repo: tyro.conf.Positional[str]
    """repository as OWNER/NAME"""
    name: str | None = None
    """local name for the policy; defaults to the name of the repository"""
    revision: str | None = None
    """branch, tag or commit; defaults to the latest commit"""
    replace: bool = False
    """replace an imported policy of the same name"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Policies:
    """Share policies: export, import, and push to or pull from a model hub."""

    what: (
        Annotated[Export, tyro.conf.subcommand("export")]
        | Annotated[Import, tyro.conf.subcommand("import")]
        | Annotated[Push, tyro.conf.subcommand("push")]
        | Annotated[Pull, tyro.conf.subcommand("pull")]
    )


def move(choice: Policies) -> None:
    """Export, import, push or pull a policy.

    Raises:
        SettingError: the policy cannot be found, or cannot be written to its destination.
    """
    from didact.students import export_policy, import_policy, pull_policy, push_policy

    what = choice.what
    if isinstance(what, Export):
        result = {"file": str(export_policy(what.policy, what.file, replace=what.replace))}
    elif isinstance(what, Push):
        result = {
            "repository": push_policy(
                what.policy, what.repo, replace=what.replace, private=what.private
            )
        }
    else:
        if isinstance(what, Import):
            folder = import_policy(what.file, what.name, replace=what.replace)
        else:
            folder = pull_policy(what.repo, what.name, replace=what.replace, revision=what.revision)
        result = {"name": folder.name, "folder": str(folder)}
    print(strict_json.dumps(result) if what.json else "\n".join(map(shown, result.values())))
