"""Describe the machine of a measurement, without host or user names."""

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import jax


def cores() -> int:
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def cpu_model() -> str:
    """Return the processor's model name if available, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """Return the commit of the checkout that is run, with "+changes" if it was edited, or None."""
    checkout, git = Path(__file__).resolve().parents[1], shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return None
    command = [git, "-C", str(checkout), "describe", "--always", "--dirty=+changes", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def describe(packages: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the machine, the relevant versions and the commit, JSON-compatible.

    Args:
        packages: additional packages whose versions to include; None if not installed.
    """
    devices = jax.devices()
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "device_kind": devices[0].device_kind,
        "device_platform": devices[0].platform,
        "devices": len(devices),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("didact", "jax", "jaxlib", *packages)},
        "commit": commit(),
    }
