"""What a run was made with: the versions of packages, and the number of devices."""

import json
from pathlib import Path
from typing import Any

import jax

from didact.common.files import write_whole
from didact.common.foreign_files import read_bytes
from didact.common.plain_text import shown
from didact.experiments.runs.policy_files import versions

FILE = "made_with.json"
MOST = 1 << 14  # bytes of it


def write(run: Path) -> None:
    """Write down what a run is made with."""
    found = {"versions": versions(), "devices": jax.device_count()}
    write_whole(run / FILE, json.dumps(found, indent=1) + "\n")


def read(run: Path) -> dict[str, Any]:
    """Return what a run was made with; nothing if that is not known."""
    try:
        found = json.loads(read_bytes(run / FILE, MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def difference(run: Path) -> str:
    """Describe how this process differs from the one that made a run; empty if it does not."""
    found, differences = read(run), []
    now = versions()
    before = found.get("versions", now)
    for name in now if isinstance(before, dict) else ():
        if before.get(name) != now[name]:
            differences.append(f"{name} {before.get(name)} (now {now[name]})")
    devices = found.get("devices", jax.device_count())
    if devices != jax.device_count():
        differences.append(f"{devices} devices (now {jax.device_count()})")
    return shown(", ".join(differences))[:200]
