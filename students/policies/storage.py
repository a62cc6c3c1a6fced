"""Policy folders: a card and parameters. Nothing is executed, and no link leaves the folder."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from didact.common.files import replacing
from didact.environments import SettingError
from didact.students.base import Student
from didact.students.data.pytree_storage import CorruptFiles, load_tree, save_tree
from didact.students.policies.cards import MAX_SIZE, parameters_of, read_card
from didact.students.policies.names import CARD

PARAMS = "params"


def save_policy(folder: str | os.PathLike[str], card: Mapping[str, Any], params: Any) -> Path:
    """Write a policy folder; an existing policy is replaced once the new one is complete.

    Raises:
        SettingError: the folder exists and is not a policy folder; it is not changed.
        OSError: the disk is full or cannot be written; an earlier policy is not changed.
    """
    folder = Path(folder).absolute()
    there = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if there and not (folder / CARD).is_file():
        raise SettingError("policy", str(folder), "a new folder, or a policy to replace")
    with replacing(folder) as draft:
        save_tree(draft / PARAMS, params)
        (draft / CARD).write_text(json.dumps(dict(card), indent=1) + "\n")
    return folder


def read_folder(folder: Path, student: Student | None = None) -> tuple[dict[str, Any], Any]:
    """Read the card and the parameters in a policy folder, after checking all files.

    Raises:
        SettingError: a file is missing, was changed or is a link out of the folder, the card is
            invalid, or the parameters do not match the card.
    """
    policy_files(folder)
    card = read_card(folder)
    like = parameters_of(card, str(folder / CARD), student)
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like)
    try:
        return card, load_tree(folder / PARAMS, like)
    except CorruptFiles as damage:
        raise SettingError(
            "policy", str(folder), f"a folder with valid parameters ({damage})"
        ) from None


def policy_files(folder: Path) -> list[str]:
    """Return the files of a policy, relative to its folder: the card, and all files in `params`.

    Other files in the folder, such as videos, are not included.

    Raises:
        SettingError: a file is a link out of the folder or not a regular file, or the total size
            exceeds `MAX_SIZE`.
    """
    paths = [folder / CARD]
    for here, folders, files in os.walk(folder / PARAMS):
        paths += [Path(here) / name for name in (*folders, *files)]
    inside = folder.resolve()
    names, size = [], 0
    for path in (folder / PARAMS, *paths):
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            name = str(path.relative_to(folder))
            raise SettingError(
                "policy", str(folder), f"without links to other folders ({name!r} is one)"
            )
        if path.is_dir() or not path.exists():
            continue
        if not path.is_file():
            name = str(path.relative_to(folder))
            raise SettingError("policy", str(folder), f"made of regular files ({name!r} is not)")
        names.append(path.relative_to(folder).as_posix())
        size += path.stat().st_size
    if size > MAX_SIZE:
        allowed = f"at most {MAX_SIZE / 2**30:g} GiB in size ({size / 2**30:.1f} GiB were found)"
        raise SettingError("policy", str(folder), allowed)
    return sorted(names)


def copy_policy(folder: Path, target: Path) -> None:
    """Copy the files of a policy, and no others, into another folder.

    Raises:
        SettingError: see `policy_files`.
    """
    for name in policy_files(folder):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target / name)
