"""Export and import of policies as .zip files.

Files are untrusted: names, types and sizes are checked before anything is written, and an imported
policy is installed only after it was loaded once. Nothing in a file is executed.
"""

import contextlib
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from didact.common.files import replacing
from didact.common.foreign_files import opened
from didact.environments import SettingError
from didact.students.policies.cards import MAX_SIZE, read_card
from didact.students.policies.lookup import locate, shipped, user_folder
from didact.students.policies.names import CARD, NAME_RULE, is_name
from didact.students.policies.storage import PARAMS, check_replaceable, policy_files, read_folder

MAX_FILES = 10_000
MAX_ARCHIVE = 2 * MAX_SIZE
MAX_DEPTH, MAX_PART = 16, 200  # folders in a path, and bytes of each name
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that the same policy makes the same file
_CHUNK = 1 << 20


def export_policy(
    policy: str | os.PathLike[str], file: str | os.PathLike[str], *, replace: bool = False
) -> Path:
    """Export a policy to a .zip file, after loading it once.

    Args:
        policy: a name, a policy folder or a run folder.
        file: the file to write.
        replace: whether to replace an existing file.

    Returns:
        The file.

    Raises:
        SettingError: there is no such policy, or the file exists or cannot be written.
    """
    file = Path(file)
    if file.suffix.lower() != ".zip":
        raise SettingError("file", str(file), "a file that ends in .zip")
    folder = locate(policy)
    read_folder(folder)
    if file.is_dir() or (file.exists() and not replace):
        raise SettingError("file", str(file), "a new file (use --replace to replace it)")
    try:
        with (
            replacing(file) as draft,
            zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name in policy_files(folder):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(info, (folder / name).read_bytes())
    except OSError as error:
        raise SettingError(
            "file", str(file), f"a file that can be written ({error.strerror or error})"
        ) from None
    return file


def import_policy(
    file: str | os.PathLike[str], name: str | None = None, *, replace: bool = False
) -> Path:
    """Import a policy from a .zip file written by `export_policy`.

    Args:
        file: the file.
        name: the policy's name; if None, the name on its card, or else that of the file.
        replace: whether to replace an imported policy of the same name.

    Returns:
        The policy folder.

    Raises:
        SettingError: the file is not a .zip file of a policy or is too large, or the name is taken.
            Nothing is changed in this case.
    """
    file = Path(file)
    with contextlib.ExitStack() as held:
        try:
            content = held.enter_context(opened(file, MAX_ARCHIVE))
            archive = held.enter_context(zipfile.ZipFile(content))
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            why = getattr(error, "strerror", None) or "this is not a .zip file"
            raise SettingError("file", str(file), f"a .zip file of a policy ({why})") from None
        entries = _checked(archive, file)

        def unpack(folder: Path) -> None:
            for entry in entries:
                _unpack(archive, entry, folder / entry.filename, file)

        return install_policy(unpack, name, file.stem, replace=replace)


def install_policy(
    fill: Callable[[Path], None], name: str | None, otherwise: str, *, replace: bool
) -> Path:
    """Install an imported policy atomically.

    Args:
        fill: a function that writes the policy's files into a new folder.
        name: the policy's name; if None, the name on its card.
        otherwise: the name if the card has none.
        replace: whether to replace an imported policy of the same name.

    Returns:
        The policy folder.

    Raises:
        SettingError: the name is invalid or taken, or the policy cannot be loaded.
    """
    if name is not None:
        _check_name(name, replace)
    home = user_folder()
    with _report_unwritable(home):
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=home) as drafts:
            draft = Path(drafts) / "policy"
            draft.mkdir()
            fill(draft)
            try:
                if not (draft / CARD).is_file():
                    raise SettingError("policy", otherwise, f"a policy with a {CARD}")
                chosen = name or str(read_card(draft).get("name", otherwise))
                _check_name(chosen, replace)
                read_folder(draft)
            except SettingError as error:
                # The temporary folder means nothing to the user, so replace its path in the error.
                setting, allowed, value = (
                    x.replace(str(draft), otherwise) if isinstance(x, str) else x
                    for x in (error.setting, error.allowed, error.value)
                )
                raise SettingError(str(setting), value, str(allowed)) from None
            with replacing(home / chosen) as place:
                os.replace(draft, place)
    return home / chosen


def _check_name(name: str, replace: bool) -> None:
    if not is_name(name):
        raise SettingError("--name", name, NAME_RULE)
    if name in shipped():
        raise SettingError("--name", name, "another name: didact ships a policy of this name")
    place = user_folder() / name
    if os.path.lexists(place) and not replace:
        raise SettingError("--name", name, "a new name (use --replace to replace the policy)")
    try:
        check_replaceable(place)
    except SettingError as error:
        raise SettingError("--name", name, f"a new name: {place} must be {error.allowed}") from None


@contextlib.contextmanager
def _report_unwritable(home: Path) -> Iterator[None]:
    """Convert an OSError into a SettingError about the folder of policies."""
    try:
        yield
    except OSError as error:
        allowed = f"a folder that can be written to ({error.strerror or error})"
        raise SettingError("folder of policies", str(home), allowed) from None


def _checked(archive: zipfile.ZipFile, file: Path) -> list[zipfile.ZipInfo]:
    """Return the entries that are files, after checking that a policy may have all entries."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise _refused(file, f"of at most {MAX_FILES} files")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_SIZE:
        raise _refused(file, f"of at most {MAX_SIZE / 2**30:g} GiB ({size / 2**30:.1f} unpacked)")
    seen = set()
    for entry in entries:
        name = entry.orig_filename
        folder = name.endswith("/")
        parts = name.removesuffix("/").split("/")
        if len(parts) > MAX_DEPTH or any(
            len(part.encode(errors="replace")) > MAX_PART for part in parts
        ):
            allowed = f"with at most {MAX_DEPTH} folders in a path, and {MAX_PART} bytes in a name"
            raise _refused(file, f"{allowed} (unlike {name[:100]!r})")
        proper = all(part not in ("", ".", "..") and part.isprintable() for part in parts)
        if not proper or "\\" in name or ":" in name or parts[0] not in (CARD, PARAMS):
            raise _refused(file, f"with only {CARD} and {PARAMS}/ (found {name[:100]!r})")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
            raise _refused(file, f"of regular files ({name[:100]!r} is not)")
        known = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if entry.flag_bits & 1 or not known:
            raise _refused(file, f"stored or deflated, not encrypted (unlike {name[:100]!r})")
        if name.casefold() in seen:
            raise _refused(file, f"without duplicates ({name[:100]!r} is there twice)")
        seen.add(name.casefold())
    return [entry for entry in entries if not entry.orig_filename.endswith("/")]


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, file: Path) -> None:
    """Write one file; it must not exceed its declared size."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, path.open("xb") as target:
            written = 0
            while part := source.read(_CHUNK):
                written += len(part)
                if written > entry.file_size:
                    problem = f"{entry.filename!r} is larger than its declared size"
                    raise _refused(file, f"intact ({problem})")
                target.write(part)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        FileExistsError,
    ) as error:
        raise _refused(file, f"intact ({str(error).splitlines()[0][:100]})") from None
    except NotADirectoryError:
        raise _refused(file, f"intact ({entry.filename!r} is below a file)") from None


def _refused(file: Path, allowed: str) -> SettingError:
    return SettingError("file", str(file), f"a .zip file of a policy, {allowed}")
