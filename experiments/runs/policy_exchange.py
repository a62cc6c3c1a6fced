"""The command `didact policies`: giving policies away and taking them in."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import tyro


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a policy into a .zip file."""

    policy: tyro.conf.Positional[str]
    """the name of a policy, a run folder or a policy folder"""
    file: tyro.conf.Positional[Path]
    """a new file"""
    replace: bool = False
    """overwrite a file that is there"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Import:
    """Take in a policy from a .zip file that `didact policies export` wrote."""

    file: tyro.conf.Positional[Path]
    """the file"""
    name: str | None = None
    """what to call it; as its card says if not given"""
    replace: bool = False
    """replace an imported policy of that name"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Push:
    """Upload a policy to the model hub; needs the extra `hub` and a token."""

    policy: tyro.conf.Positional[str]
    """the name of a policy, a run folder or a policy folder"""
    repo: tyro.conf.Positional[str]
    """OWNER/NAME; it is made if there is none"""
    replace: bool = False
    """replace the policy that is in the repository"""
    private: bool = False
    """a new repository is to be seen by its owner only"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Pull:
    """Download a policy from the model hub; needs the extra `hub`."""

    repo: tyro.conf.Positional[str]
    """OWNER/NAME"""
    name: str | None = None
    """what to call it here; as the repository if not given"""
    revision: str | None = None
    """branch, tag or commit; the newest if not given"""
    replace: bool = False
    """replace an imported policy of that name"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Policies:
    """Give policies away and take them in: files, or a model hub."""

    what: (
        Annotated[Export, tyro.conf.subcommand("export")]
        | Annotated[Import, tyro.conf.subcommand("import")]
        | Annotated[Push, tyro.conf.subcommand("push")]
        | Annotated[Pull, tyro.conf.subcommand("pull")]
    )


def move(choice: Policies) -> None:
    """Exports, imports, pushes or pulls.

    Raises:
        SettingError: there is no such policy, or it cannot go where it is to go.
    """
    from didact.students import export_policy, import_policy, pull_policy, push_policy

    what = choice.what
    if isinstance(what, Export):
        told = {"file": str(export_policy(what.policy, what.file, replace=what.replace))}
    elif isinstance(what, Push):
        told = {
            "repository": push_policy(
                what.policy, what.repo, replace=what.replace, private=what.private
            )
        }
    else:
        if isinstance(what, Import):
            folder = import_policy(what.file, what.name, replace=what.replace)
        else:
            folder = pull_policy(what.repo, what.name, replace=what.replace, revision=what.revision)
        told = {"name": folder.name, "folder": str(folder)}
    print(json.dumps(told) if what.json else "\n".join(told.values()))
