"""Which of many environments tests run by default: one of each family, and a few more.

The few are drawn by the hash of the commit, so other commits try others; the rest is slow.
"""

import hashlib
import subprocess
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import pytest


def first_of(names: Iterable[str], trait: Callable[[str], Hashable]) -> list[str]:
    """The first name of each trait."""
    firsts: dict[Hashable, str] = {}
    for name in names:
        firsts.setdefault(trait(name), name)
    return list(firsts.values())


def drawn(names: Iterable[str], count: int) -> list[str]:
    """A few names, others with each commit."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # an archive without its history
        commit = b""
    return sorted(names, key=lambda name: hashlib.sha256(commit + str(name).encode()).digest())[
        :count
    ]


def marked(names: Iterable[str], chosen: Iterable[str]) -> list[Any]:
    """All names, of which those that are not chosen are slow."""
    chosen = set(chosen)
    return [
        name if name in chosen else pytest.param(name, marks=pytest.mark.slow) for name in names
    ]


def mostly_slow(names: Iterable[str], family: Callable[[str], Hashable], count: int = 1) -> list:
    """All names, of which the first of each family and a few that are drawn are not slow."""
    names = list(names)
    return marked(names, [*first_of(names, family), *drawn(names, count)])
