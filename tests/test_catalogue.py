"""The catalogue of built-in parts, which is a file so that reading it takes no time."""

import functools
import json

from didact.common import catalogue
from didact.environments.registry import ENVIRONMENTS
from didact.experiments.catalogue import collected
from didact.students.registry import STUDENTS
from didact.teachers.registry import TEACHERS


def ours(make):
    """Other tests may have registered environments of their own."""
    while isinstance(make, functools.partial):
        make = make.func
    return make.__module__.startswith("didact.")


def test_it_is_up_to_date(monkeypatch):
    for registry in (ENVIRONMENTS, TEACHERS, STUDENTS):
        left = {name: entry for name, entry in registry.items() if ours(entry.make)}
        monkeypatch.setattr(registry, "_entries", left)
    written = json.loads(catalogue.PATH.read_text())
    assert list(written) == list(catalogue.KINDS)
    assert written == collected(), "run `make catalogue`"


def test_without_the_file_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "PATH", tmp_path / "missing.json")
    assert catalogue.read.__wrapped__() == {kind: {} for kind in catalogue.KINDS}
