"""Write the catalogue of built-in parts: `python -m didact.experiments.catalogue`."""

import json
from typing import Any

from didact.common.catalogue import PATH
from didact.common.files import write_whole
from didact.environments.registry import ENVIRONMENTS
from didact.experiments.imitation import expert_setup
from didact.experiments.tasks.proposers import PROPOSERS
from didact.students.registry import STUDENTS
from didact.teachers.registry import TEACHERS, about


def collected() -> dict[str, dict[str, Any]]:
    """Return the descriptions of everything registered, without plugins; see `catalogue.read`."""
    registries = {
        "environments": ENVIRONMENTS,
        "teachers": TEACHERS,
        "students": STUDENTS,
        "proposers": PROPOSERS,
    }
    found: dict[str, dict[str, Any]] = {
        kind: {entry.name: entry.description for entry in registry.loaded()}
        for kind, registry in registries.items()
    }
    found["teachers"] = {entry.name: about(entry) for entry in TEACHERS.loaded()}
    found["teachers"][expert_setup.TEACHER] = dict(expert_setup.ABOUT)
    return found


if __name__ == "__main__":
    write_whole(PATH, json.dumps(collected(), indent=1) + "\n")
