"""Policy folders: a card and parameters. Nothing in them is executed, and nothing leads out."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from didact.common.files import replacing
from didact.environments import SettingError
from didact.students.data.pytree_storage import CorruptFiles, load_tree, save_tree
from didact.students.policies.cards import CARD, MAX_SIZE, parameters_of, read_card

PARAMS = "params"


def save_policy(folder: str | os.PathLike[str], card: Mapping[str, Any], params: Any) -> Path:
    """Writes a policy folder; one that is there already is replaced when the new one is whole.

    Raises:
        SettingError: what is there is no policy folder; it is left alone.
        OSError: the disk is full or cannot be written; an earlier policy is untouched.
    """
    folder = Path(folder).absolute()
    there = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if there and not (folder / CARD).is_file():
        raise SettingError("policy", str(folder), "a new folder, or a policy to replace")
    with replacing(folder) as draft:
        save_tree(draft / PARAMS, params)
        (draft / CARD).write_text(json.dumps(dict(card), indent=1) + "\n")
    return folder


def read_folder(folder: Path) -> tuple[dict[str, Any], Any]:
    """The card and the parameters in a policy folder, after everything was checked.

    Raises:
        SettingError: a file is missing, was changed or leads elsewhere, the card is none, or the
            parameters are not those of its network.
    """
    policy_files(folder)
    card = read_card(folder)
    like = parameters_of(card, str(folder / CARD))
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like)
    try:
        return card, load_tree(folder / PARAMS, like)
    except CorruptFiles as damage:
        raise SettingError(
            "policy", str(folder), f"a folder with the parameters as they were saved ({damage})"
        ) from None


def policy_files(folder: Path) -> list[str]:
    """The files that make a policy, below its folder: the card, and all under `params`.

    Others that somebody put beside them, such as videos, are not among them.

    Raises:
        SettingError: one of them is a link that leads out of the folder, or no file, or all of
            them are larger than `LARGEST`.
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
                "policy", str(folder), f"without links that lead out ({name!r} does)"
            )
        if path.is_dir() or not path.exists():
            continue
        if not path.is_file():
            name = str(path.relative_to(folder))
            raise SettingError("policy", str(folder), f"made of files only ({name!r} is none)")
        names.append(path.relative_to(folder).as_posix())
        size += path.stat().st_size
    if size > MAX_SIZE:
        allowed = f"at most {MAX_SIZE / 2**30:g} GiB large ({size / 2**30:.1f} were found)"
        raise SettingError("policy", str(folder), allowed)
    return sorted(names)


def copy_policy(folder: Path, target: Path) -> None:
    """Copies the files that make a policy, and no others, into another folder.

    Raises:
        SettingError: see `policy_files`.
    """
    for name in policy_files(folder):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target / name)
