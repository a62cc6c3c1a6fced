"""The suites of this package, by name. This module does not import JAX."""

from pathlib import Path

from didact.common.registry import suggest
from didact.experiments.config_files import read_values

FOLDER = Path(__file__).parent / "files"


def shipped() -> dict[str, Path]:
    """Return the files of the suites of this package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def descriptions() -> dict[str, str]:
    """Return the descriptions of the suites of this package, by name."""
    return {
        name: str(read_values(path, "--suite")["description"]) for name, path in shipped().items()
    }


def locate(name: str) -> Path:
    """Return the file of a suite, from its name or path.

    Raises:
        SettingError: there is no such suite.
    """
    if name in shipped():
        return shipped()[name]
    path = Path(name)
    if path.suffix in (".yaml", ".yml", ".json"):
        return path
    raise suggest("--suite", name, [*shipped(), "a file such as suite.yaml"])
