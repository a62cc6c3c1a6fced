"""What a figure of speed was measured on, without names of hosts or people."""

import os
import platform
from importlib import metadata
from pathlib import Path

import jax


def cores() -> int:
    """The number of cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def cpu_model() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe(packages: tuple[str, ...] = ()) -> dict[str, object]:
    """The machine and the versions that matter, ready for JSON.

    Args:
        packages: further packages whose versions are to be told; those not installed are None.
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
    }
