"""Where benchmarks write what they found."""

from pathlib import Path

from didact.environments import SettingError


def writable(path: str) -> Path:
    """The folder for `--out`, made if it is not there.

    Raises:
        SettingError: nothing can be written there.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".probe").write_text("")
        (folder / ".probe").unlink()
    except OSError as error:
        allowed = f"a folder that can be written ({error})"
        raise SettingError("--out", str(folder), allowed) from None
    return folder
