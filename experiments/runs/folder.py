"""The folder of a run: created exclusively, locked while it is trained, and free of links that lead
out of it.

Run folders may come from strangers, and several processes may want the same one.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from didact.common import files
from didact.common.errors import SettingError
from didact.common.files import new_folder, remove_leftovers, writable, write_new
from didact.experiments.runs.stopping import undisturbed
from didact.students.policies.storage import check_replaceable

CONFIG = "config.json"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
LINKED = "--linked-checkpoints"
MAX_DEPTH = 64  # of folders; a run has fewer, and deeper ones exceed the limits of Python


@contextlib.contextmanager
def created(setting: str, folder: Path | None, name: str, config: Any) -> Iterator[Path]:
    """Create the folder of a new run with its config.json, and lock it.

    Args:
        setting: the name of the setting, for errors.
        folder: a new or empty folder; None for a numbered one under runs/.
        name: the prefix of numbered folders.
        config: the content of config.json, as JSON values.

    Raises:
        SettingError: the folder holds a run or other files, or cannot be written.
    """
    if folder is not None:
        _check_name(setting, folder)
        if os.path.lexists(folder / CONFIG):
            raise _taken(setting, folder)
    run = new_folder(setting, folder, name, ignore=LOCK)
    with locked(setting, run):
        try:
            write_new(run / CONFIG, json.dumps(config, indent=1) + "\n")
        except FileExistsError:  # created by another process since
            raise _taken(setting, run) from None
        except OSError as error:
            allowed = f"on a writable disk ({error.strerror or error}; no checkpoint was saved)"
            raise SettingError("run", str(run), allowed) from error
        with _cleaned(run):
            yield run


@contextlib.contextmanager
def reopened(setting: str, run: Path, *, linked_checkpoints: bool = False) -> Iterator[Path]:
    """Lock the folder of an existing run, after checking it, and remove what killed processes left.

    Args:
        setting: the name of the setting, for errors.
        run: the folder.
        linked_checkpoints: whether its folder `checkpoints` may be a link, for example to a larger
            disk.

    Raises:
        SettingError: this is not a run, another process trains it, or a link leads out of it.
    """
    _check_name(setting, run)
    if not (run / CONFIG).is_file():
        raise SettingError(setting, str(run), "a run folder")
    check_links(setting, run, linked_checkpoints=linked_checkpoints)
    writable(setting, run)
    with locked(setting, run):
        for path in (run / "policy", *run.glob("policy-seed-*")):
            check_replaceable(path)
        with _cleaned(run):
            yield run


@contextlib.contextmanager
def locked(setting: str, run: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the system releases it when the process ends in any way.

    On file systems without locks, this does nothing.

    Raises:
        SettingError: another process, or another training in this one, holds the lock.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.locked(run / LOCK))
            held.enter_context(files.locked_folder(setting, run))  # which other commands hold
        except BlockingIOError:
            raise SettingError(setting, str(run), "a run that no other process trains") from None
        except OSError as error:
            allowed = f"a run that can be locked ({LOCK}: {error.strerror or error})"
            raise SettingError(setting, str(run), allowed) from None
        yield


def check_links(setting: str, run: Path, *, linked_checkpoints: bool = False) -> None:
    """Refuse links in a run folder that lead out of it, or nowhere, pipes and devices.

    A training removes old checkpoints and replaces files: through such links, it would do so to
    files that are not its own. Pipes and devices would keep it waiting.

    Raises:
        SettingError: there is such a link, pipe or device; the error names it.
    """
    inside = os.path.realpath(run)
    folders = [Path(run)]
    while folders:
        here = folders.pop()
        try:
            entries = list(os.scandir(here))
        except OSError as error:
            allowed = f"readable ({here}: {error.strerror or error})"
            raise SettingError(setting, str(run), allowed) from None
        for entry in entries:
            path = Path(entry)
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
                if len(path.relative_to(run).parts) > MAX_DEPTH:
                    allowed = f"a folder with at most {MAX_DEPTH} levels"
                    raise SettingError(setting, str(run), allowed)
            relative, offer = str(path.relative_to(run)), ""
            if not (entry.is_symlink() or entry.is_dir() or entry.is_file()):
                allowed = f"a folder of files ({relative!r} is a pipe or a device)"
                raise SettingError(setting, str(run), allowed)
            if not entry.is_symlink() or _leads_into(path, inside):
                continue
            if relative == CHECKPOINTS and path.is_dir():
                if linked_checkpoints:
                    check_links(setting, Path(os.path.realpath(path)))
                    continue
                offer = f"; use {LINKED} if you made this link"
            allowed = f"without links that lead out of it or nowhere ({relative!r} is one{offer})"
            raise SettingError(setting, str(run), allowed)


def _leads_into(link: Path, folder: str) -> bool:
    try:
        target = os.path.realpath(link, strict=True)
    except OSError:
        return False
    return os.path.commonpath([target, folder]) == folder


@contextlib.contextmanager
def _cleaned(run: Path) -> Iterator[None]:
    """Remove temporary files at the start, and at the end if an interrupt has left some."""
    folders = run, run / CHECKPOINTS, run / "curriculum"
    for folder in folders:
        remove_leftovers(folder)
    try:
        yield
    finally:
        with undisturbed():
            for folder in folders:
                remove_leftovers(folder)


def _check_name(setting: str, folder: Path) -> None:
    try:
        os.fspath(folder).encode()
    except UnicodeEncodeError:
        raise SettingError(setting, str(folder), "a path in valid UTF-8") from None
    if "\0" in os.fspath(folder):
        raise SettingError(setting, str(folder), "a path without null characters")


def _taken(setting: str, folder: Path) -> SettingError:
    allowed = f"a new folder; it holds a run: --resume {folder} resumes it"
    return SettingError(setting, str(folder), allowed)
