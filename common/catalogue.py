"""The catalogue: names and descriptions of everything built in, readable without importing JAX.

`catalogue.json` is written by `make catalogue` (`didact.experiments.catalogue`); a test compares it
with the registries.
"""

import functools
import importlib.metadata
import json
from pathlib import Path
from typing import Any

KINDS = ("environments", "teachers", "students", "proposers")
PATH = Path(__file__).parent / "catalogue.json"


@functools.cache
def read() -> dict[str, dict[str, Any]]:
    """Return the descriptions of all built-in parts, by kind (see `KINDS`) and name.

    Those of teachers are mappings with the fields `description`, `needs`, ... of the registry. They
    are empty if the file cannot be read, so that it can be written anew.
    """
    try:
        return json.loads(PATH.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {kind: {} for kind in KINDS}


def has_plugins(kind: str) -> bool:
    """Whether an installed package adds entries of a kind through entry points."""
    return bool(importlib.metadata.entry_points(group=f"didact.{kind}"))
