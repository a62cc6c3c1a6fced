"""Policy folders: a card and parameters. Nothing is executed, and no link leaves the folder."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common import strict_json
from didact.common.files import replacing
from didact.environments import SettingError
from didact.students.base import Student
from didact.students.data.pytree_storage import (
    CorruptFiles,
    load_tree,
    save_tree,
    unlisted_files,
)
from didact.students.policies.cards import MAX_SIZE, is_card, parameters_of, read_card
from didact.students.policies.names import CARD

PARAMS = "params"


def save_policy(folder: str | os.PathLike[str], card: Mapping[str, Any], params: Any) -> Path:
    """Write a policy folder; an existing policy is replaced once the new one is complete.

    Raises:
        SettingError: the folder exists and holds anything but a policy, or a parameter is NaN or
            infinite; nothing is changed.
        OSError: the disk is full or cannot be written; an earlier policy is not changed.
    """
    folder = Path(folder).absolute()
    check_replaceable(folder)
    require_finite(folder, params)
    with replacing(folder) as draft:
        save_tree(draft / PARAMS, params)
        (draft / CARD).write_text(strict_json.dumps(dict(card), indent=1) + "\n")
    return folder


def check_replaceable(folder: Path, setting: str = "policy") -> None:
    """Check that nothing but a policy is lost if a folder is replaced.

    Args:
        folder: a folder, which may be missing.
        setting: the name of the setting, for errors.

    Raises:
        SettingError: the folder is not empty, and holds other files than those of a policy.
    """
    try:
        foreign = _foreign(folder)
    except OSError as error:
        raise SettingError(setting, str(folder), f"readable ({error.strerror or error})") from None
    if foreign:
        allowed = f"a new folder, or one with nothing but a policy to replace ({foreign})"
        raise SettingError(setting, str(folder), allowed)


def _foreign(folder: Path) -> str:
    """Describe what a folder holds besides a policy; "" if there is nothing."""
    if not os.path.lexists(folder):
        return ""
    if not folder.is_dir():
        return "it is not a folder"
    names = sorted(path.name for path in folder.iterdir())
    other = [name for name in names if name not in (CARD, PARAMS)]
    if names and (other or CARD not in names):
        return f"it holds {other[0]!r}" if other else f"it has no {CARD}"
    for place in (folder / CARD, folder / PARAMS):
        if place.is_symlink():
            return f"{place.name!r} is a link"
    if names and not is_card(folder):
        return f"{CARD} is not a policy card"
    if (folder / PARAMS).is_dir():
        unknown = unlisted_files(folder / PARAMS)
        return f"it holds {os.path.join(PARAMS, unknown[0])!r}" if unknown else ""
    return f"{PARAMS!r} is a file" if PARAMS in names else ""


def read_folder(folder: Path, student: Student | None = None) -> tuple[dict[str, Any], Any]:
    """Read the card and the parameters in a policy folder, after checking all files.

    Raises:
        SettingError: a file is missing, was changed or is a link out of the folder, the card is
            invalid, or the parameters do not match the card or are not finite.
    """
    policy_files(folder)
    card = read_card(folder)
    like = parameters_of(card, str(folder / CARD), student)
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like)
    try:
        params = load_tree(folder / PARAMS, like)
    except CorruptFiles as damage:
        raise SettingError(
            "policy", str(folder), f"a folder with valid parameters ({damage})"
        ) from None
    require_finite(folder, params)
    return card, params


def require_finite(folder: Path, params: Any) -> None:
    """Raise a `SettingError` if a parameter of a policy is NaN or infinite."""
    for path, values in jax.tree_util.tree_leaves_with_path(params):
        if jnp.issubdtype(values.dtype, jnp.inexact) and not np.isfinite(values).all():
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            allowed = f"made of finite parameters ({name} contains NaN or infinity)"
            raise SettingError("policy", str(folder), allowed)


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
